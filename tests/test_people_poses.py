from __future__ import annotations

import numpy as np
import pytest

from edgecv.model import Model
from edgecv.people_poses import ManyPoses, merged_poses
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
BLACK = np.zeros((100, 200, 3), np.uint8)


def detector(**outputs: np.ndarray) -> Model:
    spec = ModelSpec("boxes", "detection", "ssd_postprocess", labels=("person", "dog"))
    return Model(FakeSession({**PEOPLE, **outputs}), spec)


def stick(**settings) -> Model:
    return Model(FakeSession({"rows": MIDDLE}, **settings), POSE, runtime="r", device="d")


def test_every_person_and_nobody_else_is_looked_at_alone() -> None:
    model = stick()
    image = BLACK.copy()
    image[50:, 100:] = 200
    found = ManyPoses(detector(), model)(image)
    assert len(model.session.seen) == 2
    # the square round each box of 100x50 pixels: its middle is the person's every keypoint
    np.testing.assert_allclose(found.keypoints[:, 0], [[50, 25], [150, 75]], atol=1)
    dark, bright = (float(tensor.mean()) for tensor in model.session.seen)
    assert dark < 5 < 80 < bright


def test_a_margin_shows_more_of_what_is_round_a_person() -> None:
    image = np.full((100, 200, 3), 200, np.uint8)
    image[:50, :100] = 100
    seen = []
    for margin in (0.0, 0.5):
        model = stick()
        ManyPoses(detector(), model, margin=margin, limit=1)(image)
        seen.append((model.session.seen[0] == 100).mean())
    assert seen == pytest.approx([1 / 2, 1 / 8], abs=0.03)


@pytest.mark.parametrize(("limit", "looks"), [(0, 2), (1, 1), (5, 2)])
def test_the_surest_people_are_looked_at_within_the_limit(limit, looks) -> None:
    model = stick()
    assert len(ManyPoses(detector(), model, limit=limit)(BLACK)) == looks
    assert len(model.session.seen) == looks


def test_the_time_is_that_of_all_calls_and_the_model_is_the_pose_model_s() -> None:
    run = ManyPoses(detector(), stick(latency=0.01))(BLACK).run
    assert (run.model, run.runtime, run.device) == ("stick", "r", "d")
    assert run.latency_ms.inference >= 20
    assert run.latency_ms.total >= sum(run.latency_ms[:3])


NOBODY = {
    "no person": {"classes": np.array([[1, 1, 1]], F)},
    "nothing": {"scores": np.zeros((1, 3), F)},
    "people without area": {"boxes": np.full((1, 3, 4), 0.5, F)},
}


@pytest.mark.parametrize("outputs", NOBODY.values(), ids=NOBODY.keys())
def test_nobody_is_a_result_without_rows(outputs) -> None:
    found = ManyPoses(detector(**outputs), stick())(BLACK)
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

    whole = merged_poses([pose(0.4), pose(0.9), pose(0.6)], POSE, Size(9, 9))
    np.testing.assert_allclose(whole.scores, [0.9, 0.6, 0.4])
    np.testing.assert_allclose(whole.keypoints[:, 0, 0], [0.9, 0.6, 0.4])


def test_closing_closes_both() -> None:
    with ManyPoses(detector(), stick()) as both:
        pass
    assert both.detector.session.closed
    assert both.pose_model.session.closed


REFUSED = {
    "no such class": (lambda: ManyPoses(detector(), stick(), label="cat"), "no class 'cat'"),
    "no pose model": (lambda: ManyPoses(detector(), detector()), "wanted one for pose"),
    "negative margin": (lambda: ManyPoses(detector(), stick(), margin=-1), "margin >= 0"),
    "negative limit": (lambda: ManyPoses(detector(), stick(), limit=-1), "limit >= 0"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_work_is_refused_at_once(make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make()
