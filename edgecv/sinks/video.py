"""An annotated video file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgecv.errors import OutputError
from edgecv.sinks import Event, Output
from edgecv.types import Frame

CODECS = {".avi": "MJPG", ".mkv": "mp4v", ".mov": "mp4v", ".mp4": "mp4v"}
"""What OpenCV's own FFmpeg writes everywhere; it has no H.264 encoder."""
DEFAULT_FPS = 25.0
RESERVE = 4 * 2**20
"""Bytes that are left on the disk: FFmpeg says nothing when it is full, and a video without its
index, which is written last, cannot be played."""
LOOK_EVERY = 8
"""Frames from one look at the disk to the next."""


class Video:
    """A sink that writes a video. It is named `.part` until it is finished.

    The speed is that of the film, or else of the frames' capture times, measured on the first
    second, so that a slow model gives a video of few frames and not a fast one.

    Args:
        path: The file; its suffix says its kind.
        fps: Frames per second; None to measure it.

    Raises:
        OutputError: The folder cannot be written.
    """

    buffer = 8

    def __init__(self, path: Path, *, fps: float | None = None) -> None:
        self._path, self._fps = path, fps
        self._part = path.with_name(f".{path.stem}.part{path.suffix}")
        self._writer: Any = None
        self._waiting: list[Output] = []
        self._size = (0, 0)
        self._count = 0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._part.touch()
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error

    def write(self, output: Output) -> None:
        """Write one frame.

        Raises:
            OutputError: The file cannot be written.
        """
        if self._writer is not None:
            return self._put(output)
        self._waiting.append(output)
        seconds = _time(output.frame) - _time(self._waiting[0].frame)
        if self._fps or seconds > 1.0 or len(self._waiting) >= 30:
            self._start()
        return None

    def event(self, event: Event) -> None:
        """Leave events to others."""

    def close(self) -> None:
        """Finish the file and give it its name; a run without frames leaves none.

        Raises:
            OutputError: The file cannot be written.
        """
        if self._writer is None and self._waiting:
            self._start()
        if self._writer is None:
            self._part.unlink(missing_ok=True)
            return
        self._writer.release()
        self._writer = None
        try:
            self._part.replace(self._path)
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error

    def _start(self) -> None:
        height, width = self._waiting[0].frame.image.shape[:2]
        code = cv2.VideoWriter.fourcc(*CODECS[self._path.suffix.lower()])
        self._size = (width, height)
        self._writer = cv2.VideoWriter(str(self._part), code, self._speed(), self._size)
        if not self._writer.isOpened():
            self._part.unlink(missing_ok=True)
            raise OutputError(f"OpenCV cannot write {self._path}: try a name that ends in .avi")
        waiting, self._waiting = self._waiting, []
        for output in waiting:
            self._put(output)

    def _speed(self) -> float:
        if self._fps:
            return self._fps
        times = [_time(output.frame) for output in self._waiting]
        steps = len(times) - 1
        seconds = times[-1] - times[0]
        return min(steps / seconds, 240.0) if steps and seconds > 0 else DEFAULT_FPS

    def _put(self, output: Output) -> None:
        if self._count % LOOK_EVERY == 0:
            self._check_room()
        self._count += 1
        image = output.draw(output.frame.image)
        if image.shape[1::-1] != self._size:  # the source changed its size in mid-stream
            image = np.asarray(cv2.resize(image, self._size), np.uint8)
        self._writer.write(image)

    def _check_room(self) -> None:
        """Stop while there is still room to finish the file."""
        if shutil.disk_usage(self._path.parent).free < RESERVE:
            raise OutputError(
                f"cannot write {self._path}: the disk is nearly full; the video ends after "
                f"{self._count} frames"
            )


def _time(frame: Frame) -> float:
    return frame.time if frame.position is None else frame.position


def open_video(uri: str) -> Video:
    """Open a video file by its name."""
    return Video(Path(uri.removeprefix("video:").removeprefix("//")).expanduser())
