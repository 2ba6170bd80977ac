from __future__ import annotations

import json

import numpy as np
import pytest
from edgecv.apps.pose import everybody, merged

from edgecv.model import Model
from edgecv.results import Poses
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession
from edgecv.types import Size

F = np.float32
PEOPLE = {
    "boxes": np.array([[[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0, 0, 1, 1]]], F),
    "classes": np.array([[0, 0, 1]], F),
    "scores": np.array([[0.9, 0.8, 0.7]], F),
    "count": np.array([3], F),
}
MIDDLE = np.full((1, 1, 17, 3), 0.5, F)
POSE = ModelSpec("stick", "pose", "movenet", keypoints=tuple("abcdefghijklmnopq"))


def detector(**outputs: np.ndarray) -> Model:
    spec = ModelSpec("boxes", "detection", "ssd_postprocess", labels=("person", "dog"))
    return Model(FakeSession({**PEOPLE, **outputs}), spec)


def test_every_person_and_nobody_else_is_looked_at_alone() -> None:
    session = FakeSession({"rows": MIDDLE})
    image = np.zeros((100, 200, 3), np.uint8)
    image[50:, 100:] = 200
    found = everybody(image, Model(session, POSE, runtime="r", device="d"), detector())
    assert len(session.seen) == 2
    # the square round each box of 100x50 pixels: its middle is the person's every keypoint
    np.testing.assert_allclose(found.keypoints[:, 0], [[50, 25], [150, 75]], atol=1)
    dark, bright = (float(tensor.mean()) for tensor in session.seen)
    assert dark < 5 < 80 < bright


def test_the_time_is_that_of_all_calls_and_the_model_is_the_pose_model_s() -> None:
    model = Model(FakeSession({"rows": MIDDLE}, latency=0.01), POSE, runtime="r", device="d")
    run = everybody(np.zeros((100, 200, 3), np.uint8), model, detector()).run
    assert (run.model, run.runtime, run.device) == ("stick", "r", "d")
    assert run.latency_ms.inference >= 20
    assert run.latency_ms.total >= sum(run.latency_ms[:3])


def test_nobody_is_a_result_without_rows() -> None:
    nobody = detector(scores=np.zeros((1, 3), F))
    model = Model(FakeSession({"rows": MIDDLE}), POSE)
    found = everybody(np.zeros((100, 200, 3), np.uint8), model, nobody)
    assert found.to_dict() == {"people": []}
    assert found.keypoints.shape == (0, 17, 2)
    assert found.names == POSE.keypoints


def test_people_are_merged_by_falling_score() -> None:
    def pose(score: float) -> Poses:
        return Poses(
            frame=Size(9, 9),
            scores=np.array([score], F),
            boxes=np.zeros((1, 4), F),
            keypoints=np.full((1, 17, 2), score, F),
            keypoint_scores=np.zeros((1, 17), F),
        )

    model = Model(FakeSession({"rows": MIDDLE}), POSE)
    whole = merged([pose(0.4), pose(0.9), pose(0.6)], model, Size(9, 9))
    np.testing.assert_allclose(whole.scores, [0.9, 0.6, 0.4])
    np.testing.assert_allclose(whole.keypoints[:, 0, 0], [0.9, 0.6, 0.4])


def test_a_detector_may_be_a_file(edgecv, stick, cats, picture) -> None:
    ran = edgecv(
        "pose", picture("a.png"), "--model", stick, "--detector", cats, "--json", "-"
    )  # the cats' file sees one person, in the right half
    assert ran.code == 0
    (person,) = json.loads(ran.out)["people"]
    assert {40 <= point["x"] <= 80 for point in person["keypoints"]} == {True}


@pytest.mark.zoo
@pytest.mark.data
def test_a_skier_is_seen_better_when_found_first(edgecv, zoo, data) -> None:
    skier = data / "coco_eval" / "images" / "000000000785.jpg"
    words = ["pose", skier, "--json", "-"]
    (alone,) = json.loads(edgecv(*words).out)["people"]
    ran = edgecv(*words, "--detector", "ssd_mobilenet_v1_coco_int8")
    (found,) = json.loads(ran.out)["people"]
    assert found["score"] > alone["score"] > 0.4
    nose = next(point for point in found["keypoints"] if point["name"] == "nose")
    assert (nose["x"], nose["y"]) == pytest.approx((363, 81), abs=12)
