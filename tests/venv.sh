#!/bin/sh
# Make a virtual environment: venv.sh PYTHON DIR
#
# Debian keeps what this needs in a package of its own; with root or sudo it is installed.
set -eu
python=$1
dir=$2

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "imsnode needs Python 3.11 or newer; name one: make PYTHON=python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ]; then root=""; else root="sudo -n"; fi
    echo "installing python3-venv"
    if ! { $root apt-get update -qq && $root apt-get install -y -qq python3-venv >/dev/null; }; then
        echo "python3-venv is missing: apt install python3-venv" >&2
        exit 1
    fi
fi
"$python" -m venv "$dir"
