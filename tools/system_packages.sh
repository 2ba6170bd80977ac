#!/bin/sh
# Installs what single tests want from Debian; without the right to, those tests skip and say so.
set -u
wanted=""
command -v gcc >/dev/null || wanted="$wanted gcc libc6-dev"  # the virtual Edge TPU is a C library
command -v mosquitto >/dev/null || [ -x /usr/sbin/mosquitto ] || wanted="$wanted mosquitto"
command -v chromium >/dev/null || wanted="$wanted chromium"
command -v chromedriver >/dev/null || wanted="$wanted chromium-driver"
command -v gst-launch-1.0 >/dev/null || wanted="$wanted gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
command -v Xvfb >/dev/null || wanted="$wanted xvfb"  # a screen to be seen
# An RTSP camera, served by the system's Python
/usr/bin/python3 -c "import gi; gi.require_version('GstRtspServer', '1.0')" 2>/dev/null ||
    wanted="$wanted python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good"
[ -n "$wanted" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $wanted >/dev/null && exit 0
fi
echo "not installed, so that the tests which want them skip:$wanted" >&2
