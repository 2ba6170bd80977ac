from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

import edgecv
from edgecv.evaluation.pose import oks
from edgecv.labels import COCO_17
from edgecv.model import Model
from edgecv.posetrack import PoseTracker, next_region
from edgecv.results import Poses
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession
from edgecv.types import Size

F = np.float32
FRAME = Size(400, 600)
POSE = ModelSpec("stick", "pose", "movenet", keypoints=COCO_17, score=0.2)
TORSO = {
    "left_shoulder": (320, 150), "right_shoulder": (280, 150),
    "left_hip": (315, 210), "right_hip": (285, 210),
}  # fmt: skip


def person(points: dict[str, tuple[float, float]], frame: Size = FRAME) -> Poses:
    """Somebody of whom only the named points are sure; the others are wrong, and far away."""
    at = [COCO_17.index(name) for name in points]
    keypoints = np.full((1, 17, 2), 5, F)
    keypoints[0, at] = np.array(list(points.values())).reshape(-1, 2)
    scores = np.full((1, 17), 0.1, F)
    scores[0, at] = 0.8
    return Poses(
        frame=frame,
        scores=np.array([0.7], F),
        boxes=np.array([[1, 2, 30, 40]], F),
        keypoints=keypoints,
        keypoint_scores=scores,
        names=COCO_17,
    )


REGIONS = {
    # the hips' middle is (300, 210); the shoulders are 60 above it, and 1.9 * 60 = 114
    "a torso": (TORSO, (186, 96, 414, 324)),
    # the ankle is 150 below, and 1.2 * 150 = 180 is more
    "a whole body": ({**TORSO, "left_ankle": (310, 360)}, (120, 30, 480, 390)),
    # the wrist is 80 to the side, and 1.2 * 80 = 96 is less
    "a near wrist": ({**TORSO, "left_wrist": (380, 180)}, (186, 96, 414, 324)),
    # 1.2 * 390 is more than half the frame's longer side
    "as large as the frame": (
        {**{k: (x - 100, y) for k, (x, y) in TORSO.items()}, "left_wrist": (590, 180)},
        None,
    ),
    "no hips": ({k: v for k, v in TORSO.items() if "hip" not in k}, None),
    "no shoulders": ({k: v for k, v in TORSO.items() if "shoulder" not in k}, None),
    "nothing": ({}, None),
    "hips outside the frame": (
        {**TORSO, "left_hip": (315, 420), "right_hip": (285, 420)},
        None,
    ),
    "everything in one point": (dict.fromkeys(TORSO, (300.0, 200.0)), None),
}


@pytest.mark.parametrize(("points", "region"), REGIONS.values(), ids=REGIONS.keys())
def test_the_next_region_is_a_square_round_the_hips(points, region) -> None:
    found = next_region(person(points), keypoint_score=0.2)
    assert found == (None if region is None else pytest.approx(region))


def test_one_hip_and_one_shoulder_will_do() -> None:
    poses = person(TORSO)
    for name in ("left_hip", "right_shoulder"):
        poses.keypoint_scores[0, COCO_17.index(name)] = 0.1
    assert next_region(poses, keypoint_score=0.2) == pytest.approx((186, 96, 414, 324))


def test_at_the_edge_the_square_grows_no_larger_than_the_frame_s_far_side() -> None:
    moved = {name: (x + 220, y) for name, (x, y) in TORSO.items()}  # the middle is (520, 210)
    moved["left_ankle"] = (520, 399)
    assert next_region(person(moved), keypoint_score=0.2) == pytest.approx(
        (520 - 226.8, 210 - 226.8, 520 + 226.8, 210 + 226.8)
    )


def rows(points: dict[str, tuple[float, float]], score: float = 0.8) -> np.ndarray:
    """MoveNet's output for points in 0..1 of the input, x then y; the others at the middle."""
    out = np.full((1, 1, 17, 3), 0.5, F)
    for name, (x, y) in points.items():
        out[0, 0, COCO_17.index(name), :2] = y, x
    out[..., 2] = score
    return out


