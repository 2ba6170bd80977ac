"""OpenCV's video captures: opened without noise, read as frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from threading import Lock
from time import monotonic

import cv2
import numpy as np

from edgecv.errors import SourceError
from edgecv.image import as_bgr
from edgecv.types import Image

LOGGING = getattr(cv2.utils, "logging", cv2)  # OpenCV 5 and late 4.x; early 4.x


class _Variables:
    """Environment variables that are set while any thread is inside; the user's own stay."""

    def __init__(self, **values: str) -> None:
        self._values, self._ours = values, set[str]()
        self._inside = 0
        self._level = 0
        self._lock = Lock()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._ours = self._values.keys() - os.environ.keys()
                os.environ.update({name: self._values[name] for name in self._ours})
                self._level = LOGGING.getLogLevel()
                LOGGING.setLogLevel(0)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                LOGGING.setLogLevel(self._level)
                for name in self._ours:
                    os.environ.pop(name, None)


# OpenCV and FFmpeg complain on standard error, past everything that could catch it, and are told
# not to by these variables alone. What could not be opened is said by a SourceError instead.
_FILE = _Variables(OPENCV_FFMPEG_LOGLEVEL="-8")
# TCP loses nothing; a stream's first second tells what it is, its rate need not be measured.
# https://ffmpeg.org/ffmpeg-formats.html#Format-Options
_STREAM = _Variables(
    OPENCV_FFMPEG_LOGLEVEL="-8",
    OPENCV_FFMPEG_CAPTURE_OPTIONS="rtsp_transport;tcp|analyzeduration;1000000|fpsprobesize;1",
)


class CaptureReader:
    """An opened capture.

    Args:
        capture: It.
        lost: What to say when it gives no more pictures.
        stamped: Whether it knows when a picture was captured: V4L2's drivers do.
    """

    def __init__(self, capture: cv2.VideoCapture, lost: str, *, stamped: bool = False) -> None:
        self._capture, self._lost, self._stamped = capture, lost, stamped

    def read(self) -> tuple[Image, float]:
        """Return the next picture, and when it was captured.

        Raises:
            SourceError: There is none.
        """
        image = read_capture(self._capture)
        if image is None:
            raise SourceError(self._lost)
        now = monotonic()
        stamp = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3 if self._stamped else now
        return image, stamp if now - 1 < stamp <= now else now

    def close(self) -> None:
        """Give the camera or the connection back."""
        self._capture.release()


def open_capture(
    target: str, backend: int, settings: Sequence[int] = (), *, stream: bool = False
) -> cv2.VideoCapture | None:
    """Open a capture, without noise; None where OpenCV cannot.

    Args:
        target: A path, an address or a pipeline.
        backend: One of OpenCV's ``cv2.CAP_*``.
        settings: Pairs of ``cv2.CAP_PROP_*`` and value that it is opened with.
        stream: Whether it is to begin soon and to lag little.
    """
    with _STREAM if stream else _FILE:
        try:
            capture = cv2.VideoCapture(target, backend, list(settings))
        except cv2.error:
            return None
    return capture if capture.isOpened() else None


def read_capture(capture: cv2.VideoCapture) -> Image | None:
    """Return the next picture of a capture as uint8 (H, W, 3) BGR; None where there is none."""
    try:
        good, image = capture.read()
    except cv2.error:  # a picture so damaged that OpenCV's own checks fail
        return None
    return as_bgr(np.asarray(image, np.uint8)) if good else None
