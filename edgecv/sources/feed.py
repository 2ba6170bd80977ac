"""A live source: frames from something that can fail and be opened again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Lock
from typing import Protocol

from edgecv.errors import SourceError
from edgecv.types import Frame, Image


class Reader(Protocol):
    """An opened camera or stream."""

    def read(self) -> tuple[Image, float]:
        """Return the next picture, and when it was captured in seconds of the monotonic clock.

        Raises:
            SourceError: It has stopped; this reader gives no more.
            StopIteration: It has come to its proper end.
        """

    def close(self) -> None:
        """Give the camera or the connection back."""


class Feed:
    """A live source of frames.

    After a failure the next call opens it again: a camera that is plugged back in goes on.

    Args:
        name: What frames say they come from.
        connect: Opens it, or raises a SourceError that says why it cannot.
        reader: It, if it is open already.

    Raises:
        SourceError: It cannot be opened.
    """

    live = True

    def __init__(
        self, name: str, connect: Callable[[], Reader], reader: Reader | None = None
    ) -> None:
        self.name = name
        self._connect = connect
        self._reader: Reader | None = reader or connect()
        self._index = 0
        self._closed = False
        self._lock = Lock()

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """Wait for the next frame.

        Raises:
            SourceError: It has stopped, or cannot be opened again yet.
            StopIteration: It has ended or was closed.
        """
        with self._lock:
            image, time = self._read()
            index, self._index = self._index, self._index + 1
            return Frame(image, index, time, self.name)

    def close(self) -> None:
        """Give the camera or the connection back; a call that still waits for a frame does it."""
        self._closed = True
        if self._lock.acquire(timeout=0.1):
            try:
                self._drop()
            finally:
                self._lock.release()

    def _read(self) -> tuple[Image, float]:
        read = None
        try:
            if not self._closed:
                self._reader = self._reader or self._connect()
                read = self._reader.read()
        except StopIteration:
            self._closed = True
        except SourceError:
            self._drop()
            if not self._closed:
                raise
        if self._closed or read is None:
            self._drop()
            raise StopIteration
        return read

    def _drop(self) -> None:
        if self._reader is not None:
            with suppress(SourceError):
                self._reader.close()
            self._reader = None
