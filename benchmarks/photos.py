"""A photograph to measure with, in the public domain, from scikit-image."""

from __future__ import annotations

import cv2
import numpy as np

from edgecv.types import Image


def photo(height: int, width: int) -> Image:
    """Return the astronaut's portrait, stretched to a frame of uint8 (height, width, 3) BGR."""
    from skimage import data

    bgr = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    return np.asarray(cv2.resize(bgr, (width, height)), np.uint8)
