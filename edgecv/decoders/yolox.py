"""Detections from YOLOX: one box, one objectness and all classes for each cell of three grids."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from edgecv.boxes import cxcywh_to_xyxy, grid_centres, growth, nms
from edgecv.decoders.objects import objects, same_rows
from edgecv.decoders.roles import check_classes
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Array, FloatArray, Size


def decode(  # noqa: PLR0913 - the options of one family of models
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    strides: tuple[int, ...] = (8, 16, 32),
    decoded: bool = False,
    overlap: float = 0.45,
    class_wise: bool = True,
    limit: int = 300,
) -> Detections | Faces:
    """Read rows (1, N, 5 + C): centre, size, objectness and class probabilities of each cell.

    The centre is an offset from the cell's corner in cells, the size a logarithm of cells, and the
    score is objectness times the best class. Source: Ge et al., "YOLOX: Exceeding YOLO Series in
    2021", and the export of its published code.

    Args:
        outputs: The rows, under any name.
        spec: Its score is the threshold.
        placement: Where the input lies in the frame.
        strides: Input pixels a cell, for each grid, in the rows' order.
        decoded: Whether the file gives the boxes in pixels of the input already.
        overlap: Of two boxes with a greater IoU only the better is kept.
        class_wise: Whether only boxes of one class suppress each other.
        limit: The most detections.

    Raises:
        SpecError: The rows are not as many as the grids' cells, or the labels not as many as the
            classes.
    """
    output = next(iter(outputs.values()))
    rows = output.reshape(-1, output.shape[-1])
    check_classes(spec, rows.shape[1] - 5)
    corners, cells = _grids(placement.input, strides)
    if not decoded:
        same_rows(spec, rows, len(corners), placement)
    # No class is above 1: what its objectness rules out needs no look at its classes.
    index = np.flatnonzero(rows[:, 4] >= spec.score)
    classes = rows[index, 5:]
    class_ids = classes.argmax(axis=1)
    scores = rows[index, 4] * classes[np.arange(len(index)), class_ids]
    sure = scores >= spec.score
    index, class_ids, scores = index[sure], class_ids[sure], scores[sure]
    boxes = rows[index, :4]
    if not decoded:
        boxes[:, :2] = boxes[:, :2] * cells[index] + corners[index]
        boxes[:, 2:] = growth(boxes[:, 2:]) * cells[index]
    xyxy = cxcywh_to_xyxy(boxes)
    chosen = nms(
        xyxy, scores, overlap=overlap, class_ids=class_ids if class_wise else None, limit=limit
    )
    return objects(xyxy[chosen], scores[chosen], class_ids[chosen], spec=spec, placement=placement)


@lru_cache(maxsize=8)
def _grids(size: Size, strides: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Return every cell's corner (N, 2), in input pixels, and its stride (N, 1)."""
    grids = [grid_centres(size.height // s, size.width // s, s) for s in strides]
    cells = [np.full((len(grid), 1), s, np.float32) for grid, s in zip(grids, strides, strict=True)]
    return np.concatenate(grids), np.concatenate(cells)
