"""Faces from YuNet: a box and five landmarks for each cell of three grids."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.boxes import cxcywh_to_xyxy, grid_centres, growth, nms
from edgecv.decoders.objects import objects, same_rows
from edgecv.decoders.roles import by_role
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Array, FloatArray

HEADS = ("cls", "obj", "bbox", "kps")


def decode(
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    strides: tuple[int, ...] = (8, 16, 32),
    overlap: float = 0.3,
    limit: int = 750,
) -> Detections | Faces:
    """Read (1, N, 1), (1, N, 1), (1, N, 4) and (1, N, 10) of class, objectness, box and landmarks.

    Centres and landmarks are offsets from the cell's corner in cells, sizes logarithms of cells,
    the score is the geometric mean of class and objectness. Source: Wu et al., "YuNet: A Tiny
    Millisecond-level Face Detector", 2023, and its published code.

    Args:
        outputs: "cls_8", "cls_16" ... "obj_8" ... "bbox_8" ... "kps_8" ..., one for each stride.
        spec: Its score is the threshold.
        placement: Where the input lies in the frame.
        strides: Input pixels a cell, for each grid.
        overlap: Of two boxes with a greater IoU only the better is kept.
        limit: The most faces.

    Raises:
        SpecError: An output's rows are not as many as its grid's cells.
    """
    heads = by_role(outputs, [f"{head}_{stride}" for head in HEADS for stride in strides])
    found = []
    for i, stride in enumerate(strides):
        rows, columns = placement.input.height // stride, placement.input.width // stride
        for head in heads[i :: len(strides)]:
            same_rows(spec, head.reshape(-1, head.shape[-1]), rows * columns, placement)
        grid = grid_centres(rows, columns, stride)
        found.append(_one_grid(heads[i :: len(strides)], grid, stride, spec.score))
    scores, boxes, points = (np.concatenate(parts) for parts in zip(*found, strict=True))
    chosen = nms(boxes, scores, overlap=overlap, limit=limit)
    return objects(
        boxes[chosen], scores[chosen], np.zeros(len(chosen), np.int64),
        spec=spec, placement=placement, landmarks=points[chosen],
    )  # fmt: skip


def _one_grid(
    heads: list[Array], corners: FloatArray, stride: int, threshold: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return scores (N,), boxes (N, 4) and points (N, K, 2) of the cells above the threshold."""
    classes, objectness, boxes, points = heads
    product = np.clip(classes.reshape(-1), 0, 1) * np.clip(objectness.reshape(-1), 0, 1)
    index = np.flatnonzero(product >= threshold**2)
    corner = corners[index]
    box = boxes.reshape(len(product), 4)[index]
    centre = box[:, :2] * stride + corner
    cxcywh = np.concatenate((centre, growth(box[:, 2:]) * stride), axis=1)
    offsets = points.reshape(len(product), -1, 2)[index]
    return np.sqrt(product[index]), cxcywh_to_xyxy(cxcywh), offsets * stride + corner[:, None]
