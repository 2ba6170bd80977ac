from __future__ import annotations

import numpy as np
import pytest

from edgecv.controls import Controls, filter_by_score
from edgecv.results import Classes, Detections, Embedding, Faces, Poses, Result
from edgecv.types import Size

SIZE = Size(48, 64)
SCORES = np.array([0.9, 0.5, 0.2], np.float32)
BOXES = np.arange(12, dtype=np.float32).reshape(3, 4)

RESULTS = {
    "classes": Classes(frame=SIZE, class_ids=np.array([4, 5, 6]), scores=SCORES),
    "detections": Detections(
        frame=SIZE, boxes=BOXES, scores=SCORES, class_ids=np.array([0, 1, 2]), labels=("a", "b")
    ),
    "faces": Faces(
        frame=SIZE, boxes=BOXES, scores=SCORES, landmarks=np.zeros((3, 5, 2), np.float32)
    ),
    "poses": Poses(
        frame=SIZE,
        boxes=BOXES,
        scores=SCORES,
        keypoints=np.zeros((3, 17, 2), np.float32),
        keypoint_scores=np.zeros((3, 17), np.float32),
    ),
}


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize(("score", "left"), [(0.0, 3), (0.2, 3), (0.21, 2), (0.5, 2), (0.95, 0)])
def test_what_is_less_sure_than_the_score_is_left_out(name: str, score: float, left: int) -> None:
    kept = filter_by_score(RESULTS[name], score)
    assert type(kept) is type(RESULTS[name])
    assert kept.scores.tolist() == SCORES[:left].tolist()  # type: ignore[attr-defined]
    assert kept.frame == SIZE


def test_without_a_score_and_without_scores_nothing_is_left_out() -> None:
    embedding: Result = Embedding(frame=SIZE, vector=np.ones(4, np.float32))
    assert filter_by_score(RESULTS["faces"], None) is RESULTS["faces"]
    assert filter_by_score(embedding, 0.99) is embedding


def test_a_score_stays_between_what_the_model_leaves_out_and_one() -> None:
    controls = Controls(0.4, lowest=0.1)
    controls.score = 0.1
    assert controls.score == 0.1
    for wrong in (0.05, 1.01, float("nan")):
        with pytest.raises(ValueError, match=r"wanted a score in 0\.1\.\.1"):
            controls.score = wrong
    assert controls.score == 0.1


def test_a_run_without_a_threshold_takes_none() -> None:
    with pytest.raises(ValueError, match="no threshold"):
        Controls().score = 0.5
    with pytest.raises(ValueError, match="wanted a lowest score"):
        Controls(lowest=-1)
