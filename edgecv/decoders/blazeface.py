"""Faces or people from MediaPipe's BlazeFace family: an SSD with keypoints, its anchors points."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from edgecv.boxes import cxcywh_to_xyxy, grid_centres, nms, nms_weights
from edgecv.decoders.objects import logit, objects, same_rows, sigmoid
from edgecv.decoders.roles import by_role
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Array, FloatArray, Size


def decode(
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    strides: tuple[int, ...] = (8, 16, 16, 16),
    circle: tuple[int, int] | None = None,
    overlap: float = 0.3,
    limit: int = 100,
) -> Detections | Faces:
    """Read rows (1, N, 4 + 2 K) of box and keypoints and logits (1, N, 1), two for each cell.

    Everything is in pixels of the input, centres and keypoints from the cell's centre. A box that
    another suppresses has its share in that one's place. Source: Bazarevsky et al., "BlazeFace:
    Sub-millisecond Neural Face Detection on Mobile GPUs", 2019, and the graphs of MediaPipe's face
    and pose detection modules.

    Args:
        outputs: "boxes" and "scores".
        spec: Its score is the threshold; its keypoints name the landmarks of faces.
        placement: Where the input lies in the frame.
        strides: Input pixels a cell, for each of the model's layers.
        circle: For detectors that give a whole body by a circle: its centre and a point on it, as
            indices of keypoints. The box is then the square round the circle.
        overlap: Of two boxes with a greater IoU only the better is kept.
        limit: The most results.

    Raises:
        SpecError: The rows are not as many as the cells have anchors.
    """
    boxes, logits = by_role(outputs, ("boxes", "scores"))
    logit_of, values = logits.reshape(-1), boxes.reshape(-1, boxes.shape[-1])
    centres = _centres(placement.input, strides)
    for output in (logit_of, values):
        same_rows(spec, output, len(centres), placement)
    rows = np.flatnonzero(logit_of >= logit(spec.score))
    rows = rows[np.isfinite(values[rows]).all(axis=1)]
    scores, found = sigmoid(logit_of[rows]), _absolute(values[rows], centres[rows])
    xyxy = cxcywh_to_xyxy(found[:, :4])
    kept = nms(xyxy, scores, overlap=overlap, limit=limit)
    found = nms_weights(xyxy, scores, kept, overlap=overlap) @ found
    points = found[:, 4:].reshape(len(kept), values.shape[1] // 2 - 2, 2)
    xyxy = cxcywh_to_xyxy(found[:, :4])
    if circle is not None:
        xyxy = _squares(points[:, circle[0]], points[:, circle[1]])
    return objects(
        xyxy, scores[kept], np.zeros(len(kept), np.int64),
        spec=spec, placement=placement, landmarks=points,
    )  # fmt: skip


def _absolute(values: Array, centres: FloatArray) -> FloatArray:
    """Return centre, size and keypoints (N, 4 + 2 K), all but the size moved to their cell."""
    moved: FloatArray = values + np.tile(centres, values.shape[1] // 2)
    moved[:, 2:4] = values[:, 2:4]
    return moved


@lru_cache(maxsize=8)
def _centres(size: Size, strides: tuple[int, ...]) -> FloatArray:
    """Return the centres (N, 2) of the cells, in input pixels, each of them twice a layer.

    Layers of one stride share their grid: a cell's anchors of all of them follow each other.
    """
    grids = []
    for stride in sorted(set(strides)):
        grid = grid_centres(-(-size.height // stride), -(-size.width // stride), stride, 0.5)
        grids.append(np.repeat(grid, 2 * strides.count(stride), axis=0))
    return np.concatenate(grids)


def _squares(centre: FloatArray, rim: FloatArray) -> FloatArray:
    radius = np.hypot(*(rim - centre).T)[:, None]
    return np.concatenate((centre - radius, centre + radius), axis=1)
