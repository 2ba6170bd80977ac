"""The source seam: where frames come from. One file for each kind of source.

A source is an iterator of `Frame`. One that cannot give a frame raises, and may be asked for the
next one all the same: a folder goes on behind a damaged picture, a camera after it was unplugged.

What a source is named by (options stand behind a question mark, ``0?width=1280&height=720``):

| URI | source | options |
|---|---|---|
| ``0``, ``usb:0``, ``/dev/video0`` | camera of V4L2 | width, height, fps, fourcc |
| ``csi:0`` | ribbon-cable camera (Jetson, Raspberry Pi), by GStreamer | width, height, fps |
| ``picamera2:0`` | ribbon-cable camera of a Raspberry Pi, by picamera2 | width, height, fps |
| ``gst:PIPELINE`` | anything that GStreamer knows | |
| ``rtsp://USER:PASSWORD@HOST/PATH`` | camera in the network | threads, timeout, behind a ``#`` |
| ``http://HOST/PATH`` | MJPEG stream, picture, video | fps, timeout, verify, behind a ``#`` |
| ``clip.mp4``, ``photo.jpg``, ``folder``, ``photos/*.jpg`` | recording | loop, realtime, fps |
| ``screen``, ``screen:2`` | what is on the screen | fps |
| ``test:pattern`` | moving pattern that carries its number | width, height, fps, frames, live |
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from edgecv.registry import Registry
from edgecv.types import Frame


class Source(Protocol):
    """An opened source. Sources that know how many frames they have say so by `len`."""

    @property
    def live(self) -> bool:
        """Whether frames come by themselves, and only the newest one counts."""

    def __iter__(self) -> Iterator[Frame]:
        """Return the source itself."""

    def __next__(self) -> Frame:
        """Return the next frame.

        Raises:
            EdgeCVError: There should be one, and it cannot be had; the one behind it may be.
            StopIteration: There are no more.
        """

    def close(self) -> None:
        """Give the camera or the file back."""


SOURCES = Registry(
    "kind of source",
    {
        "csi": "edgecv.sources.gstreamer:open_csi",
        "file": "edgecv.sources.play:open_recording",
        "gst": "edgecv.sources.gstreamer:open_gstreamer",
        "http": "edgecv.sources.http:open_http",
        "https": "edgecv.sources.http:open_http",
        "picamera2": "edgecv.sources.picamera:open_picamera",
        "rtsp": "edgecv.sources.rtsp:open_rtsp",
        "screen": "edgecv.sources.screen:open_screen",
        "test": "edgecv.sources.pattern:open_pattern",
        "usb": "edgecv.sources.usb:open_usb",
    },
)
"""What a URI begins with -> the function that opens it. A path is a URI without a beginning."""

_USB = re.compile(r"[0-9]+(\?|$)|/dev/(video|v4l/)")
_SCREEN = re.compile(r"screen(\?|$)")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


def open_source(uri: str | os.PathLike[str]) -> Source:
    """Open a source of frames.

    Args:
        uri: A camera's number, an address, a file, a folder or a pattern, as in the table above.

    Raises:
        SourceError: The camera, stream or video cannot be opened.
        ImageError: There is no such file, or no picture in the folder.
        UnknownNameError: No kind of source has URIs that begin like that, or has such an option.
        PackageMissingError: It needs a package that is not installed.
    """
    text = os.fspath(uri)
    source: Source = SOURCES.load(_kind(text))(text)
    return source


def _kind(text: str) -> str:
    if _USB.match(text):
        return "usb"
    if _SCREEN.match(text):
        return "screen"
    scheme = _SCHEME.match(text)
    if not scheme or (scheme[1].lower() not in SOURCES and Path(text).expanduser().exists()):
        return "file"
    return scheme[1].lower()
