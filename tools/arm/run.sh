#!/bin/sh
# usage: run.sh PYTHON     edgecv on an emulated arm64 machine, held against this x86 one
# PYTHON has edgecv[dev]. All files go to .venv-arm/, of which the userland is kept for the next time.
set -eu
python=$1
root=$(cd "$(dirname "$0")/../.." && pwd)
tools="$root/tools/arm"
folder="$root/.venv-arm"
case $python in /*) ;; *) python="$root/$python" ;; esac

wanted=""
command -v mmdebstrap >/dev/null || wanted="$wanted mmdebstrap"
command -v qemu-aarch64-static >/dev/null || command -v qemu-aarch64 >/dev/null ||
    wanted="$wanted qemu-user-static"
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || wanted="$wanted debian-archive-keyring"
if [ -n "$wanted" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086
        apt-get update -qq && apt-get install -y -qq --no-install-recommends $wanted >/dev/null
    else
        echo "not installed: sudo apt install$wanted" >&2
        exit 1
    fi
fi

step() { printf '\n== %s\n' "$1"; }

step "a Debian userland for arm64, in .venv-arm/root"
sh "$tools/rootfs.sh" "$folder/root"
step "edgecv[pi] from aarch64 wheels"
sh "$tools/install.sh" "$python" "$folder"
step "the same results as on x86"
sh "$tools/compare.sh" "$python" "$folder"
step "aarch64 wheels for every extra"
"$python" "$tools/resolve.py" "$folder"/dist/*.whl
step "the core's tests (their times are the emulator's)"
sh "$tools/run_tests.sh" "$folder"
