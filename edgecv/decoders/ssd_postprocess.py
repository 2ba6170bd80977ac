"""Detections that the model itself has decoded and suppressed: TFLite's `Detection_PostProcess`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.decoders.roles import by_role
from edgecv.image import Placement
from edgecv.results import Detections
from edgecv.spec import ModelSpec
from edgecv.types import Array


def decode(outputs: Mapping[str, Array], spec: ModelSpec, placement: Placement) -> Detections:
    """Read boxes (1, N, 4) of ymin, xmin, ymax, xmax 0..1, classes, scores (1, N) and a count."""
    boxes, classes, scores, count = by_role(outputs, ("boxes", "classes", "scores", "count"))
    score = scores.reshape(-1)[: int(count.reshape(-1)[0])]
    keep = np.flatnonzero(score >= spec.score)
    keep = keep[np.argsort(-score[keep], kind="stable")]
    height, width = placement.input
    yxyx = boxes.reshape(-1, 4)[keep] * np.array([height, width] * 2, np.float32)
    return Detections(
        frame=placement.frame,
        boxes=placement.boxes_to_frame(yxyx[:, [1, 0, 3, 2]]),
        scores=score[keep],
        class_ids=classes.reshape(-1)[keep].astype(np.int64),
        labels=spec.labels,
    )
