"""Where one thread leaves values for another: bounded, so that nothing can queue up."""

from __future__ import annotations

from collections import deque
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_KEPT = 100
"""No more values than this wait in any case."""


class Closed(Exception):  # noqa: N818  an end, not an error
    """The slot was closed and holds nothing more."""


class Slot(Generic[T]):
    """A place for a few values.

    Args:
        size: The most values that wait.
        newest: Whether a value that finds the slot full pushes the oldest out (live pictures), or
            its giver waits until there is room (files, of which every frame counts).

    Attributes:
        dropped: How many values were pushed out.
    """

    def __init__(self, size: int = 1, *, newest: bool) -> None:
        self._values: deque[tuple[T, bool]] = deque()
        self._size, self._newest = size, newest
        self._changed = Condition()
        self._closed = False
        self.dropped = 0

    def put(self, value: T, *, keep: bool = False) -> None:
        """Leave a value.

        Args:
            value: It.
            keep: It finds room in any case, and is not pushed out by others.

        Raises:
            Closed: Nobody will take it.
        """
        with self._changed:
            while not (keep or self._closed) and self._waiting() >= self._size:
                if self._newest:
                    self._push_out()
                else:
                    self._changed.wait()
            if self._closed:
                raise Closed
            self._values.append((value, keep))
            if len(self._values) > max(self._size, MOST_KEPT):
                self._values.popleft()
            self._changed.notify_all()

    def _waiting(self) -> int:
        """Return how many values wait that may be pushed out."""
        return sum(not kept for _, kept in self._values)

    def _push_out(self) -> None:
        oldest = next(i for i, (_, kept) in enumerate(self._values) if not kept)
        del self._values[oldest]
        self.dropped += 1

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest value, waiting for one.

        Args:
            timeout: The most seconds to wait; None for as long as it takes.

        Raises:
            Closed: There is none, and none will come.
            TimeoutError: None came in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._values or self._closed, timeout):
                raise TimeoutError
            if not self._values:
                raise Closed
            value, _ = self._values.popleft()
            self._changed.notify_all()
            return value

    def close(self, *, discard: bool = False) -> None:
        """Take no more values; those left may still be taken, unless they are discarded."""
        with self._changed:
            self._closed = True
            if discard:
                self._values.clear()
            self._changed.notify_all()
