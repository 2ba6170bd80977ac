from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecv.errors import ImageError
from edgecv.image import read_image
from edgecv.imagefile import header_size
from edgecv.types import Size

NOISE = np.random.default_rng(5).integers(0, 256, (37, 291, 3), dtype=np.uint8)
KINDS = {
    "png": (".png", []),
    "jpeg": (".jpg", []),
    "progressive jpeg": (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    "bmp": (".bmp", []),
    "gif": (".gif", []),
    "webp, lossless": (".webp", []),
    "webp, lossy": (".webp", [cv2.IMWRITE_WEBP_QUALITY, 50]),
}


def encoded(kind: str) -> bytes:
    suffix, options = KINDS[kind]
    return cv2.imencode(suffix, NOISE, options)[1].tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_the_header_says_what_the_decoder_finds(kind) -> None:
    assert header_size(encoded(kind)) == Size(37, 291)


@pytest.mark.parametrize("kind", KINDS)
def test_a_header_that_is_cut_short_has_no_size_or_the_right_one(kind) -> None:
    data = encoded(kind)
    for length in range(0, min(len(data), 700), 3):
        assert header_size(data[:length]) in (None, Size(37, 291))


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\x00\x00\x00\x00", b"II*\x00", b"text" * 20])
def test_other_files_have_no_size(data) -> None:
    assert header_size(data) is None


def test_a_bmp_from_the_top_down_has_a_positive_height() -> None:
    data = bytearray(encoded("bmp"))
    data[22:26] = struct.pack("<i", -37)
    assert header_size(bytes(data)) == Size(37, 291)


def test_an_os2_bmp_has_sixteen_bits_a_side() -> None:
    data = b"BM" + bytes(12) + struct.pack("<IHHHH", 12, 291, 37, 1, 24)
    assert header_size(data) == Size(37, 291)


def test_an_extended_webp_names_its_canvas() -> None:
    sides = (291 - 1).to_bytes(3, "little") + (37 - 1).to_bytes(3, "little")
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sides
    data = b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk
    assert header_size(data) == Size(37, 291)


def test_a_jpeg_may_have_fill_bytes_and_long_segments_before_its_frame() -> None:
    data = encoded("jpeg")
    comment = b"\xff\xfe" + struct.pack(">H", 60_002) + b"\xff\xc0" * 30_000
    assert header_size(data[:2] + comment + b"\xff\xff\xff" + data[3:]) == Size(37, 291)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def test_a_huge_picture_is_refused_by_its_header_alone(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(png_header(10_000, 10_000))  # no pixels follow: decoding would fail otherwise
    with pytest.raises(ImageError, match=r"10000x10000 pixels \(100 million\), more than the 64"):
        read_image(path)


def test_pixels_are_counted_after_decoding_where_the_header_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "picture.tiff"
    assert cv2.imwrite(str(path), NOISE)
    assert header_size(path.read_bytes()) is None
    with pytest.raises(ImageError, match="291x37 pixels"):
        read_image(path, max_pixels=10_000)


@pytest.mark.parametrize(("orientation", "turned"), [(1, False), (3, False), (6, True), (8, True)])
def test_exif_orientation_turns_the_picture_upright(tmp_path: Path, orientation, turned) -> None:
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 1) + entry + bytes(4)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    data = encoded("jpeg")
    path = tmp_path / "turned.jpg"
    path.write_bytes(data[:2] + segment + data[2:])
    assert header_size(path.read_bytes()) == Size(37, 291)
    assert read_image(path).shape == ((291, 37, 3) if turned else (37, 291, 3))
