"""Targets of box detectors: which anchor answers for which box, and by what offsets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from edgecv.boxes import cxcywh_to_xyxy, iou, ssd_anchors
from edgecv.spec import ModelSpec
from edgecv.training.data.samples import Sample
from edgecv.types import Array, FloatArray, IntArray, Size

ORDERS: Mapping[str, tuple[int, ...]] = {"yxhw": (1, 0, 3, 2), "xywh": (0, 1, 2, 3)}

IGNORED = -1
"""The class of an anchor that no loss counts."""


def match_anchors(boxes: FloatArray, anchors: FloatArray, *, overlap: float = 0.5) -> IntArray:
    """Return, for each of N anchors, the index of the box it answers for; -1 for none.

    Each box first takes the anchor that overlaps it most, the best pair of all first, so that no
    box stays without one; then every free anchor takes the box that it overlaps most, if by
    `overlap` or more. Source: Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2,
    "Matching strategy".

    Args:
        boxes: float32 (M, 4), xyxy.
        anchors: float32 (N, 4), cxcywh, in the same unit.
        overlap: The least IoU of an anchor that is not a box's best.

    Returns:
        int64 (N,).
    """
    if not len(boxes):
        return np.full(len(anchors), -1, np.int64)
    table = iou(cxcywh_to_xyxy(anchors), boxes)
    best = table.argmax(axis=1)
    matched = np.where(table[np.arange(len(anchors)), best] >= overlap, best, -1).astype(np.int64)
    left = table.copy()
    for _ in range(min(len(boxes), len(anchors))):
        anchor, box = np.unravel_index(int(left.argmax()), left.shape)
        if left[anchor, box] <= 0:
            break
        matched[anchor] = box
        left[anchor], left[:, box] = -1, -1
    return matched


def xyxy_to_ssd(
    boxes: FloatArray, anchors: FloatArray, variances: tuple[float, float] = (0.1, 0.2)
) -> FloatArray:
    """Turn corner boxes, one for each anchor, into offsets: the way back is `boxes.ssd_to_xyxy`.

    Source: Liu et al., 2016, equation 2, with the variances of its published code.

    Args:
        boxes: float32 (N, 4), xyxy.
        anchors: float32 (N, 4), cxcywh, in the same unit.
        variances: What the centre's offsets and the sizes' logarithms are divided by.

    Returns:
        float32 (N, 4): of the centre, x then y, and logarithms of the width and height.
    """
    centre = (boxes[:, :2] + boxes[:, 2:]) * np.float32(0.5)
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], np.float32(1e-6))
    shift = (centre - anchors[:, :2]) / anchors[:, 2:] / np.float32(variances[0])
    growth = np.log(size / anchors[:, 2:]) / np.float32(variances[1])
    return np.concatenate((shift, growth), axis=1).astype(np.float32)


def points_to_ssd(points: FloatArray, anchors: FloatArray, variance: float = 0.1) -> FloatArray:
    """Turn landmarks, one set for each anchor, into offsets: what `decoders.ssd` turns back.

    Args:
        points: float32 (N, K, 2), x then y.
        anchors: float32 (N, 4), cxcywh, in the same unit.
        variance: What the offsets are divided by.

    Returns:
        float32 (N, 2 K).
    """
    shift = (points - anchors[:, None, :2]) / anchors[:, None, 2:] / np.float32(variance)
    out: FloatArray = shift.reshape(len(points), -1).astype(np.float32)
    return out


def encode_boxes(
    boxes: FloatArray,
    classes: IntArray,
    anchors: FloatArray,
    *,
    overlap: float = 0.5,
    order: str = "yxhw",
    variances: tuple[float, float] = (0.1, 0.2),
) -> tuple[FloatArray, Array, IntArray]:
    """Return the offsets and classes that the anchors of one picture should give, and their boxes.

    Args:
        boxes: float32 (M, 4), xyxy, as parts of the input's sides, 0..1.
        classes: int64 (M,), class ids; one below 0 marks a box that counts for nothing.
        anchors: float32 (N, 4), cxcywh, 0..1.
        overlap: As for `match_anchors`.
        order: Of an offset's four numbers, "yxhw" or "xywh".
        variances: As for `xyxy_to_ssd`.

    Returns:
        float32 (N, 4) offsets, 0 where there is no box; int32 (N,) classes, counted from 1: 0 for
        no object, `IGNORED` for an anchor that lies on a box that counts for nothing; int64 (N,)
        indices of the boxes that the anchors answer for, -1 for none.
    """
    real = classes >= 0
    matched = match_anchors(boxes[real], anchors, overlap=overlap)
    taken = matched >= 0
    offsets = np.zeros((len(anchors), 4), np.float32)
    found = xyxy_to_ssd(boxes[real][matched[taken]], anchors[taken], variances)
    offsets[taken] = found[:, ORDERS[order]]
    labels = np.zeros(len(anchors), np.int32)
    labels[taken] = classes[real][matched[taken]] + 1
    if not real.all():
        near = iou(cxcywh_to_xyxy(anchors), boxes[~real]).max(axis=1) >= overlap
        labels[near & ~taken] = IGNORED
    owners = np.full(len(anchors), -1, np.int64)
    owners[taken] = np.flatnonzero(real)[matched[taken]]
    return offsets, labels, owners


def encode_points(
    sample: Sample, owners: IntArray, anchors: FloatArray, variance: float
) -> tuple[FloatArray, FloatArray]:
    """Return the offsets of landmarks that the anchors of one picture should give.

    Args:
        sample: Its keypoints, pixels of its picture, row by row with its boxes.
        owners: int64 (N,), the boxes that the anchors answer for, as `encode_boxes` gives them.
        anchors: float32 (N, 4), cxcywh, 0..1.
        variance: As for `points_to_ssd`.

    Returns:
        float32 (N, 2 K) offsets, 0 where nothing is known; float32 (N, 2 K), 1 where it is.
    """
    count = sample.keypoints.shape[1]
    offsets = np.zeros((len(anchors), 2 * count), np.float32)
    known = np.zeros_like(offsets)
    taken = np.flatnonzero(owners >= 0)
    if len(taken) and len(sample.keypoints):
        height, width = sample.image.shape[:2]
        points = sample.keypoints[owners[taken]]
        parts = np.asarray(points[..., :2] / np.array([width, height]), np.float32)
        offsets[taken] = points_to_ssd(parts, anchors[taken], variance)
        known[taken] = np.repeat(points[..., 2] > 0, 2, axis=1)
    return offsets * known, known


def ssd_encoder(
    spec: ModelSpec, size: Size, *, overlap: float = 0.5
) -> Callable[[Sequence[Sample]], dict[str, Array]]:
    """Return the function that makes a batch's targets for an SSD.

    Args:
        spec: The SSD's spec: its options name the anchors, the variances and the order.
        size: The input's size; every sample's picture has to be of it.
        overlap: As for `match_anchors`.

    Returns:
        A function that turns B samples into ``{"boxes": float32 (B, N, 4), "classes": int32
        (B, N)}``, as `encode_boxes` gives them, and for a spec with keypoints "landmarks" and
        "known", float32 (B, N, 2 K), as `encode_points` does. Boxes of less than a pixel count for
        nothing.
    """
    options = dict(spec.options)
    anchors = ssd_anchors(size, **dict(options.get("anchors", {})))
    order = str(options.get("order", "yxhw"))
    x, y = options.get("variances", (0.1, 0.2))
    sides = np.array([size.width, size.height] * 2, np.float32)

    def encode(samples: Sequence[Sample]) -> dict[str, Array]:
        made: dict[str, list[Array]] = {}
        for sample in samples:
            check_size(sample, size)
            classes = np.where(_visible(sample.boxes), sample.classes, -1)
            boxes = np.asarray(sample.boxes / sides, np.float32)
            offsets, labels, owners = encode_boxes(
                boxes, classes, anchors, overlap=overlap, order=order, variances=(x, y)
            )
            found: dict[str, Array] = {"boxes": offsets, "classes": labels}
            if spec.keypoints:
                landmarks, known = encode_points(sample, owners, anchors, x)
                found |= {"landmarks": landmarks, "known": known}
            for name, values in found.items():
                made.setdefault(name, []).append(values)
        return {name: np.stack(values) for name, values in made.items()}

    return encode


def check_size(sample: Sample, size: Size) -> None:
    """Refuse a sample whose picture is not of the network's input size.

    Raises:
        ValueError: It is not.
    """
    if sample.image.shape[:2] != size:
        height, width = sample.image.shape[:2]
        raise ValueError(
            f"wanted a picture of {size.width}x{size.height} pixels, got {width}x{height}: "
            "augment or resize the sample first"
        )


def _visible(boxes: FloatArray) -> Array:
    return np.asarray(((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1))
