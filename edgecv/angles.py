"""Angles of joints, from keypoints by name."""

from __future__ import annotations

import numpy as np

from edgecv.results import Poses
from edgecv.types import Array

JOINTS = {
    f"{side}_{joint}": tuple(f"{side}_{point}" for point in points)
    for side in ("left", "right")
    for joint, points in {
        "elbow": ("shoulder", "elbow", "wrist"),
        "shoulder": ("hip", "shoulder", "elbow"),
        "hip": ("shoulder", "hip", "knee"),
        "knee": ("hip", "knee", "ankle"),
    }.items()
}
"""The angle's name -> the keypoints that make it, the joint in the middle."""


def joint_angles(poses: Poses, *, keypoint_score: float = 0.3) -> list[dict[str, float | None]]:
    """Return the angles of everybody's joints in the picture, for JSON.

    They are those of the picture and not of the body: an arm that points at the camera looks bent
    or straight, whatever it is.

    Args:
        poses: People with keypoints by name, as in `edgecv.labels.COCO_17` or `BLAZEPOSE_33`.
        keypoint_score: Where one of an angle's points is less sure than this, it is not known.

    Returns:
        For each person the names in `JOINTS` -> degrees, 0..180, where a straight limb has 180;
        None where it is not known.
    """
    table = angle_table(poses, keypoint_score=keypoint_score)
    return [
        {
            name: None if np.isnan(value) else round(value, 1)
            for name, value in zip(JOINTS, row, strict=True)
        }
        for row in table.tolist()
    ]


def angle_table(poses: Poses, *, keypoint_score: float = 0.3) -> Array:
    """Return the angles of everybody's joints, float64 (N, 8), degrees, in the order of `JOINTS`.

    Args:
        poses: People with keypoints by name.
        keypoint_score: Where one of an angle's points is less sure than this, it is NaN.
    """
    columns = []
    for names in JOINTS.values():
        if any(name not in poses.names for name in names):
            columns.append(np.full(len(poses), np.nan))
            continue
        at = [poses.names.index(name) for name in names]
        angles = angle(*(poses.keypoints[:, k] for k in at))
        sure = (poses.keypoint_scores[:, at] >= keypoint_score).all(axis=1)
        columns.append(np.where(sure, angles, np.nan))
    return np.stack(columns, axis=1)


def angle(a: Array, joint: Array, b: Array) -> Array:
    """Return the angle at `joint` between the directions to `a` and to `b`.

    Args:
        a: (..., 2), x then y.
        joint: (..., 2).
        b: (..., 2).

    Returns:
        float64 (...), degrees, 0..180; NaN where a point lies on the joint or is not finite.
    """
    joint = np.asarray(joint, np.float64)
    first, second = np.asarray(a, np.float64) - joint, np.asarray(b, np.float64) - joint
    cross = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    dot = (first * second).sum(-1)
    degrees = np.degrees(np.arctan2(np.abs(cross), dot))
    apart = (first != 0).any(-1) & (second != 0).any(-1)
    out: Array = np.where(apart, degrees, np.nan)
    return out
