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
need chromium chromium
need npm npm

install() { # install what is missing from Debian
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "not installed, their tests will skip:$missing"
        return
    fi
    if [ "$(id -u)" = 0 ]; then
        root=""
    elif sudo -n true 2>/dev/null; then
        root="sudo -n"
    else
        echo "not installed, and there is neither root nor sudo to do it; their tests will skip:$missing"
        return
    fi
    echo "installing$missing"
    export DEBIAN_FRONTEND=noninteractive
    $root apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null \
        || echo "that did not work; tests of what is missing will skip"
}

jssip() { # make the script of a page that has JsSIP in it
    page=$PWD/tests/interop/peers/jssip/page.js
    [ .venv/npm/page.js -nt "$page" ] && return
    command -v npm >/dev/null 2>&1 || return
    echo "installing JsSIP"
    mkdir -p .venv/npm
    (
        cd .venv/npm \
            && npm install --silent --no-audit --no-fund --no-save jssip@3.13.8 esbuild@0.28.2 \
            && NODE_PATH=node_modules node_modules/.bin/esbuild "$page" \
                --bundle --log-level=warning --outfile=page.js
    ) || echo "that did not work; its tests will skip"
}

[ -z "$missing" ] || install
jssip
exit 0
