#!/bin/sh
# usage: make_venv.sh PYTHON FOLDER     a virtual environment, on a bare Debian too
set -eu
python=$1
folder=$2
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || {
    echo "edgecv needs Python 3.10 or newer; $python is $("$python" --version)" >&2
    exit 1
}
if ! "$python" -m venv "$folder" 2>/dev/null; then  # Debian keeps ensurepip in python3-venv
    rm -rf "$folder"
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null
        "$python" -m venv "$folder"
    else
        echo "cannot make a virtual environment: sudo apt install python3-venv" >&2
        exit 1
    fi
fi
"$folder/bin/python" -m pip install -q --upgrade pip
