"""The parts of an endless HTTP answer: multipart/x-mixed-replace, as cameras send MJPEG."""

from __future__ import annotations

from email.message import Message
from email.parser import BytesHeaderParser
from typing import Protocol

MOST_BYTES = 64 << 20
"""The most that one part may take."""
MOST_LINE = 65536


class Stream(Protocol):
    """What parts are read from."""

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, or fewer at the end."""

    def readline(self, size: int, /) -> bytes:
        """Return a line with its end, or `size` bytes of it; empty at the end."""


class Parts:
    """The parts of a multipart body (RFC 2046, 5.1), one after the other.

    Args:
        stream: The body.
        boundary: What stands between parts, as the header names it. Cameras are careless with the
            dashes at its ends, which are left aside.
    """

    def __init__(self, stream: Stream, boundary: str) -> None:
        self._stream = stream
        self._boundary = boundary.strip('"').strip("-").encode("latin-1")
        self._between = False  # whether the boundary before the next part was read already

    def next(self) -> bytes:
        """Return the next part's content.

        Raises:
            EOFError: The body ended.
            ValueError: It is no multipart body, or a part is too long.
        """
        if not self._between:
            self._until_boundary()
        self._between = False
        length = self._headers().get("Content-Length", "").strip()
        if not length.isdecimal():
            return self._until_boundary()
        if int(length) > MOST_BYTES:
            raise ValueError(f"a part of {length} bytes")
        data = self._stream.read(int(length))
        if len(data) < int(length):
            raise EOFError
        return data

    def _until_boundary(self) -> bytes:
        """Return everything up to the next boundary, without the line end that belongs to it."""
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._line()
            if line.strip().strip(b"-") == self._boundary:
                self._between = True
                return b"".join(lines).removesuffix(b"\n").removesuffix(b"\r")
            lines.append(line)
            size += len(line)
            if size > MOST_BYTES:
                raise ValueError(f"no boundary within {MOST_BYTES} bytes")

    def _headers(self) -> Message:
        lines = []
        while (line := self._line()).strip():
            lines.append(line)
            if len(lines) > 100:
                raise ValueError("a part of more than 100 headers")
        return BytesHeaderParser().parsebytes(b"".join(lines))

    def _line(self) -> bytes:
        line = self._stream.readline(MOST_LINE)
        if not line:
            raise EOFError
        return line
