"""The clock that frames are given out by."""

from __future__ import annotations

from threading import Event
from time import monotonic

LATE = 0.5
"""Who is later than this many seconds was asleep: the clock goes on from then, without a rush."""


class Clock:
    """A clock that starts with the first frame."""

    def __init__(self) -> None:
        self._start: float | None = None
        self._stopped = Event()

    def wait(self, position: float) -> float:
        """Wait until a frame is due.

        Args:
            position: Seconds from the first frame.

        Returns:
            When it was due, in seconds of the monotonic clock.
        """
        now = monotonic()
        if self._start is None:
            self._start = now - position
        due = self._start + position
        if now - due > LATE:
            self._start += now - due
            return now
        if due > now:
            self._stopped.wait(due - now)
        return due

    def stop(self) -> None:
        """Wait for nothing more."""
        self._stopped.set()
