"""People from keypoints: what the pose decoders share."""

from __future__ import annotations

import numpy as np

from edgecv.errors import SpecError
from edgecv.results import Poses
from edgecv.spec import ModelSpec
from edgecv.types import Array, FloatArray, Size


def keypoint_rows(output: Array, columns: int, spec: ModelSpec) -> FloatArray:
    """Return one person's output as float32 (1, K, columns), a row for each of K keypoints.

    Rows beyond those that the spec names are left out.

    Raises:
        SpecError: The output is not of such rows, or has fewer than the spec names.
    """
    count, rest = divmod(output.size, columns)
    if rest or not count or count < len(spec.keypoints):
        raise SpecError(
            f"{spec.name}: an output of shape {list(output.shape)} is not {columns} numbers for "
            f"each of {len(spec.keypoints) or 'some'} keypoints: correct the spec's 'keypoints', "
            "'outputs' or 'decoder'"
        )
    rows: FloatArray = output.astype(np.float32).reshape(1, count, columns)
    return rows[:, : len(spec.keypoints) or count]


def people(
    keypoints: FloatArray,
    keypoint_scores: FloatArray,
    scores: FloatArray,
    *,
    spec: ModelSpec,
    frame: Size,
    keypoint_score: float,
) -> Poses:
    """Return those people who reach the spec's score, by falling score.

    Args:
        keypoints: float32 (N, K, 2), x then y, in pixels of the frame.
        keypoint_scores: float32 (N, K), 0..1.
        scores: float32 (N,), 0..1.
        spec: Its keypoints and skeleton go into the result.
        frame: The frame's size; boxes are cut off at its edge.
        keypoint_score: Boxes are drawn round the keypoints that reach this.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= spec.score]
    points, sure = keypoints[order], keypoint_scores[order]
    return Poses(
        frame=frame,
        scores=scores[order].astype(np.float32),
        boxes=boxes_round(points, sure >= keypoint_score, frame),
        keypoints=points,
        keypoint_scores=sure,
        names=spec.keypoints,
        skeleton=spec.skeleton,
    )


def boxes_round(points: FloatArray, chosen: Array, frame: Size) -> FloatArray:
    """Return the boxes float32 (N, 4), xyxy, round the chosen ones of (N, K, 2) points.

    Args:
        points: float32 (N, K, 2), x then y, in pixels of the frame.
        chosen: bool (N, K); where a row has none, the box holds all of its points.
        frame: The frame's size; boxes are cut off at its edge.
    """
    inside = np.clip(points, 0, np.array([frame.width, frame.height], np.float32))
    used = (chosen | ~chosen.any(axis=1, keepdims=True))[..., None]
    low = np.where(used, inside, np.inf).min(axis=1)
    high = np.where(used, inside, -np.inf).max(axis=1)
    out: FloatArray = np.concatenate((low, high), axis=1).astype(np.float32)
    return out
