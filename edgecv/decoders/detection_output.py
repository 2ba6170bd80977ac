"""Detections that the model itself has decoded and suppressed: OpenVINO's `DetectionOutput`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.decoders.objects import objects
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Array


def decode(
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    background: bool = True,
) -> Detections | Faces:
    """Read rows (1, 1, N, 7) of image, class, score, xmin, ymin, xmax, ymax, the boxes 0..1.

    A row of a negative image ends the list; rows that are not numbers are left out. Source: the
    operation `DetectionOutput` in OpenVINO's operation sets.

    Args:
        outputs: The rows, under any name.
        spec: Its score is the threshold.
        placement: Where the input lies in the frame.
        background: Whether the model numbers its classes from 1, after the background.
    """
    rows = next(iter(outputs.values())).reshape(-1, 7)
    ends = np.flatnonzero(rows[:, 0] < 0)
    rows = rows[: ends[0]] if len(ends) else rows
    rows = rows[(rows[:, 2] >= spec.score) & np.isfinite(rows).all(axis=1)]
    height, width = placement.input
    boxes = rows[:, 3:] * np.array([width, height] * 2, np.float32)
    class_ids = rows[:, 1].astype(np.int64) - background
    return objects(boxes, rows[:, 2], class_ids, spec=spec, placement=placement)
