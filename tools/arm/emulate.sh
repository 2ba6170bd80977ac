#!/bin/sh
# usage: emulate.sh FOLDER PACKAGES ARGUMENT...     the userland's Python, with folders of packages
# FOLDER is shared by rootfs.sh (FOLDER/root), install.sh and this; PACKAGES is as in PYTHONPATH. The
# environment is empty but for the folder of models: no cache or package of this machine is seen.
# What takes long here says nothing about a Raspberry Pi: a call takes some hundred times as long.
set -eu
folder=$1
packages=$2
shift 2
emulator=$(command -v qemu-aarch64-static || command -v qemu-aarch64)
mkdir -p "$folder/home" "$folder/tmp"
exec env -i PATH=/usr/bin:/bin LANG=C.UTF-8 HOME="$folder/home" TMPDIR="$folder/tmp" \
    PYTHONPATH="$packages" PYTHONNOUSERSITE=1 PYTHONSAFEPATH=1 \
    ${EDGECV_ZOO_MIRROR:+EDGECV_ZOO_MIRROR="$EDGECV_ZOO_MIRROR"} \
    "$emulator" -cpu cortex-a76 -L "$folder/root" "$folder/root/usr/bin/python3.11" "$@"
