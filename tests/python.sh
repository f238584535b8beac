#!/bin/sh
# Name the Python that the virtual environment is made from: the distribution's own, else python3.
#
# Distributions build theirs with profile-guided optimisation, version managers usually do not, and
# the node is a sixth slower on one without it. Taken only when nothing has to be installed first.
for python in /usr/bin/python3.11 /usr/bin/python3; do
    if [ -x "$python" ] && "$python" - 2>/dev/null <<'ASK'
import ensurepip, pathlib, sys, sysconfig, venv
sys.exit(sys.version_info < (3, 11) or not pathlib.Path(sysconfig.get_path("include"), "Python.h").is_file())
ASK
    then
        echo "$python"
        exit
    fi
done
echo python3
