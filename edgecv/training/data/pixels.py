"""What may happen to the pixels of a picture that stays in its place."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np

from edgecv.training.data.geometry import with_shift
from edgecv.training.data.samples import IGNORED, Sample
from edgecv.types import Array, Image

# Luma and the two chromas of NTSC: FCC, 1953; the rounded matrix of ITU-R BT.470, system M.
_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
# What a colour keeps, and its chromas as they are and turned by a right angle: BGR to BGR, (3, 3).
_LUMA, _ALONG, _ACROSS = (
    (np.linalg.inv(_YIQ) @ np.array(part, np.float64) @ _YIQ)[::-1, ::-1]
    for part in (
        ((1, 0, 0), (0, 0, 0), (0, 0, 0)),
        ((0, 0, 0), (0, 1, 0), (0, 0, 1)),
        ((0, 0, 0), (0, 0, -1), (0, 1, 0)),
    )
)


def color_shift(
    image: Image, *, brightness: float, contrast: float, saturation: float, hue: float
) -> Image:
    """Return a picture in other colours, by one matrix for every pixel.

    Args:
        image: uint8 (H, W, 3), BGR.
        brightness: Is added, as a part of the range: 0 changes nothing.
        contrast: Multiplies the distance from the picture's mean: 1 changes nothing.
        saturation: Multiplies the distance from grey: 1 changes nothing.
        hue: Turns the colours round the axis of greys, in degrees.
    """
    matrix = contrast * _colors(saturation, hue)
    mean = np.array(cv2.mean(image)[:3])
    shift = mean - contrast * mean + brightness * 255
    return np.asarray(cv2.transform(image, with_shift(matrix, shift)), np.uint8)


def _colors(saturation: float, hue: float) -> Array:
    """Return the matrix (3, 3), BGR to BGR, that multiplies and turns the chromas."""
    angle = math.radians(hue)
    along, across = math.cos(angle) * saturation, math.sin(angle) * saturation
    return np.asarray(_LUMA + along * _ALONG + across * _ACROSS)


def blurred(image: Image, sigma: float) -> Image:
    """Return a picture out of focus: a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def compressed(image: Image, quality: int) -> Image:
    """Return a picture as JPEG of a quality, 1..100, leaves it."""
    _, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def cut_out(
    sample: Sample, rect: tuple[int, int, int, int], *, fill: int, visible: float
) -> Sample:
    """Return a sample with a grey rectangle in it.

    Source: DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with
    Cutout", 2017. What is marked follows: boxes that are mostly covered go, covered keypoints are
    hidden ones, covered pixels of a mask are ignored.

    Args:
        sample: The sample.
        rect: Left, top, right, bottom in whole pixels, inside the picture.
        fill: The byte of the grey.
        visible: The least part of a box that has to be left, 0..1.
    """
    x0, y0, x1, y1 = rect
    image = sample.image.copy()
    image[y0:y1, x0:x1] = fill
    mask = sample.mask
    if mask is not None:
        mask = mask.copy()
        mask[y0:y1, x0:x1] = IGNORED
    kept = _uncovered(sample.boxes, rect) >= visible
    points = sample.keypoints
    if points.size:
        x, y, seen = np.moveaxis(points, -1, 0)
        under = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        points = points.copy()
        points[..., 2] = np.where(under, np.minimum(seen, 1), seen)
        points = points[kept] if len(points) == len(kept) else points
    return replace(
        sample,
        image=image,
        mask=mask,
        boxes=sample.boxes[kept],
        classes=sample.classes[kept],
        keypoints=points,
    )


def _uncovered(boxes: Array, rect: tuple[int, int, int, int]) -> Array:
    """Return the part of each box outside a rectangle, 0..1."""
    low, high = np.maximum(boxes[:, :2], rect[:2]), np.minimum(boxes[:, 2:], rect[2:])
    covered = np.maximum(high - low, 0).prod(axis=1)
    whole = np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-9)
    return np.asarray(1 - covered / whole)
