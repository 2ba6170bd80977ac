"""A moving test pattern by an exact clock: a camera for machines that have none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import numpy as np

from edgecv.errors import SourceError
from edgecv.sources.clock import Clock
from edgecv.sources.options import read_options
from edgecv.types import Frame, Image

BITS = 32
"""Cells along the upper and the lower edge: 24 bits of the number, 8 bits of a check sum."""
LEAST = (32, 64)
"""The smallest height and width in which the cells can be read."""


@dataclass(frozen=True)
class PatternOptions:
    """Options of ``test:pattern``.

    Attributes:
        width: In pixels.
        height: In pixels.
        fps: Frames a second; 0 for as many as are asked for.
        frames: How many there are; 0 for no end.
        live: Whether it counts as a camera, of which only the newest frame is wanted.
    """

    width: int = 640
    height: int = 480
    fps: float = 30.0
    frames: int = 0
    live: bool = True


class Pattern:
    """A source of pictures in which everything moves, and which carry their number in pixels.

    Attributes:
        live: Whether it counts as a camera.
    """

    def __init__(self, options: PatternOptions | None = None) -> None:
        self._options = given = options or PatternOptions()
        if given.height < LEAST[0] or given.width < LEAST[1]:
            raise SourceError(
                f"the test pattern is at least {LEAST[1]}x{LEAST[0]} pixels, "
                f"got {given.width}x{given.height}"
            )
        self.live = given.live
        self._background = _background(given.height, given.width)
        self._clock = Clock()
        self._index = 0
        self._closed = False

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """Wait until the next frame is due, and draw it. None is ever left out."""
        index, given = self._index, self._options
        if self._closed or (given.frames and index >= given.frames):
            raise StopIteration
        self._index += 1
        image = self._draw(index)
        position = index / given.fps if given.fps else None
        time = monotonic() if position is None else self._clock.wait(position)
        return Frame(image, index, time, "test:pattern", position)

    def close(self) -> None:
        """Give no more frames."""
        self._closed = True
        self._clock.stop()

    def _draw(self, index: int) -> Image:
        height, width = self._options.height, self._options.width
        left = index * max(width // 128, 1) % width
        image = self._background[:, left : left + width].copy()
        size = height // 4
        top = height // 4 + index * 3 % (height - height // 4 - size + 1)
        image[top : top + size, width // 2 : width // 2 + size] = (40, 200, 255)
        edges = np.linspace(0, width, BITS + 1).astype(int)
        number = index % 2**24
        code = number << 8 | _check(number)
        for bit in range(BITS):
            value = 255 * (code >> (BITS - 1 - bit) & 1)
            for rows in (slice(height // 8), slice(height - height // 8, height)):
                image[rows, edges[bit] : edges[bit + 1]] = value
        return image


def read_number(image: Image) -> int:
    """Return the number that a picture of the test pattern carries.

    It survives being scaled and compressed, and stands at the upper and the lower edge.

    Args:
        image: uint8 (H, W, 3) BGR.

    Raises:
        ValueError: There is none, or it is damaged: the picture is torn.
    """
    height, width = image.shape[:2]
    centres = ((np.arange(BITS) + 0.5) * width / BITS).astype(int)
    bits = image[[height // 16, height - 1 - height // 16]][:, centres].mean(axis=-1) > 127
    code = int("".join("1" if bit else "0" for bit in bits[0]), 2)
    number, check = code >> 8, code & 255
    if check != _check(number) or (bits[0] != bits[1]).any():
        raise ValueError("the picture carries no readable frame number")
    return number


def open_pattern(uri: str) -> Pattern:
    """Open ``test:pattern``, with the options of `PatternOptions` behind a question mark.

    Raises:
        SourceError: There is no other pattern, or an option makes no sense.
        UnknownNameError: There is no such option.
    """
    name, _, query = uri.partition("?")
    if name != "test:pattern":
        raise SourceError(f"there is one test source, 'test:pattern', got {name!r}")
    return Pattern(read_options(query, PatternOptions))


def _check(number: int) -> int:
    """Return a check sum that is not zero for zero: a black picture has no number."""
    return (number ^ number >> 8 ^ number >> 16 ^ 0xA5) & 255


def _background(height: int, width: int) -> Image:
    """Return uint8 (height, 2 * width, 3): slopes that repeat after `width`."""
    x = np.arange(2 * width) * 255 // width % 256
    y = np.arange(height) * 255 // height
    out = np.empty((height, 2 * width, 3), np.uint8)
    out[..., 0], out[..., 1] = x, y[:, None]
    out[..., 2] = (x + y[:, None]) % 256
    return out
