"""One line on a terminal that says how far something is; nothing where stderr is no terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_EVERY = 0.1  # seconds between two drawings


class DownloadBar:
    """The bytes of one download so far, their rate and the time that is left.

    Args:
        title: What is being fetched.
        total: How many bytes it has.
        start: How many of them were there before.
    """

    def __init__(self, title: str, total: int, *, start: int = 0) -> None:
        self._title, self._total, self._start = title, total, start
        self._began, self._drawn = time.monotonic(), 0.0
        self._live = sys.stderr.isatty()

    def update(self, done: int) -> None:
        """Draw that `done` bytes are there, at most ten times a second."""
        now = time.monotonic()
        if self._live and (now - self._drawn >= _EVERY or done >= self._total):
            self._drawn = now
            text = bar_text(
                self._title, done, self._total, new=done - self._start, seconds=now - self._began
            )
            sys.stderr.write(f"\r{text}\x1b[K")
            sys.stderr.flush()

    def __enter__(self) -> DownloadBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._live and self._drawn:
            sys.stderr.write("\n")
            sys.stderr.flush()


def bar_text(title: str, done: int, total: int, *, new: int, seconds: float) -> str:
    """Return the line for `done` of `total` bytes, `new` of which came within `seconds`."""
    part = min(done / total, 1.0) if total else 1.0
    filled = round(part * 24)
    rate = new / seconds if seconds > 0 else 0.0
    left = f"{(total - done) / rate:.0f} s left" if rate and done < total else ""
    return (
        f"{title} [{'#' * filled}{'.' * (24 - filled)}] {part:4.0%} "
        f"{done / 1e6:.1f}/{total / 1e6:.1f} MB {rate / 1e6:.1f} MB/s {left}"
    ).rstrip()
