"""Detections that the model itself has decoded and suppressed: TFLite's `Detection_PostProcess`."""

from __future__ import annotations

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
    score, class_ids = scores.reshape(-1), classes.reshape(-1)
    used = int(np.clip(np.nan_to_num(count.reshape(-1)[0]), 0, len(score)))
    keep = np.flatnonzero((score[:used] >= spec.score) & np.isfinite(class_ids[:used]))
    height, width = placement.input
    yxyx = boxes.reshape(-1, 4)[keep] * np.array([height, width] * 2, np.float32)
    return objects(
        yxyx[:, [1, 0, 3, 2]], score[keep], class_ids[keep], spec=spec, placement=placement
    )
