"""A real RTSP server (GStreamer's), for the tests; run by the system's Python, which has gi.

It prints its port, and serves the stream /live until it is killed or its standard input ends.
"""

import argparse
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

ENCODERS = {
    "jpeg": "video/x-raw,format=I420 ! jpegenc ! rtpjpegpay",
    "vp8": "video/x-raw,format=I420 ! vp8enc deadline=1 keyframe-max-dist=10 ! rtpvp8pay",
    "h264": "video/x-raw,format=I420 ! openh264enc gop-size=10 ! rtph264pay config-interval=1",
}
ROLE = "viewer"


def protect(server, factory, method: str, user: str, password: str) -> None:
    auth = GstRtspServer.RTSPAuth.new()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, ROLE)
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    access = f"{ROLE},media.factory.access=true,media.factory.construct=true"
    factory.add_role_from_structure(Gst.Structure.from_string(access)[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", default="0")
    parser.add_argument("--codec", default="jpeg", choices=ENCODERS)
    parser.add_argument("--auth", nargs=3, metavar=("METHOD", "USER", "PASSWORD"))
    args = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(args.port)
    factory = GstRtspServer.RTSPMediaFactory.new()
    size = "video/x-raw,width=320,height=240,framerate=30/1"
    source = f"videotestsrc is-live=true pattern=ball ! {size}"
    factory.set_launch(f"( {source} ! videoconvert ! {ENCODERS[args.codec]} name=pay0 )")
    factory.set_shared(True)
    if args.auth:
        protect(server, factory, *args.auth)
    server.get_mount_points().add_factory("/live", factory)
    if not server.attach(None):
        sys.exit(f"cannot listen on port {args.port}")
    sys.stdout.write(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    loop = GLib.MainLoop()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.quit()), daemon=True).start()
    loop.run()


main()
