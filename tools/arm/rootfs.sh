#!/bin/sh
# usage: rootfs.sh FOLDER     a Debian 12 userland for arm64 as plain files, made once
# Nothing is mounted and no binary format is registered: qemu-user looks for files there first (-L).
set -eu
folder=$1
release=bookworm # Debian 12, with Python 3.11, which Raspberry Pi OS of that name is made of
[ -e "$folder/.complete" ] && exit 0

# A processor to be read by libraries that ask the system: a Cortex-A76, as on a Raspberry Pi 5.
# Without it LiteRT reads the files of the x86 machine beneath and crashes.
processor() {
    cores="0 1 2 3"
    features="fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"
    mkdir -p "$1/proc" "$1/sys/devices/system/cpu"
    for core in $cores; do
        printf '%s\t: %s\n' processor "$core" BogoMIPS 108.00 Features "$features" \
            'CPU implementer' 0x41 'CPU architecture' 8 'CPU variant' 0x4 'CPU part' 0xd0b \
            'CPU revision' 1
        echo
        identity="$1/sys/devices/system/cpu/cpu$core/regs/identification"
        mkdir -p "$identity"
        echo 0x00000000414fd0b1 >"$identity/midr_el1" # the same four numbers in one
    done >"$1/proc/cpuinfo"
    for list in possible present online; do echo 0-3 >"$1/sys/devices/system/cpu/$list"; done
}

rm -rf "$folder" "$folder.part"
mkdir -p "$(dirname "$folder")"
# extract: packages are unpacked, and their scripts, which would call arm64 programs, are not run.
# chrootless: anybody may do that.
mmdebstrap --quiet --mode=chrootless --architectures=arm64 --variant=extract \
    --include=python3.11,libstdc++6 "$release" "$folder.part"
processor "$folder.part"
# Folders that the tests share with this machine must not be looked for in the userland.
rm -rf "$folder.part/tmp" "$folder.part/home" "$folder.part/root" "$folder.part/dev"
touch "$folder.part/.complete"
mv "$folder.part" "$folder"
