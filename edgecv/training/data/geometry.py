"""Where a picture, its boxes, keypoints and mask go: one affine map for all of them.

An affine map is float64 (2, 3): ``(x', y') = map @ (x, y, 1)``. Coordinates are those of boxes: 0
is the left edge of the first pixel, not its centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from edgecv.image import Placement, Plan
from edgecv.spec import InputSpec
from edgecv.training.data.samples import IGNORED, Sample
from edgecv.types import Array, FloatArray, Image, Size, TensorSpec

INPUT = InputSpec(mean=(127.5,) * 3, std=(127.5,) * 3)
"""How our networks take a picture: RGB, -1..1, stretched to their size."""


@dataclass(frozen=True)
class Survival:
    """Which boxes are still worth learning once a part of them is gone.

    Attributes:
        visible: The least part of a box that has to be left, 0..1.
        side: The least width and height, in pixels of the input.
    """

    visible: float = 0.3
    side: float = 2.0


SURVIVAL = Survival()


def fit(sample: Sample, size: Size, input: InputSpec = INPUT) -> Sample:
    """Return the sample at the size of a network's input, as inference would see it.

    Args:
        sample: Any.
        size: The input's size.
        input: How a picture is fitted; its values (mean, std, colour) are left to `tensors`.
    """
    image, placement = _bytes_plan(input, size)(sample.image)
    return moved(sample, image[0], _affine(placement))


def tensors(samples: Sequence[Sample], input: InputSpec = INPUT) -> FloatArray:
    """Return samples of one size as a network's input: float32 (B, H, W, C).

    Args:
        samples: At the size of the input already: from `fit` or `augment`.
        input: The colours' order, mean and deviation.
    """
    plan = _values_plan(input, Size(*samples[0].image.shape[:2]))
    out = np.empty((len(samples), *_shape(plan)), np.float32)
    for row, sample in zip(out, samples, strict=True):
        row[...] = plan(sample.image)[0][0]
    return out


@lru_cache(maxsize=32)
def _bytes_plan(input: InputSpec, size: Size) -> Plan:
    plain = replace(input, color="bgr", mean=(0,) * 3, std=(1,) * 3)
    return Plan(plain, TensorSpec("input", (1, *size, 3), np.dtype(np.uint8)))


def _shape(plan: Plan) -> tuple[int, ...]:
    return (*plan.size, len(plan.spec.mean))


@lru_cache(maxsize=32)
def _values_plan(input: InputSpec, size: Size) -> Plan:
    shape = (1, *size, 1 if input.color == "grey" else 3)
    return Plan(replace(input, fit="stretch"), TensorSpec("input", shape, np.dtype(np.float32)))


def _affine(placement: Placement) -> Array:
    """Return the way from a frame into the input."""
    x, y = 1 / placement.scale_x, 1 / placement.scale_y
    return np.array([[x, 0, -placement.shift_x * x], [0, y, -placement.shift_y * y]])


def region_to_input(
    region: tuple[float, float, float, float], size: Size, input: InputSpec
) -> Array:
    """Return the map of a part of a picture into the input, by the input's fit.

    Args:
        region: Left, top, right, bottom; it may reach beyond the picture.
        size: The input's size.
        input: "stretch" moves the corners into the corners; the others keep the aspect.
    """
    x0, y0, x1, y1 = region
    fit_x, fit_y = size.width / (x1 - x0), size.height / (y1 - y0)
    if input.fit.startswith("letterbox"):
        fit_x = fit_y = min(fit_x, fit_y)
    elif input.fit == "crop":
        fit_x = fit_y = max(fit_x, fit_y) / input.zoom
    spare = 0.0 if input.fit == "letterbox_topleft" else 0.5
    shift_x = (size.width - (x1 - x0) * fit_x) * spare - x0 * fit_x
    shift_y = (size.height - (y1 - y0) * fit_y) * spare - y0 * fit_y
    return np.array([[fit_x, 0, shift_x], [0, fit_y, shift_y]])


def with_shift(linear: Array, shift: Array) -> Array:
    """Return a matrix (N, N) with a shift (N,) as its last column: float64 (N, N + 1)."""
    out = np.empty((len(shift), len(shift) + 1))
    out[:, :-1], out[:, -1] = linear, shift
    return out


def about(linear: Array, centre: tuple[float, float]) -> Array:
    """Return the map that turns and shears a picture by a matrix (2, 2) and keeps one point."""
    point = np.array(centre)
    return with_shift(linear, point - linear @ point)


def chained(second: Array, first: Array) -> Array:
    """Return the map that does `first`, then `second`."""
    linear = second[:, :2] @ first[:, :2]
    return with_shift(linear, second[:, :2] @ first[:, 2] + second[:, 2])


def warp(image: Array, affine: Array, size: Size, *, fill: int, smooth: bool = True) -> Image:
    """Return a picture or a mask, moved by a map, at a new size.

    Args:
        image: uint8 (H, W, 3) or (H, W).
        affine: The map.
        size: What comes out.
        fill: The byte where the picture does not reach.
        smooth: Whether to interpolate: true for pictures, not for masks.
    """
    # OpenCV counts from the centre of the first pixel, half a pixel off the edge.
    centred = affine.copy()
    centred[:, 2] += affine[:, :2] @ (0.5, 0.5) - 0.5
    out = cv2.warpAffine(
        image,
        centred,
        (size.width, size.height),
        flags=cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(fill,) * 3,
    )
    return np.asarray(out, np.uint8)


def moved(
    sample: Sample,
    image: Image,
    affine: Array,
    *,
    keypoints: tuple[str, ...] = (),
    survival: Survival = SURVIVAL,
) -> Sample:
    """Return a sample with a new picture and everything that is marked in it moved along.

    Boxes are cut off at the edge and dropped, with their keypoints, where too little is left.
    Keypoints outside lose their mark. A map that mirrors makes left keypoints right ones.

    Args:
        sample: What is marked, in pixels of the old picture.
        image: The new picture.
        affine: Where the old picture went.
        keypoints: Names of the keypoints.
        survival: Which boxes stay.
    """
    size = Size(*image.shape[:2])
    boxes, kept = boxes_moved(sample.boxes, affine, size, survival)
    points = _points_moved(sample.keypoints, affine, size, keypoints)
    mask = sample.mask
    if mask is not None:
        mask = warp(mask, affine, size, fill=IGNORED, smooth=False)
    return replace(
        sample,
        image=image,
        boxes=boxes[kept],
        classes=sample.classes[kept],
        keypoints=points[kept] if len(points) == len(kept) else points,
        mask=mask,
    )


def boxes_moved(
    boxes: FloatArray, affine: Array, size: Size, survival: Survival
) -> tuple[FloatArray, Array]:
    """Move boxes, cut them off at the edge and tell which are still worth learning.

    A turned box is the one around the turned ellipse that fills the old box: most objects leave the
    corners empty. Source: Kalra et al., "Towards Rotation Invariance in Object Detection", 2021.

    Returns:
        float32 (N, 4) and bool (N,).
    """
    if not len(boxes):
        return boxes, np.zeros(0, bool)
    linear, shift = affine[:, :2], affine[:, 2]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 @ linear.T + shift
    halves = np.sqrt(((boxes[:, 2:] - boxes[:, :2]) / 2) ** 2 @ (linear**2).T)
    whole = np.concatenate((centres - halves, centres + halves), axis=1)
    cut = np.clip(whole, 0, (size.width, size.height) * 2)
    sides = cut[:, 2:] - cut[:, :2]
    parts = sides.prod(axis=1) / np.maximum((halves * 2).prod(axis=1), 1e-9)
    kept = (parts >= survival.visible) & (sides >= survival.side).all(axis=1)
    return cut.astype(np.float32), kept


def _points_moved(
    keypoints: FloatArray, affine: Array, size: Size, names: tuple[str, ...]
) -> FloatArray:
    if not keypoints.size:
        return keypoints
    xy = keypoints[..., :2] @ affine[:, :2].T + affine[:, 2]
    inside = ((xy >= 0) & (xy <= (size.width, size.height))).all(axis=-1)
    seen = np.where(inside, keypoints[..., 2], 0)
    out = np.concatenate((xy, seen[..., None]), axis=-1) * (seen > 0)[..., None]
    if np.linalg.det(affine[:, :2]) < 0:
        out = out[..., list(mirror_order(names, out.shape[1])), :]
    return np.asarray(out, np.float32)


@lru_cache(maxsize=32)
def mirror_order(names: tuple[str, ...], count: int) -> tuple[int, ...]:
    """Return, for each keypoint, which one takes its place in a mirror.

    Args:
        names: "left_eye" and "right_eye" change places; other names stay.
        count: How many keypoints there are.

    Raises:
        ValueError: There are not as many names as keypoints.
    """
    if len(names) != count:
        raise ValueError(
            f"a mirror changes left and right: wanted names of {count} keypoints, got {len(names)}"
        )
    places = {name: number for number, name in enumerate(names)}
    return tuple(places.get(_other_side(name), places[name]) for name in names)


def _other_side(name: str) -> str:
    for one, other in (("left", "right"), ("right", "left")):
        if name.startswith(one):
            return other + name[len(one) :]
    return name
