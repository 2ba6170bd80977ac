"""How agreement is counted."""

from __future__ import annotations

import numpy as np
import pytest
from edgecv.converters.agreement import Answers, compare

from edgecv.results import Classes, Detections, Embedding, Faces, Mask, Poses
from edgecv.types import Size

FRAME = Size(100, 100)
BOXES = np.array([[0, 0, 40, 40], [50, 50, 90, 90]], np.float32)


def classes(*ids: int) -> Classes:
    scores = np.linspace(0.9, 0.1, len(ids)).astype(np.float32)
    return Classes(frame=FRAME, class_ids=np.array(ids, np.int64), scores=scores)


def boxes(*shifts: float, ids: tuple[int, ...] = (0, 1)) -> Detections:
    moved = BOXES[: len(shifts)] + np.array(shifts, np.float32)[:, None]
    count = len(shifts)
    return Detections(
        frame=FRAME, boxes=moved, scores=np.ones(count, np.float32),
        class_ids=np.array(ids[:count], np.int64),
    )  # fmt: skip


def faces(shift: float) -> Faces:
    return Faces(
        frame=FRAME, boxes=BOXES + np.float32(shift), scores=np.ones(2, np.float32),
        landmarks=np.zeros((2, 0, 2), np.float32),
    )  # fmt: skip


def person(shift: float) -> Poses:
    points = np.random.default_rng(0).uniform(0, 40, (1, 17, 2)).astype(np.float32)
    return Poses(
        frame=FRAME, scores=np.ones(1, np.float32), boxes=BOXES[:1],
        keypoints=points + np.float32(shift), keypoint_scores=np.ones((1, 17), np.float32),
    )  # fmt: skip


def vector(*values: float) -> Embedding:
    return Embedding(frame=FRAME, vector=np.array(values, np.float32))


def mask(part: float) -> Mask:
    classes = np.zeros(FRAME, np.uint8)
    classes[: int(part * 100)] = 1
    return Mask(frame=FRAME, class_map=classes)


NONE = boxes()
CASES = {
    "same class": (classes(3, 1), classes(3, 2), {"same class": 1.0}, 1),
    "another class": (classes(3, 1), classes(1, 3), {"same class": 0.0}, 1),
    "no class": (classes(), classes(), {"same class": 1.0}, 0),
    "same boxes": (boxes(0, 0), boxes(0, 0), {"IoU >= 0.95": 1.0, "IoU >= 0.5": 1.0}, 2),
    "one moved": (boxes(0, 0), boxes(0, 4), {"IoU >= 0.95": 0.5, "IoU >= 0.5": 1.0}, 2),
    "one lost": (boxes(0, 0), boxes(0), {"IoU >= 0.95": 2 / 3, "IoU >= 0.5": 2 / 3}, 2),
    "of another class": (
        boxes(0, 0), boxes(0, 0, ids=(0, 2)), {"IoU >= 0.95": 0.5, "IoU >= 0.5": 0.5}, 2,
    ),
    "nothing at all": (NONE, NONE, {}, 0),
    "faces": (faces(0), faces(4), {"IoU >= 0.95": 0.0, "IoU >= 0.5": 1.0}, 2),
    "same person": (person(0), person(0), {"OKS >= 0.95": 1.0, "OKS >= 0.5": 1.0}, 1),
    "person moved": (person(0), person(30), {"OKS >= 0.95": 0.0, "OKS >= 0.5": 0.0}, 1),
    "vectors": (vector(1, 0), vector(0.6, 0.8), {"cosine": pytest.approx(0.6)}, 1),
    "masks": (mask(0.5), mask(0.75), {"same pixels": 0.75}, 1),
}  # fmt: skip


@pytest.mark.parametrize(("was", "now", "wanted", "things"), CASES.values(), ids=CASES.keys())
def test_results_are_compared_as_what_they_are(was, now, wanted, things) -> None:
    agreement = compare(Answers([{}], [was]), Answers([{}], [now]))
    assert agreement.results == wanted
    assert (agreement.things, agreement.pictures, agreement.gaps) == (things, 1, ())


def test_pictures_weigh_as_many_things_as_they_show() -> None:
    was, now = [boxes(0, 0), NONE, boxes(0)], [boxes(0, 0), NONE, boxes(30)]
    agreement = compare(Answers([{}] * 3, was), Answers([{}] * 3, now))
    assert agreement.results["IoU >= 0.5"] == pytest.approx(4 / 6)


def test_numbers_are_compared_output_by_output() -> None:
    def outputs(*shifts: float) -> list[dict[str, np.ndarray]]:
        base = np.array([[0.0, 1.0], [2.0, 10.0]], np.float32)
        return [
            {"a": base + np.float32(s) * np.eye(2, dtype=np.float32), "b": base} for s in shifts
        ]

    results = [classes(1)] * 2
    other = [{**made, "b": np.zeros(3, np.float32), "c": made["a"]} for made in outputs(0, 0.5)]
    agreement = compare(Answers(outputs(0, 0), results), Answers(other, results))
    (gap,) = agreement.gaps  # of outputs that both have, in the same shape
    assert gap == ("a", 0.5, 0.125, 10.0)
    assert agreement.to_dict()["outputs"] == [
        {"name": "a", "largest": 0.5, "mean": 0.125, "spread": 10.0}
    ]
