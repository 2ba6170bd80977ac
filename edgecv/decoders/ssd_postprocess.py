"""Detections that the model itself has decoded and suppressed: TFLite's `Detection_PostProcess`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from edgecv.decoders.objects import objects
from edgecv.decoders.roles import by_role
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Array


def decode(
    outputs: Mapping[str, Array], spec: ModelSpec, placement: Placement
) -> Detections | Faces:
    """Read boxes (1, N, 4) of ymin, xmin, ymax, xmax 0..1, classes, scores (1, N) and a count.

    Rows beyond the count, and rows that are not numbers, are left out.
    """
    boxes, classes, scores, count = by_role(outputs, ("boxes", "classes", "scores", "count"))
    # A few rows: right after an inference Python costs less than numpy's many small calls.
    sure, class_ids = scores.ravel().tolist(), classes.ravel().tolist()
    used, least = _used(count.item(0), len(sure)), np.float32(spec.score).item()
    keep = [i for i in range(used) if sure[i] >= least and math.isfinite(class_ids[i])]
    height, width = placement.input
    yxyx = boxes.reshape(-1, 4)[keep] * np.array([height, width] * 2, np.float32)
    return objects(
        yxyx[:, [1, 0, 3, 2]], scores.ravel()[keep], classes.ravel()[keep],
        spec=spec, placement=placement,
    )  # fmt: skip


def _used(count: float, rows: int) -> int:
    """Return how many rows count; none where the count is no number."""
    return int(min(max(count, 0), rows)) if count == count else 0
