"""Cameras in a network, real ones as far as a client can tell: RTSP and MJPEG over HTTP."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import cv2
import numpy as np

from edgecv.sources.pattern import Pattern, PatternOptions

USER, PASSWORD = "bob", "se:cr@t/1"
RTSP_PACKAGES = "python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good"


@lru_cache
def jpegs(count: int, height: int = 240, width: int = 320) -> tuple[bytes, ...]:
    """Return pictures of the test pattern; each carries its number."""
    pattern = Pattern(PatternOptions(width=width, height=height, fps=0, frames=count))
    return tuple(cv2.imencode(".jpg", frame.image)[1].tobytes() for frame in pattern)


class HttpCamera:
    """A web server on this machine, with an address for each of the things cameras do."""

    def __init__(self, folder: Path | None = None, port: int = 0) -> None:
        self.stopping = Event()
        self.requests: list[str] = []
        handler = type("Handler", (_Handler,), {"camera": self, "folder": folder})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def url(self, path: str, user: str = "") -> str:
        return f"http://{user}{'@' if user else ''}127.0.0.1:{self.port}{path}"

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    camera: HttpCamera
    folder: Path | None

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.camera.requests.append(self.path)
        try:
            if path in ("/basic", "/digest") and not self._allowed(path):
                return
            if self.folder is not None and (self.folder / path[1:]).is_file():
                self._send(self.folder / path[1:])
            elif path == "/page":
                self._head("text/html")
                self.wfile.write(b"<html>")
            elif path == "/gone":
                self.send_error(404)
            else:
                self._stream(path)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _head(self, kind: str, **headers: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def _send(self, file: Path) -> None:
        data = file.read_bytes()
        kind = "video/mp4" if file.suffix == ".mp4" else "image/jpeg"
        self._head(kind, Content_Length=str(len(data)))
        self.wfile.write(data)

    def _stream(self, path: str) -> None:
        boundary = '"--frame--"' if path == "/quirks" else "frame"
        self._head(f"multipart/x-mixed-replace; boundary={boundary}")
        for data in self._pictures(path):
            length = f"Content-Length: {len(data)}\r\n" if path != "/nolength" else ""
            head = f"--frame\r\nContent-Type: image/jpeg\r\n{length}\r\n"
            self.wfile.write(head.encode() + data + b"\r\n")
            if self.camera.stopping.is_set():
                return

    def _pictures(self, path: str) -> Iterator[bytes]:
        if path == "/resize":
            yield from (*jpegs(3), *jpegs(3, 480, 640), *jpegs(3, 96, 128))
        elif path == "/damaged":
            first, *others = jpegs(5)
            yield from (first, b"", b"no picture", first[:100], *others)
        elif path == "/junk":
            yield from [b"no picture"] * 1000
        elif path == "/ends":
            yield from jpegs(5)
        elif path == "/stalls":
            yield from jpegs(2)
            self.camera.stopping.wait(60)
        else:
            for data in jpegs(100) * 100:
                yield data
                time.sleep(0.01)

    def _allowed(self, path: str) -> bool:
        given = self.headers.get("Authorization", "")
        if path == "/basic":
            wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            challenge, good = 'Basic realm="cam"', given == f"Basic {wanted}"
        else:
            challenge = 'Digest realm="cam", nonce="1234", qop="auth", algorithm=MD5'
            good = given.startswith("Digest") and _digest_fits(given, self.command)
        if not good:
            self.send_response(401)
            self.send_header("WWW-Authenticate", challenge)
            self.send_header("Content-Length", "0")
            self.end_headers()
        return good


def _digest_fits(given: str, method: str) -> bool:
    """Check the answer to a challenge by the formula of RFC 7616, 3.4.1."""
    values = dict(re.findall(r'(\w+)="?([^",]+)"?', given))

    def hashed(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    first = hashed(f"{USER}:{values['realm']}:{PASSWORD}")
    second = hashed(f"{method}:{values['uri']}")
    middle = f"{values['nonce']}:{values['nc']}:{values['cnonce']}:{values['qop']}"
    return values["username"] == USER and values["response"] == hashed(f"{first}:{middle}:{second}")


class RtspCamera:
    """GStreamer's RTSP server in a process of its own; the stream is /live, 320x240 at 30 Hz."""

    def __init__(self, *options: str, port: int = 0) -> None:
        script = Path(__file__).with_name("rtsp_server.py")
        command = [rtsp_python(), str(script), "--port", str(port), *options]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def url(self, user: str = "", path: str = "/live") -> str:
        return f"rtsp://{user}{'@' if user else ''}127.0.0.1:{self.port}{path}"

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@lru_cache
def rtsp_python() -> str:
    """Return a Python that can serve RTSP; empty where there is none."""
    code = (
        "import gi; gi.require_version('GstRtspServer', '1.0');"
        "from gi.repository import Gst, GstRtspServer; Gst.init(None);"
        "exit(not all(map(Gst.ElementFactory.find, ('jpegenc', 'rtpjpegpay', 'vp8enc'))))"
    )
    for python in ("/usr/bin/python3", sys.executable):
        if Path(python).exists():
            done = subprocess.run([python, "-c", code], capture_output=True, check=False)
            if not done.returncode:
                return python
    return ""


def write_video(path: Path, count: int, *, fourcc: str = "mp4v", fps: float = 25.0) -> Path:
    """Write the first pictures of the test pattern, 320x240, as a video."""
    code = cv2.VideoWriter.fourcc(*fourcc)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, (320, 240))
    assert writer.isOpened()
    for frame in Pattern(PatternOptions(width=320, height=240, fps=0, frames=count)):
        writer.write(np.asarray(frame.image))
    writer.release()
    return path
