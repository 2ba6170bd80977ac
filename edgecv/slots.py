"""Where one thread leaves values for another: bounded, so that nothing can queue up."""

from __future__ import annotations

from collections import deque
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


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
        self._values: deque[T] = deque()
        self._size, self._newest = size, newest
        self._changed = Condition()
        self._closed = False
        self.dropped = 0

    def put(self, value: T) -> None:
        """Leave a value.

        Raises:
            Closed: Nobody will take it.
        """
        with self._changed:
            while not self._closed and len(self._values) >= self._size:
                if self._newest:
                    self._values.popleft()
                    self.dropped += 1
                else:
                    self._changed.wait()
            if self._closed:
                raise Closed
            self._values.append(value)
            self._changed.notify_all()

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
            value = self._values.popleft()
            self._changed.notify_all()
            return value

    def close(self, *, discard: bool = False) -> None:
        """Take no more values; those left may still be taken, unless they are discarded."""
        with self._changed:
            self._closed = True
            if discard:
                self._values.clear()
            self._changed.notify_all()
