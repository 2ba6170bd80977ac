"""Objects and faces from boxes: what the detection decoders share."""

from __future__ import annotations

import math

import numpy as np

from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Array, FloatArray


def objects(
    boxes: Array,
    scores: Array,
    class_ids: Array,
    *,
    spec: ModelSpec,
    placement: Placement,
    landmarks: Array | None = None,
) -> Detections | Faces:
    """Return boxes as the result of the spec's task, by falling score.

    Boxes of which nothing lies in the frame, such as those in a letterbox's bars, are left out.

    Args:
        boxes: (N, 4), xyxy, pixels of the input.
        scores: (N,), 0..1.
        class_ids: (N,).
        spec: Its task chooses `Faces` or `Detections`; its keypoints are the landmarks' names.
        placement: Where the input lies in the frame.
        landmarks: (N, K, 2), x then y, pixels of the input; None for a detector without.
    """
    moved = placement.boxes_to_frame(boxes)
    # Few rows, and Python's own sort and comparisons cost less than four of numpy's calls.
    corners, sureness = moved.tolist(), scores.tolist()
    order = [
        i
        for i in sorted(range(len(corners)), key=sureness.__getitem__, reverse=True)
        if corners[i][2] > corners[i][0] and corners[i][3] > corners[i][1]  # false for NaN too
    ]
    chosen, sure = moved[order], scores[order].astype(np.float32)
    if spec.task != "face_detection":
        return Detections(
            frame=placement.frame,
            boxes=chosen,
            scores=sure,
            class_ids=class_ids[order].astype(np.int64),
            labels=spec.labels,
        )
    if landmarks is None:
        landmarks = np.zeros((len(boxes), 0, 2), np.float32)
    return Faces(
        frame=placement.frame,
        boxes=chosen,
        scores=sure,
        landmarks=placement.points_to_frame(landmarks[order]),
        points=spec.keypoints if landmarks.shape[1] else (),
    )


def logit(probability: float) -> float:
    """Return the number whose sigmoid is `probability`: thresholds are compared before it."""
    if not 0 < probability < 1:
        return -math.inf if probability <= 0 else math.inf
    return math.log(probability / (1 - probability))


def sigmoid(values: FloatArray) -> FloatArray:
    """Return 1 / (1 + exp(-x)), without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -80, 80))), np.float32)


def same_rows(spec: ModelSpec, found: Array, wanted: int, placement: Placement) -> None:
    """Refuse an output that has not a row for each anchor or cell.

    Args:
        spec: Its name begins the message.
        found: The output, as rows.
        wanted: How many rows the options give.
        placement: The input's size.

    Raises:
        SpecError: There are more or fewer rows.
    """
    if len(found) != wanted:
        height, width = placement.input
        raise SpecError(
            f"{spec.name}: an output has {len(found)} rows, but an input of {height}x{width} wants "
            f"{wanted} by the spec: correct its options, such as 'strides', or its 'outputs'"
        )
