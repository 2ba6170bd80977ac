from __future__ import annotations

import json
import math

import numpy as np
import pytest

from edgecv.angles import JOINTS, angle, angle_table, joint_angles
from edgecv.labels import BLAZEPOSE_33, COCO_17
from edgecv.results import Poses
from edgecv.types import Size

F = np.float32


def standing(names=COCO_17, **moved) -> Poses:
    """Somebody who stands with hanging arms; named keypoints are put elsewhere."""
    heights = {"shoulder": 40, "elbow": 70, "wrist": 100, "hip": 100, "knee": 140, "ankle": 180}
    points = np.full((1, len(names), 2), 5, F)
    for side, x in (("left", 60), ("right", 40)):
        for point, y in heights.items():
            points[0, names.index(f"{side}_{point}")] = moved.get(f"{side}_{point}", (x, y))
    return Poses(
        frame=Size(200, 100),
        scores=np.array([0.9], F),
        boxes=np.array([[0, 0, 100, 200]], F),
        keypoints=points,
        keypoint_scores=np.full((1, len(names)), 0.9, F),
        names=names,
    )


ANGLES = {
    "straight": ((0, 0), (1, 0), (2, 0), 180),
    "right angle": ((0, 1), (0, 0), (1, 0), 90),
    "the other way": ((1, 0), (0, 0), (0, 1), 90),
    "folded": ((3, 0), (1, 0), (2, 0), 0),
    "of a triangle": ((1, 0), (0, 0), (0.5, math.sqrt(3) / 2), 60),
    "almost folded": ((1, 0), (0, 0), (1, 1e-4), math.degrees(1e-4)),
}


@pytest.mark.parametrize(("a", "joint", "b", "degrees"), ANGLES.values(), ids=ANGLES.keys())
@pytest.mark.parametrize("turned", [0.0, 1.0, 4.0])
def test_an_angle_does_not_depend_on_where_and_how_large_it_is(
    a, joint, b, degrees, turned
) -> None:
    c, s = math.cos(turned), math.sin(turned)
    points = [np.array(p) @ np.array([[c, s], [-s, c]]) * 37 + [300, -5] for p in (a, joint, b)]
    assert float(angle(*points)) == pytest.approx(degrees, abs=1e-5)


def test_points_on_the_joint_have_no_angle() -> None:
    assert math.isnan(angle(np.zeros(2), np.zeros(2), np.ones(2)))
    assert math.isnan(angle(np.ones(2), np.zeros(2), np.zeros(2)))
    assert math.isnan(angle(np.full(2, np.nan), np.zeros(2), np.ones(2)))


@pytest.mark.parametrize("names", [COCO_17, BLAZEPOSE_33], ids=["coco", "blazepose"])
def test_who_stands_has_straight_limbs(names) -> None:
    (angles,) = joint_angles(standing(names))
    assert list(angles) == list(JOINTS)
    for name in ("elbow", "hip", "knee"):
        assert angles[f"left_{name}"] == angles[f"right_{name}"] == 180
    assert angles["left_shoulder"] == 0


MOVED = {
    "a bent arm": ({"left_wrist": (90, 70)}, "left_elbow", 90),
    "an arm held out": ({"right_elbow": (10, 40)}, "right_shoulder", 90),
    "a raised leg": ({"right_knee": (0, 100)}, "right_hip", 90),
    "a bent knee": ({"left_ankle": (100, 140)}, "left_knee", 90),
}


@pytest.mark.parametrize(("moved", "name", "degrees"), MOVED.values(), ids=MOVED.keys())
def test_each_angle_is_that_of_its_joint(moved, name, degrees) -> None:
    assert joint_angles(standing(**moved))[0][name] == degrees


def test_an_angle_with_an_unsure_point_is_not_known() -> None:
    poses = standing()
    poses.keypoint_scores[0, COCO_17.index("left_wrist")] = 0.2
    (angles,) = joint_angles(poses)
    assert [name for name, value in angles.items() if value is None] == ["left_elbow"]
    assert joint_angles(poses, keypoint_score=0.1)[0]["left_elbow"] == 180
    json.dumps(angles, allow_nan=False)


def test_what_the_model_does_not_know_is_not_known() -> None:
    poses = standing()
    fewer = Poses(
        frame=poses.frame,
        scores=poses.scores,
        boxes=poses.boxes,
        keypoints=poses.keypoints[:, :11],
        keypoint_scores=poses.keypoint_scores[:, :11],
        names=COCO_17[:11],
    )
    (angles,) = joint_angles(fewer)
    assert {name for name, value in angles.items() if value is not None} == {
        "left_elbow",
        "right_elbow",
    }


def test_nobody_has_no_angles() -> None:
    nobody = standing()[:0]
    assert joint_angles(nobody) == []
    assert angle_table(nobody).shape == (0, 8)
