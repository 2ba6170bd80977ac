"""What models see while they are measured: a file's bytes, always the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgecv.errors import ImageError
from edgecv.sources.pattern import Pattern, PatternOptions
from edgecv.types import Image

QUALITY = 90
HEIGHT, WIDTH = 480, 640


def example() -> tuple[bytes, dict[str, Any]]:
    """Return a JPEG of the test pattern, 640x480, and what a report says of it."""
    frame = next(iter(Pattern(PatternOptions(WIDTH, HEIGHT, fps=0, frames=1, live=False))))
    _, data = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return data.tobytes(), _about("test pattern", HEIGHT, WIDTH, data.size)


def picture_file(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Return the bytes of a picture's file, and what a report says of it.

    Raises:
        ImageError: It cannot be read, or is no picture.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror or error}") from error
    height, width = pixels(data, path.name).shape[:2]
    return data, _about(path.name, height, width, len(data))


def pixels(data: bytes, name: str = "the picture") -> Image:
    """Return what a JPEG or PNG file shows, uint8 (H, W, 3), BGR.

    Raises:
        ImageError: It is none.
    """
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise ImageError(f"{name} is no picture that OpenCV reads")
    return image.astype(np.uint8, copy=False)


def _about(name: str, height: int, width: int, size: int) -> dict[str, Any]:
    return {"name": name, "height": height, "width": width, "bytes": size}
