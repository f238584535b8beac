#!/bin/sh
# Install the programs that the interop tests talk to, where that is possible.
#
# Tests whose programs are missing afterwards skip and say so; with CI=true they fail.
set -u

missing=""
need() { # need PACKAGE PROGRAM...: the package is wanted unless every program is there
    package=$1
    shift
    for program; do
        command -v "$program" >/dev/null 2>&1 && continue
        ls /usr/lib/postgresql/*/bin/"$program" >/dev/null 2>&1 && continue
        missing="$missing $package"
        return
    done
}

need sip-tester sipp
need sipsak sipsak
need baresip-core baresip
need netcat-openbsd nc
need tshark tshark dumpcap
need postgresql initdb postgres

[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed, their tests will skip:$missing"
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    root=""
elif sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    echo "not installed, and there is neither root nor sudo to do it; their tests will skip:$missing"
    exit 0
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
$root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null \
    || echo "that did not work; tests of what is missing will skip"
exit 0
