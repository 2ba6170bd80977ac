"""Arithmetic of boxes: float32 (N, 4) arrays, xyxy unless the name says otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from edgecv.types import Array, FloatArray, IntArray


def cxcywh_to_xyxy(boxes: FloatArray) -> FloatArray:
    """Turn (..., 4) centre-and-size boxes into corner boxes."""
    half = boxes[..., 2:4] * np.float32(0.5)
    return np.concatenate((boxes[..., :2] - half, boxes[..., :2] + half), axis=-1)


def xyxy_to_xywh(boxes: FloatArray) -> FloatArray:
    """Turn (..., 4) corner boxes into boxes of left, top, width and height."""
    return np.concatenate((boxes[..., :2], boxes[..., 2:4] - boxes[..., :2]), axis=-1)


def xywh_to_xyxy(boxes: FloatArray) -> FloatArray:
    """Turn (..., 4) boxes of left, top, width and height into corner boxes."""
    return np.concatenate((boxes[..., :2], boxes[..., :2] + boxes[..., 2:4]), axis=-1)


def area(boxes: FloatArray) -> FloatArray:
    """Return the areas (N,) of (N, 4) boxes; a box turned inside out has none."""
    size = np.maximum(boxes[:, 2:4] - boxes[:, :2], 0)
    out: FloatArray = size[:, 0] * size[:, 1]
    return out


def iou(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return intersection over union of every box of `a` (N, 4) with every one of `b` (M, 4).

    Returns:
        float32 (N, M), 0..1; 0 where both boxes are empty.
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    size = np.maximum(high - low, 0)
    shared = size[..., 0] * size[..., 1]
    union = area(a)[:, None] + area(b)[None, :] - shared
    out: FloatArray = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return out


def nms(
    boxes: FloatArray,
    scores: FloatArray,
    *,
    overlap: float,
    class_ids: Array | None = None,
    limit: int = 0,
) -> IntArray:
    """Choose boxes greedily by score, dropping those that overlap a chosen one too much.

    Args:
        boxes: float32 (N, 4), xyxy. One that is not finite is never chosen.
        scores: float32 (N,).
        overlap: A box goes when its IoU with a chosen one is above this, 0..1.
        class_ids: (N,): boxes of different classes never suppress each other; None for one class.
        limit: The most boxes to keep; 0 for no limit.

    Returns:
        int64 (K,): the kept indices, by falling score.
    """
    order = np.argsort(-scores, kind="stable")
    # A single NaN would suppress all boxes after it: IoU with NaN compares as false.
    order = order[np.isfinite(boxes[order]).all(1) & np.isfinite(scores[order])]
    if not len(order):
        return np.zeros(0, np.int64)
    corners: Any = boxes[order].astype(np.float64)
    if class_ids is not None:  # each class gets a place of its own, far from the others'
        span = corners.max() - corners.min() + 1
        corners += (np.asarray(class_ids)[order] * span)[:, None]
    rects: Any = xyxy_to_xywh(corners)  # OpenCV's stubs ask for lists
    ranks: Any = np.arange(len(order), 0, -1, dtype=np.float32)
    kept = cv2.dnn.NMSBoxes(rects, ranks, 0.0, overlap)
    chosen: IntArray = order[np.asarray(kept, np.int64).reshape(-1)]
    return chosen[:limit] if limit else chosen


def nms_weights(
    boxes: FloatArray, scores: FloatArray, chosen: IntArray, *, overlap: float
) -> FloatArray:
    """Return how much each box says of each chosen one: weights for a mean over what it suppressed.

    A suppressed box counts, by its score, for the best of those that overlap it. Source: the
    blending in Bazarevsky et al., "BlazeFace", 2019, section 3.3.

    Args:
        boxes: float32 (N, 4), xyxy, finite.
        scores: float32 (N,), above 0.
        chosen: int64 (K,): what `nms` returned for them.
        overlap: The same as for `nms`.

    Returns:
        float32 (K, N), whose rows add up to 1: ``weights @ boxes`` are the blended boxes.
    """
    alike = iou(boxes[chosen], boxes) > overlap
    alike[np.arange(len(chosen)), chosen] = True
    first = alike & (np.cumsum(alike, axis=0) == 1)
    weights = first * np.asarray(scores, np.float32)
    out: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return out


def ssd_to_xyxy(
    offsets: FloatArray, anchors: FloatArray, variances: tuple[float, float] = (0.1, 0.2)
) -> FloatArray:
    """Turn what an SSD says of each anchor into corner boxes.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", 2016, equation 2, with the variances
    of its published code.

    Args:
        offsets: float32 (N, 4): of the centre, x then y, and logarithms of the width and height.
        anchors: float32 (N, 4), cxcywh.
        variances: What the centre's offsets and the sizes' logarithms were divided by.

    Returns:
        float32 (N, 4), xyxy, in the unit of the anchors.
    """
    centre = anchors[:, :2] + offsets[:, :2] * np.float32(variances[0]) * anchors[:, 2:]
    half = anchors[:, 2:] * growth(offsets[:, 2:] * np.float32(variances[1])) * np.float32(0.5)
    return np.concatenate((centre - half, centre + half), axis=1)


def growth(logarithms: FloatArray) -> FloatArray:
    """Return e to the power of `logarithms`, held below 9 million so that it cannot overflow."""
    out: FloatArray = np.exp(np.minimum(logarithms, np.float32(16)))
    return out


@lru_cache(maxsize=32)
def grid_centres(height: int, width: int, stride: int, offset: float = 0.0) -> FloatArray:
    """Return the points (height * width, 2), x then y in input pixels, of a grid of cells.

    Args:
        height: Rows of the grid.
        width: Columns of the grid.
        stride: Input pixels from one cell to the next.
        offset: Where in its cell the point lies: 0 its corner, 0.5 its centre.
    """
    y, x = np.mgrid[:height, :width].astype(np.float32)
    points: FloatArray = (np.stack((x, y), -1).reshape(-1, 2) + np.float32(offset)) * stride
    points.setflags(write=False)
    return points


@lru_cache(maxsize=8)
def grid_anchors(
    input_hw: tuple[int, int],
    *,
    strides: tuple[int, ...],
    sizes: tuple[tuple[tuple[float, float], ...], ...],
) -> FloatArray:
    """Return anchors of the same sizes around the centre of every cell of a few grids.

    Args:
        input_hw: The input's height and width.
        strides: Input pixels a cell, for each grid.
        sizes: The (height, width) of a cell's anchors in input pixels, for each grid.

    Returns:
        float32 (N, 4), cxcywh, input pixels: grid by grid, row by row, cell by cell.

    Raises:
        ValueError: There are not as many strides as lists of sizes.
    """
    if len(strides) != len(sizes):
        raise ValueError(
            f"wanted the sizes of {len(strides)} grids, one for each stride, got {len(sizes)}"
        )
    anchors = []
    for stride, hw in zip(strides, sizes, strict=True):
        rows, columns = (-(-side // stride) for side in input_hw)
        centres = grid_centres(rows, columns, stride, 0.5)
        wh = np.array(hw, np.float32)[:, ::-1]
        cells = np.repeat(centres, len(wh), axis=0)
        anchors.append(np.concatenate((cells, np.tile(wh, (len(centres), 1))), axis=1))
    out: FloatArray = np.concatenate(anchors)
    out.setflags(write=False)
    return out


def ssd_to_points(offsets: Array, anchors: FloatArray, variance: float) -> FloatArray:
    """Turn an SSD's landmarks into points, in the unit of the anchors.

    Source: Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019.

    Args:
        offsets: (N, K, 2), x then y, from each anchor's centre.
        anchors: float32 (N, 4), cxcywh.
        variance: What the offsets were divided by.

    Returns:
        float32 (N, K, 2).
    """
    out: FloatArray = anchors[:, None, :2] + offsets * np.float32(variance) * anchors[:, None, 2:]
    return out


@lru_cache(maxsize=8)
def ssd_anchors(
    input_hw: tuple[int, int],
    *,
    layers: int = 6,
    scale_min: float = 0.2,
    scale_max: float = 0.95,
    ratios: Sequence[float] = (1.0, 2.0, 0.5, 3.0, 1 / 3),
    strides: Sequence[int] = (),
) -> FloatArray:
    """Return the anchors of TensorFlow's SSD: the lowest layer has three, the others a set each.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", 2016, section 2.2, with the linear
    scales and the reduced lowest layer of the Object Detection API's `ssd_anchor_generator`.

    Args:
        input_hw: The input's height and width.
        layers: Feature maps.
        scale_min: Scale of the lowest layer, as a part of the input's side.
        scale_max: Scale of the highest layer.
        ratios: Width by height.
        strides: Input pixels a cell; the default is 16, 32, 64 ... with the last map 1x1.

    Returns:
        float32 (N, 4), cxcywh, 0..1 of the input.

    Raises:
        ValueError: There are fewer than two layers, or not as many strides as layers, or a scale
            or ratio is not above 0.
    """
    if layers < 2 or (strides and len(strides) != layers):
        raise ValueError(
            f"wanted two layers or more and a stride for each, got {layers} layers and the "
            f"strides {tuple(strides)}"
        )
    if min(scale_min, scale_max, *ratios, 1.0) <= 0:
        raise ValueError(
            f"wanted scales and ratios above 0, got {scale_min:g} to {scale_max:g} and the ratios "
            f"{tuple(ratios)}"
        )
    scales = [scale_min + (scale_max - scale_min) * i / (layers - 1) for i in range(layers)] + [1.0]
    anchors = []
    for layer in range(layers):
        stride = strides[layer] if strides else 16 * 2**layer
        rows, columns = (-(-side // stride) for side in input_hw)
        if layer == 0:
            sizes = [(0.1, 1.0), (scale_min, 2.0), (scale_min, 0.5)]
        else:
            sizes = [(scales[layer], r) for r in ratios]
            sizes.append((float(np.sqrt(scales[layer] * scales[layer + 1])), 1.0))
        wh = np.array([(s * np.sqrt(r), s / np.sqrt(r)) for s, r in sizes], np.float32)
        centres = grid_centres(rows, columns, 1, 0.5) / np.array([columns, rows], np.float32)
        cell = np.repeat(centres, len(wh), axis=0)
        anchors.append(np.concatenate((cell, np.tile(wh, (len(centres), 1))), axis=1))
    out: FloatArray = np.concatenate(anchors).astype(np.float32)
    out.setflags(write=False)
    return out
