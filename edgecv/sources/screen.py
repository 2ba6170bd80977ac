"""What is to be seen on a screen, through the package mss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecv.errors import SourceError
from edgecv.image import as_bgr
from edgecv.registry import package_missing
from edgecv.sources.clock import Clock
from edgecv.sources.feed import Feed
from edgecv.sources.options import read_options
from edgecv.types import Image


@dataclass(frozen=True)
class ScreenOptions:
    """Options of a screen.

    Attributes:
        fps: Pictures a second; 0 for as many as can be taken.
    """

    fps: float = 15.0


class ScreenReader:
    """An opened screen.

    Args:
        number: Which one, from 1; 0 for all of them side by side.
        fps: Pictures a second; 0 for as many as can be taken.

    Raises:
        SourceError: There is no display, or no such screen.
        PackageMissingError: The package mss is not installed.
    """

    def __init__(self, number: int, fps: float) -> None:
        mss = _package()
        self._error: type[Exception] = mss.ScreenShotError
        try:
            self._screens = mss.MSS()
        except self._error as error:
            raise SourceError(
                f"the screen cannot be seen: {error}. It takes a desktop session (DISPLAY is set "
                "there); on Wayland, one of XWayland"
            ) from error
        if number >= len(self._screens.monitors):
            self._screens.close()
            last = len(self._screens.monitors) - 1
            raise SourceError(f"there is no screen {number}: they count from 1 to {last}")
        self._place = self._screens.monitors[number]
        self._fps = fps
        self._clock = Clock()
        self._index = 0

    def read(self) -> tuple[Image, float]:
        """Return a picture of the screen, and when it was taken.

        Raises:
            SourceError: The display has gone.
        """
        time = self._clock.wait(self._index / self._fps if self._fps else 0.0)
        self._index += 1
        try:
            picture = self._screens.grab(self._place)
        except self._error as error:
            raise SourceError(f"the screen cannot be seen any more: {error}") from error
        return as_bgr(np.asarray(picture, np.uint8)), time

    def close(self) -> None:
        """Leave the display."""
        self._clock.stop()
        self._screens.close()


def open_screen(uri: str) -> Feed:
    """Open ``screen`` or ``screen:2``, with `ScreenOptions` behind a question mark.

    Raises:
        PackageMissingError: The package mss is not installed.
        SourceError: There is no display, or no such screen.
        UnknownNameError: There is no such option.
    """
    name, _, query = uri.partition("?")
    number = name.removeprefix("screen").removeprefix(":") or "1"
    if not number.isdecimal():
        raise SourceError(f"screen: wants the number of a screen, as in screen:1, got {name!r}")
    options = read_options(query, ScreenOptions)
    return Feed(name, lambda: ScreenReader(int(number), options.fps))


def _package() -> Any:
    try:
        import mss
    except ImportError as error:
        raise package_missing("mss", "screen") from error
    return mss
