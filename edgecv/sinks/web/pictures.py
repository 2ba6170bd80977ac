"""Pictures on their way to viewers: each encoded once, and only the newest is ever sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from threading import Lock
from time import monotonic
from typing import NamedTuple

import cv2
import numpy as np
from starlette.concurrency import run_in_threadpool

from edgecv.drawing import label
from edgecv.image import as_bgr
from edgecv.sinks import Output
from edgecv.types import Frame, Image

IDLE = 1.0
"""Seconds without a new picture after which a viewer is told how old the last one is."""
BOUNDARY = "frame"
NOTICE = (0, 0, 160)


class Encoding(NamedTuple):
    """How pictures are sent.

    Attributes:
        quality: Of the JPEG, 1..100.
        width: Wider pictures are made smaller, to this many pixels; 0 for as they are.
    """

    quality: int
    width: int


class Picture:
    """An output, encoded when the first viewer asks for it.

    Args:
        output: A frame with what was found in it.
        encoding: How it is sent.
    """

    def __init__(self, output: Output, encoding: Encoding) -> None:
        self.frame = output.frame
        self._output, self._encoding = output, encoding
        self._lock = Lock()
        self._encoded: dict[str, bytes] = {}

    def jpeg(self, *, overlay: bool) -> bytes:
        """Return it as JPEG, with what was found drawn on it or without."""
        return self._once("drawn" if overlay else "plain", overlay, "")

    def old_jpeg(self, notice: str) -> bytes:
        """Return it in grey with a line that says why, so that nobody takes it for new."""
        return self._once(notice, False, notice)

    def _once(self, key: str, overlay: bool, notice: str) -> bytes:
        with self._lock:
            if key not in self._encoded:
                if notice:
                    self._encoded.clear()  # notices change every second, and only the last counts
                self._encoded[key] = self._encode(overlay, notice)
            return self._encoded[key]

    def _encode(self, overlay: bool, notice: str) -> bytes:
        image = self.frame.image
        image = self._output.draw(image) if overlay else as_bgr(image)
        image = shrunk(image, self._encoding.width)
        if notice:
            grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), np.uint8)
            image = np.asarray(cv2.cvtColor(grey // 2 + 64, cv2.COLOR_GRAY2BGR), np.uint8)
            label(image, notice, 0, 0, NOTICE)
        flags = [cv2.IMWRITE_JPEG_QUALITY, self._encoding.quality]
        return cv2.imencode(".jpg", image, flags)[1].tobytes()


def shrunk(image: Image, width: int) -> Image:
    """Return an image that is no wider than `width` pixels; 0 for as it is."""
    if not width or image.shape[1] <= width:
        return image
    size_wh = (width, max(1, round(image.shape[0] * width / image.shape[1])))
    return np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)


class Live:
    """The newest picture, and those who wait for the next one.

    Attributes:
        newest: The newest picture; None before the first.
        viewers: How many streams are open.
        ended: Whether there will be no more pictures.
    """

    def __init__(self) -> None:
        self.newest: Picture | None = None
        self.viewers = 0
        self.ended = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = asyncio.Event()

    def start(self) -> None:
        """Take the running loop for the one that the viewers live in."""
        self._loop = asyncio.get_running_loop()

    def show(self, picture: Picture) -> None:
        """Put a picture in the place of the one before, from any thread."""
        self.newest = picture
        if self.viewers:
            self._wake()

    def end(self) -> None:
        """Let all streams end, from any thread."""
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has closed, and the viewers with it
                self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def after(self, seen: Picture | None) -> Picture | None:
        """Wait for a picture other than `seen`; None when none has come for a while."""
        if self.newest is seen and not self.ended:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), IDLE)
        return None if self.newest is seen else self.newest


async def parts(
    live: Live, stale_after: Callable[[], float], *, overlay: bool
) -> AsyncIterator[bytes]:
    """Yield the parts of a multipart stream, until there are no more pictures.

    Each says which frame it is (X-Frame) and when it was captured (X-Time, seconds of the server's
    monotonic clock). Where no picture comes, the last one is sent again in grey, with X-Old.

    Args:
        live: Where pictures come from.
        stale_after: Returns the age, in seconds, from which on a picture is old.
        overlay: Whether results are drawn on the pictures.
    """
    seen: Picture | None = None
    yield f"--{BOUNDARY}\r\n".encode()
    while not live.ended:
        picture = await live.after(seen)
        seen = picture or seen
        if seen is None or live.ended:
            continue
        age = monotonic() - seen.frame.time
        if age > stale_after():
            notice = f"no new picture for {age:.0f} s"
            yield _part(seen.frame, await run_in_threadpool(seen.old_jpeg, notice), old=True)
        elif picture is not None:
            yield _part(seen.frame, await run_in_threadpool(seen.jpeg, overlay=overlay))


def _part(frame: Frame, jpeg: bytes, *, old: bool = False) -> bytes:
    """Return one part with the boundary behind it, at which browsers show what was before it."""
    lines = (
        "Content-Type: image/jpeg",
        f"Content-Length: {len(jpeg)}",
        f"X-Frame: {frame.index}",
        f"X-Time: {frame.time:.6f}",
        *(("X-Old: 1",) if old else ()),
    )
    head = "\r\n".join(lines).encode()
    return head + b"\r\n\r\n" + jpeg + f"\r\n--{BOUNDARY}\r\n".encode()
