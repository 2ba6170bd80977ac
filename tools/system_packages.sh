#!/bin/sh
# Installs what single tests want from Debian; without the right to, those tests skip and say so.
set -u
wanted=""
command -v gcc >/dev/null || wanted="$wanted gcc libc6-dev"  # the virtual Edge TPU is a C library
[ -n "$wanted" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    # shellcheck disable=SC2086
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $wanted >/dev/null
fi
[ $? = 0 ] || echo "could not install:$wanted; the tests that want them will skip" >&2
exit 0
