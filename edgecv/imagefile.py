"""Sizes of pictures from the first bytes of their files, before anything is decoded."""

from __future__ import annotations

from typing import Literal

from edgecv.types import Size

_Order = Literal["big", "little"]
# Markers of a JPEG that begin a frame: C0 to CF without the tables C4, C8 and CC (ITU-T T.81, B.1).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Markers that stand alone, without a length: TEM, RST0 to RST7, SOI.
_JPEG_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))


def header_size(data: bytes) -> Size | None:
    """Return the size that a picture's header names, as stored: not turned by its EXIF orientation.

    Args:
        data: A PNG, JPEG, BMP, WebP or GIF file, or enough of its beginning.

    Returns:
        None for another kind of file, or where the header is cut short.
    """
    if data[:8] == b"\x89PNG\r\n\x1a\n":  # ISO/IEC 15948, 11.2.2: IHDR comes first
        return _size(data, height=20, width=16, length=4, order="big")
    if data[:2] == b"\xff\xd8":
        return _jpeg_size(data)
    if data[:2] == b"BM":
        return _bmp_size(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data)
    if data[:6] in (b"GIF87a", b"GIF89a"):  # the logical screen, GIF89a specification, 18
        return _size(data, height=8, width=6, length=2, order="little")
    return None


def _size(data: bytes, *, height: int, width: int, length: int, order: _Order) -> Size | None:
    """Read two integers of `length` bytes at the offsets `height` and `width`."""
    if len(data) < max(height, width) + length:
        return None
    rows, columns = (int.from_bytes(data[at : at + length], order) for at in (height, width))
    return Size(rows, columns)


def _jpeg_size(data: bytes) -> Size | None:
    """Walk from marker to marker to the start of the frame (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 4 <= len(data):
        marker = data[at + 1]
        if data[at] != 0xFF:
            return None
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in _JPEG_ALONE:
            at += 2
        elif marker in _JPEG_FRAMES:
            return _size(data, height=at + 5, width=at + 7, length=2, order="big")
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None


def _bmp_size(data: bytes) -> Size | None:
    """Read the size from a BITMAPCOREHEADER (12 bytes), a BITMAPINFOHEADER or a later one."""
    if int.from_bytes(data[14:18], "little") == 12:
        return _size(data, height=20, width=18, length=2, order="little")
    found = _size(data, height=22, width=18, length=4, order="little")
    if found is None:
        return None
    rows = found.height - 2**32 if found.height >= 2**31 else found.height
    return Size(abs(rows), found.width)  # a negative height: rows from the top


def _webp_size(data: bytes) -> Size | None:
    """Read the size of a WebP file: RFC 9649, sections 2.5 (VP8), 2.6 (VP8L) and 2.7 (VP8X)."""
    kind = data[12:16]
    if len(data) < 30:
        return None
    if kind == b"VP8X":
        columns, rows = (int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
        return Size(rows + 1, columns + 1)
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Size((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1)
    if kind == b"VP8 ":
        columns, rows = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return Size(rows, columns)
    return None
