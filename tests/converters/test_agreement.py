"""How agreement is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from edgecv.converters.agreement import Answers, compare, random_tensors, raw_answers

from edgecv.results import Classes, Detections, Embedding, Faces, Mask, Poses
from edgecv.testing import FakeSession
from edgecv.types import Quant, Size, TensorSpec

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
    assert gap[:4] == ("a", 0.5, 0.125, 10.0)
    missed, total = 2 * 0.5**2, 2 * (3.25**2 + 2.25**2 + 1.25**2 + 6.75**2)
    assert gap.explained == pytest.approx(1 - missed / total)
    assert agreement.to_dict()["outputs"] == [
        {"name": "a", "largest": 0.5, "mean": 0.125, "spread": 10.0, "explained": gap.explained}
    ]


@pytest.mark.parametrize(
    ("change", "explained"),
    [(lambda a: a, 1.0), (lambda a: np.full_like(a, a.mean()), 0.0),
     (lambda a: np.random.default_rng(1).permutation(a), -1.0)],
    ids=["the same", "a constant", "unrelated"],
)  # fmt: skip
def test_what_a_file_explains_of_the_variance_has_a_scale(change, explained) -> None:
    was = np.random.default_rng(0).normal(3, 2, 20_000).astype(np.float32)
    (gap,) = compare(Answers([{"a": was}], ()), Answers([{"a": change(was)}], ())).gaps
    assert gap.explained == pytest.approx(explained, abs=0.05)


def test_constants_can_be_compared() -> None:
    ones = Answers([{"a": np.ones(3, np.float32)}], ())
    (gap,) = compare(ones, ones).gaps
    assert gap.explained == 1.0
    (gap,) = compare(ones, Answers([{"a": np.zeros(3, np.float32)}], ())).gaps
    assert np.isfinite(gap.explained)
    assert gap.explained < -1


def test_made_up_tensors_fit_and_are_the_same_each_time() -> None:
    inputs = [
        TensorSpec("floats", (1, 4, 4, 3), np.dtype(np.float32)),
        TensorSpec("bytes", (None, 9), np.dtype(np.uint8)),
        TensorSpec("scaled", (1, 9), np.dtype(np.int8), Quant(0.5, 3)),
        TensorSpec("mask", (1, 9), np.dtype(bool)),
    ]
    made, again = random_tensors(inputs, 2), random_tensors(inputs, 2)
    for one, other in zip(made, again, strict=True):
        for name, values in one.items():
            np.testing.assert_array_equal(values, other[name])
    assert {name: (v.shape, v.dtype.name) for name, v in made[0].items()} == {
        "floats": ((1, 4, 4, 3), "float32"), "bytes": ((1, 9), "uint8"),
        "scaled": ((1, 9), "float32"), "mask": ((1, 9), "bool"),
    }  # fmt: skip
    assert made[0]["floats"].max() > 100
    assert np.abs(made[1]["floats"]).max() <= 1


def test_a_bare_file_runs_on_what_its_integers_stand_for() -> None:
    session = FakeSession({"y": np.array([[1, 3, 127]], np.int8)}, shape=(1, 3), dtype="int8")
    session.inputs = (replace(session.inputs[0], quant=Quant(0.5, 3)),)
    session.outputs = (replace(session.outputs[0], quant=Quant(2.0, -1)),)
    given = {"input": np.array([[-1.0, 0.25, 1000]], np.float32)}
    made = raw_answers(session, [given])
    (seen,) = session.seen
    assert (seen.dtype, seen.tolist()) == (np.int8, [[1, 3, 127]])
    assert made.outputs[0]["y"].tolist() == [[4.0, 8.0, 256.0]]
