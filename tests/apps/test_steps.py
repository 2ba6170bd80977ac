from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from edgecv.apps.steps import Angles, Only, Repetitions, Step, Steps, Threshold, Track, Zones

from edgecv.controls import Controls
from edgecv.errors import UnknownNameError
from edgecv.labels import COCO_17
from edgecv.repetitions import RepetitionCounter
from edgecv.results import Detections, Mask, Poses, Result
from edgecv.tracking import Tracker
from edgecv.types import Frame, Size
from edgecv.zones import Zone

F = np.float32
SIZE = Size(100, 200)
BLACK = np.zeros((*SIZE, 3), np.uint8)


def objects(*rows: tuple[int, float], left: float = 10) -> Detections:
    """Return things of given classes and scores, side by side."""
    starts = left + 40 * np.arange(len(rows), dtype=F)
    boxes = np.stack((starts, np.full(len(rows), 20, F), starts + 30, np.full(len(rows), 80, F)), 1)
    return Detections(
        frame=SIZE,
        boxes=boxes.reshape(-1, 4),
        scores=np.array([score for _, score in rows], F),
        class_ids=np.array([number for number, _ in rows], np.int64),
        labels=("cat", "dog", "cow"),
    )


def body(knee: float) -> Poses:
    """Return a person whose left knee has an angle, degrees."""
    points = np.zeros((1, 17, 2), F)
    scores = np.zeros((1, 17), F)
    turn = np.radians(knee)
    for name, point in {
        "left_hip": (50, 20),
        "left_knee": (50, 50),
        "left_ankle": (50 + 30 * np.sin(turn), 50 - 30 * np.cos(turn)),
    }.items():
        points[0, COCO_17.index(name)], scores[0, COCO_17.index(name)] = point, 0.9
    boxes = np.array([[20, 20, 80, 80]], F)
    return Poses(
        frame=SIZE, scores=np.ones(1, F), boxes=boxes, keypoints=points,
        keypoint_scores=scores, names=COCO_17,
    )  # fmt: skip


def frame(time: float, position: float | None = None) -> Frame:
    return Frame(BLACK, 0, time, "x", position)


class Times(Step):
    """Keeps the times."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def update(self, result: Result, time: float) -> tuple[Result, dict[str, Any]]:
        self.times.append(round(time, 6))
        return result, {}


@pytest.mark.parametrize(
    ("frames", "times"),
    [
        ([(5.0, None), (5.5, None)], [5.0, 5.5]),
        ([(5.0, 0.0), (5.01, 0.1), (5.02, 0.2)], [0.0, 0.1, 0.2]),
        ([(5.0, 3.0), (5.1, 3.1), (5.2, 0.0), (5.3, 0.1)], [3.0, 3.1, 3.1, 3.2]),
        ([(5.0, 3.0), (5.1, 2.9), (5.2, 3.0)], [3.0, 3.0, 3.1]),
    ],
    ids=["camera", "film", "two films", "film that steps back"],
)
def test_time_is_that_of_the_film_and_never_goes_back(frames, times) -> None:
    step = Times()
    steps = Steps([step])
    for time, position in frames:
        steps(frame(time, position), objects())
    assert step.times == times


def test_steps_are_taken_in_their_order_and_their_values_put_together() -> None:
    zones = Zones([Zone("all", ((0, 0), (1, 0), (1, 1), (0, 1)))], lambda *_, **__: None)
    steps = Steps([Only(["dog"], ()), Threshold(Controls(0.5)), zones])
    result, extra = steps(frame(0), objects((0, 0.9), (1, 0.8), (1, 0.3)))
    assert result.names == ["dog"]
    assert extra == {"zones": {"all": {"inside": 0, "entered": 0, "left": 0}}}
    assert (steps.draw(BLACK, result, extra) != BLACK).any()


def test_a_class_that_the_model_does_not_find_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no class 'dogg'; did you mean 'dog'"):
        Only(["dogg"], ("cat", "dog"))
    Only(["anything"], ())  # a model whose classes have no names


def test_the_threshold_is_the_one_of_the_moment() -> None:
    controls = Controls(0.5)
    step, found = Threshold(controls), objects((0, 0.9), (1, 0.4))
    assert len(step.update(found, 0)[0]) == 1
    controls.score = 0.3
    assert len(step.update(found, 0)[0]) == 2


def test_what_is_tracked_is_shown_once_it_is_sure() -> None:
    step = Track(Tracker(high=0.5, low=0.1))
    shown = [step.update(objects((0, score)), i / 10)[0] for i, score in enumerate([0.9, 0.2, 0.8])]
    assert [found.track_ids.tolist() for found in shown[:1]] == [[]]
    assert shown[2].track_ids.tolist() == [1]


def test_events_of_zones_are_told_and_counts_are_copies() -> None:
    told: list[tuple[str, dict[str, Any]]] = []
    zones = Zones(
        [Zone("left", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)))],
        lambda kind, message, **data: told.append((kind, data)),
    )
    steps = Steps([Track(Tracker()), zones])
    extras = [steps(frame(i / 10), objects((1, 0.9)))[1] for i in range(8)]
    assert told == [
        ("zone_enter", {"zone": "left", "track_id": 1, "label": "dog", "count": 1}),
    ]
    assert extras[0]["zones"]["left"]["inside"] == 0
    assert extras[-1]["zones"]["left"]["inside"] == 1


def test_repetitions_are_counted_told_and_drawn() -> None:
    told: list[str] = []
    counter = RepetitionCounter("knee", 100, 150)
    steps = Steps([Angles(), Repetitions([counter], lambda kind, text, **_: told.append(text))])
    for i, knee in enumerate([170] * 5 + [80] * 5 + [170] * 5):
        result, extra = steps(frame(i / 10), body(knee))
    assert extra["angles"][0]["left_knee"] == pytest.approx(170, abs=0.1)
    assert extra["repetitions"] == [{"angle": "knee", "count": 1, "phase": "up"}]
    assert told == ["knee: 1"]
    drawn = steps.draw(BLACK.copy(), result, extra)
    assert (drawn[:30, :60] > 0).any()
    assert (drawn[35:60, 50:80] > 0).any()


@pytest.mark.parametrize(
    "step",
    [
        Only(["cat"], ()),
        Track(Tracker()),
        Angles(),
        Threshold(Controls(0.5)),
        Repetitions([RepetitionCounter("knee", 100, 150)], lambda *_, **__: None),
        Zones([Zone("z", ((0, 0), (1, 0), (1, 1)))], lambda *_, **__: None),
    ],
    ids=lambda step: type(step).__name__,
)
def test_a_step_leaves_results_of_other_tasks_as_they_are(step) -> None:
    mask = Mask(frame=SIZE, class_map=np.zeros(SIZE, np.uint8))
    result, extra = step.update(mask, 0.0)
    assert result is mask
    assert step.draw(BLACK.copy(), mask, extra).shape == BLACK.shape