SMALL = {
    "left_shoulder": (0.55, 0.4), "right_shoulder": (0.45, 0.4),
    "left_hip": (0.54, 0.5), "right_hip": (0.46, 0.5),
}  # fmt: skip


def tracker(score: float = 0.8) -> PoseTracker:
    return PoseTracker(Model(FakeSession({"rows": rows(SMALL, score)}), POSE))


def test_the_next_frame_is_searched_round_the_person_of_the_last() -> None:
    follow = tracker()
    image = np.zeros((400, 400, 3), np.uint8)
    image[120:280, 120:280] = 200
    first = follow(image)
    assert follow.region == pytest.approx((124, 124, 276, 276), abs=3)  # 1.9 * 40 round the middle
    second = follow(image)
    whole, part = follow.model.session.seen
    assert whole.mean() < 50
    assert part.min() == 200
    assert second.frame == first.frame == Size(400, 400)
    # the same place in a smaller region is nearer to its middle, and a smaller region follows
    shoulder = COCO_17.index("left_shoulder")
    np.testing.assert_allclose(first.keypoints[0, shoulder], (220, 160), atol=2)
    np.testing.assert_allclose(second.keypoints[0, shoulder], (207.6, 184.8), atol=2)


def test_without_a_person_the_next_frame_is_searched_whole() -> None:
    follow = tracker(score=0.1)
    follow.region = (100, 100, 200, 200)
    follow._frame = Size(400, 400)
    assert len(follow(np.zeros((400, 400, 3), np.uint8))) == 0
    assert follow.region is None


def test_frames_of_another_size_and_a_reset_begin_anew() -> None:
    follow = tracker()
    follow(np.zeros((400, 400, 3), np.uint8))
    small = np.zeros((60, 60, 3), np.uint8)
    np.testing.assert_allclose(follow(small).keypoints[0, 0], (30, 30), atol=1)
    assert follow.region is not None
    follow.reset()
    assert follow.region is None


def test_closing_closes_the_model() -> None:
    with tracker() as follow:
        pass
    assert follow.model.session.closed


def test_models_that_know_no_torso_are_refused() -> None:
    session = FakeSession({"rows": rows({})})
    with pytest.raises(ValueError, match="lacks the keypoints left_shoulder, right_shoulder"):
        PoseTracker(Model(session, POSE.with_changes(keypoints=tuple("abcdefghijklmnopq"))))
    with pytest.raises(ValueError, match="wanted one for pose"):
        PoseTracker(Model(session, replace(POSE, task="classification", decoder="classifier")))


def figures(results: list[Poses], area: float) -> tuple[float, float]:
    """Return the mean keypoint score over all frames, and the similarity from frame to frame."""
    scores = [float(poses.keypoint_scores[0].mean()) if len(poses) else 0.0 for poses in results]
    alike = []
    for before, after in pairwise(results):
        if len(before) and len(after):
            seen = (before.keypoint_scores >= 0.2).astype(F)[..., None]
            truth = np.concatenate((before.keypoints, seen), axis=-1)
            alike.append(oks(after.keypoints, truth, np.array([area]))[0, 0])
    return float(np.mean(scores)), float(np.mean(alike))


@pytest.mark.slow
@pytest.mark.zoo
@pytest.mark.data
def test_somebody_who_is_followed_is_seen_better_than_in_the_whole_frame(zoo, data) -> None:
    film = cv2.VideoCapture(str(data / "video" / "one-by-one-person-detection.mp4"))
    whole, followed = [], []
    with edgecv.load("movenet_lightning_int8", device="cpu") as model:
        follow = PoseTracker(model)
        for number in range(440):  # somebody is there from frame 245 to 435
            seen, image = film.read()
            assert seen
            if number >= 245:
                whole.append(model(image))
                followed.append(follow(image))
    film.release()
    area = 170.0 * 370.0  # of that person's box, square pixels
    score, alike = figures(followed, area)
    whole_score, whole_alike = figures(whole, area)
    assert score >= whole_score + 0.05
    assert alike >= whole_alike
