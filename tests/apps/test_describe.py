from __future__ import annotations

import numpy as np
import pytest
from edgecv.apps.describe import describe

from edgecv.results import (
    Classes,
    Detections,
    Embedding,
    Faces,
    Latency,
    Mask,
    Poses,
    Result,
    RunInfo,
)
from edgecv.types import Size

F = np.float32
FRAME = Size(40, 80)


def detections(count: int) -> Detections:
    return Detections(
        frame=FRAME,
        boxes=np.array([[1.4, 2, 30.6, 22]] * count, F).reshape(-1, 4),
        scores=np.full(count, 0.5, F),
        class_ids=np.zeros(count, int),
        labels=("cat",),
    )


def faces(names: tuple[str | None, ...] = (), similarity: tuple[float, ...] = ()) -> Faces:
    more = {"names": names, "similarity": np.array(similarity, F)} if names else {}
    count = max(len(names), 1)
    return Faces(
        frame=FRAME,
        boxes=np.array([[1, 2, 11, 12]] * count, F),
        scores=np.full(count, 0.9, F),
        landmarks=np.zeros((count, 5, 2), F),
        **more,
    )


POSES = Poses(
    frame=FRAME,
    scores=np.array([0.7], F),
    boxes=np.array([[0, 0, 8, 9]], F),
    keypoints=np.zeros((1, 3, 2), F),
    keypoint_scores=np.array([[0.9, 0.31, 0.1]], F),
)
CLASSES = Classes(
    frame=FRAME, class_ids=np.array([1, 0]), scores=np.array([0.6, 0.3], F), labels=("a", "b")
)
MASK = Mask(frame=FRAME, class_map=np.eye(40, 80, dtype=np.uint8), labels=("ground", "road"))
TABLE = {
    "an object": (detections(1), "cat 0.50 (1,2 30x20)"),
    "no object": (detections(0), "nothing found"),
    "faces nobody asked about": (faces(), "face 0.90 (1,2 10x10)"),
    "faces with names": (
        faces(("Ann", None), (0.71, 0.12)),
        "Ann 0.71 (1,2 10x10), unknown 0.12 (1,2 10x10)",
    ),
    "no face": (faces()[np.zeros(1, bool)], "no face found"),
    "a person": (POSES, "person 0.70 (0,0 8x9) 2/3 keypoints"),
    "nobody": (POSES[np.zeros(1, bool)], "nobody found"),
    "classes": (CLASSES, "b 0.60, a 0.30"),
    "no class": (CLASSES[np.zeros(2, bool)], "nothing sure enough"),
    "a mask": (MASK, "ground 98.8%, road 1.2%"),
    "an embedding": (Embedding(frame=FRAME, vector=np.ones(1, F)), "a face in 1 numbers"),
}


@pytest.mark.parametrize(("result", "line"), TABLE.values(), ids=TABLE.keys())
def test_a_line_says_what_was_found(result: Result, line: str) -> None:
    assert describe(result) == line


def test_a_line_names_eight_things_and_counts_the_rest() -> None:
    assert describe(detections(8)).count("cat") == 8
    line = describe(detections(11))
    assert line.count("cat") == 8
    assert line.endswith(", and 3 more")


def test_a_line_ends_with_the_time_that_it_took() -> None:
    run = RunInfo("m", "onnx", "cpu", Latency(1, 2, 3, 6.04))
    assert describe(CLASSES.with_run(run)) == "b 0.60, a 0.30  [6.0 ms]"
