"""How fast a run goes just now."""

from __future__ import annotations

from collections import deque
from threading import Lock

WINDOW = 2.0
"""Seconds over which the speed is measured."""


class Speed:
    """The time between results lately. Threads may share it."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque()
        self._lock = Lock()

    def add(self, now: float, results: int) -> None:
        """Take the number of results so far at `now`, seconds of a clock that never goes back."""
        with self._lock:
            self._marks.append((now, results))
            while len(self._marks) > 2 and now - self._marks[0][0] > WINDOW:
                self._marks.popleft()

    @property
    def between(self) -> float:
        """The seconds between two results; 0 where there are no two."""
        with self._lock:
            if not self._marks:
                return 0.0
            (start, first), (end, last) = self._marks[0], self._marks[-1]
        return (end - start) / (last - first) if last > first else 0.0

    @property
    def fps(self) -> float:
        """Results per second; 0 where there are no two."""
        between = self.between
        return 1 / between if between else 0.0
