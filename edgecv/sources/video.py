"""Video files, through OpenCV's FFmpeg: every frame, with its place in time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from time import monotonic

import cv2

from edgecv.errors import SourceError
from edgecv.sources.addresses import hide_password
from edgecv.sources.capture import open_capture, read_capture
from edgecv.types import Frame

log = logging.getLogger(__name__)

SUFFIXES = (
    *(".3gp", ".asf", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv"),
    *(".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts", ".webm", ".wmv"),
)
"""What counts as a video, whatever the case of its letters."""
COMPLETE = 0.95
"""A video that has fewer of the frames it promises is cut short: the numbers are estimates."""


class Video:
    """A source of all frames of a video.

    A file that breaks off in the middle ends there, with a warning in the log.

    Args:
        path: A file, or the address of one.

    Attributes:
        fps: Frames a second; 0 if the file does not say.

    Raises:
        SourceError: It cannot be opened.
    """

    live = False

    def __init__(self, path: str) -> None:
        self.name = hide_password(path)
        capture = open_capture(path, cv2.CAP_FFMPEG)
        if capture is None:
            raise SourceError(_why_closed(path))
        self._capture: cv2.VideoCapture | None = capture
        self._count = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        self.fps = max(capture.get(cv2.CAP_PROP_FPS), 0.0)
        self._index = 0
        self._lock = Lock()

    def __len__(self) -> int:
        """Return how many frames the file promises; some promise none, or a few too many."""
        return self._count

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """Decode the next frame."""
        with self._lock:
            if self._capture is None:
                raise StopIteration
            image = read_capture(self._capture)
            if image is None:
                self._end(self._capture)
                raise StopIteration
            position = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3
            index, self._index = self._index, self._index + 1
            return Frame(image, index, monotonic(), self.name, position)

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            if self._capture is not None:
                self._capture.release()
                self._capture = None

    def _end(self, capture: cv2.VideoCapture) -> None:
        if self._index < COMPLETE * self._count:
            log.warning(
                "%s ends early, after %d of %d frames: it is cut short or damaged",
                self.name, self._index, self._count,
            )  # fmt: skip
        capture.release()
        self._capture = None


def _why_closed(path: str) -> str:
    if "://" in path:
        return f"{hide_password(path)} is no video that OpenCV's FFmpeg can read"
    file = Path(path)
    try:
        if not file.stat().st_size:
            return f"{path} is empty (0 bytes)"
        headless = _lacks_index(file)
    except OSError as error:
        return f"cannot read {path}: {error.strerror or error}"
    if headless:
        return (
            f"{path} was cut short: an MP4 without its index (moov), which is written last. "
            "Repair it with `untrunc`, or record to .mkv, which can be read without one"
        )
    return f"{path} is no video that OpenCV's FFmpeg can read, or is cut short"


def _lacks_index(file: Path) -> bool:
    """Return whether a file is an MP4 without its index (ISO/IEC 14496-12, 4.2: a row of boxes)."""
    kinds: list[bytes] = []
    with file.open("rb") as opened:
        while len(header := opened.read(8)) == 8 and len(kinds) < 1000:
            kinds.append(header[4:])
            length = int.from_bytes(header[:4], "big")
            skip = int.from_bytes(opened.read(8), "big") - 16 if length == 1 else length - 8
            if skip < 0:
                break
            opened.seek(skip, 1)
    return kinds[:1] == [b"ftyp"] and b"moov" not in kinds
