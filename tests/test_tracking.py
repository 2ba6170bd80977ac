from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

import edgecv
from edgecv.results import Detections
from edgecv.tracking import Tracker, best_pairs
from edgecv.types import Size

FRAME = Size(480, 640)
F = np.float32


@dataclass(frozen=True)
class Walker:
    """A box that moves with constant velocity and bounces off nothing: pixels, seconds."""

    x: float
    y: float
    vx: float
    vy: float = 0.0
    width: float = 60.0
    height: float = 150.0
    hidden: tuple[float, float] = (math.inf, math.inf)  # from, to

    def box(self, time: float) -> list[float]:
        x, y = self.x + self.vx * time, self.y + self.vy * time
        w, h = self.width / 2, self.height / 2
        return [x - w, y - h, x + w, y + h]


def found(boxes, scores=None, class_ids=None, frame: Size = FRAME) -> Detections:
    boxes = np.array(boxes, F).reshape(-1, 4)
    return Detections(
        frame=frame,
        boxes=boxes,
        scores=np.full(len(boxes), 0.9, F) if scores is None else np.array(scores, F),
        class_ids=np.zeros(len(boxes), np.int64) if class_ids is None else np.array(class_ids),
        labels=("person", "car", "truck"),
    )


def frame_times(fps: float, seconds: float, jitter: float, rng: np.random.Generator) -> list[float]:
    """Times at `fps`, each early or late by up to `jitter` of a frame."""
    times = np.arange(0, seconds, 1 / fps)
    return (times + rng.uniform(0, jitter, len(times)) / fps).tolist()


def film(walkers, times, rng, *, noise=0.02, missed=0.0, unsure=0.0, ghosts=0.0):
    """Yield (time, detections, who each is, -1 for a ghost), as a faulty detector does."""
    for time in times:
        boxes, scores, who = [], [], []
        for number, walker in enumerate(walkers):
            if walker.hidden[0] <= time < walker.hidden[1] or rng.random() < missed:
                continue
            size = (walker.width + walker.height) / 2
            boxes.append(np.array(walker.box(time)) + rng.normal(0, noise * size, 4))
            scores.append(rng.uniform(0.15, 0.4) if rng.random() < unsure else 0.8)
            who.append(number)
        for _ in range(rng.poisson(ghosts)):
            x, y = rng.uniform((0, 0), (FRAME.width, FRAME.height))
            boxes.append(np.array([x, y, x + 50, y + 120]))
            scores.append(rng.uniform(0.1, 0.7))
            who.append(-1)
        order = rng.permutation(len(boxes))
        yield (
            time,
            found([boxes[i] for i in order], [scores[i] for i in order]),
            [who[i] for i in order],
        )


def ids_of(walkers, shots, tracker=None) -> tuple[list[list[int]], int]:
    """Return the ids that each walker had one after the other, and how many ids there were."""
    tracker = tracker or Tracker()
    history: list[list[int]] = [[] for _ in walkers]
    seen = set()
    for time, detections, who in shots:
        ids = tracker.update(detections, time).track_ids.tolist()
        assert len(ids) == len(who)
        given = [i for i in ids if i >= 0]
        assert len(set(given)) == len(given)
        seen.update(given)
        for number, track_id in zip(who, ids, strict=True):
            if number >= 0 and track_id >= 0 and history[number][-1:] != [track_id]:
                history[number].append(track_id)
    return history, len(seen)


def switches(history) -> int:
    return sum(max(len(ids) - 1, 0) for ids in history)


RATES = {"3 a second": (3, 0), "8 a second": (8, 0), "30 a second": (30, 0), "jittered 8": (8, 0.9)}
SCENES = {
    "one walks": [Walker(-20, 240, 120)],
    "two cross face to face": [Walker(95, 240, 110), Walker(550, 260, -110)],
    "two cross at right angles": [Walker(100, 240, 110), Walker(320, -20, 0, 110, 70, 140)],
    "one overtakes": [Walker(50, 240, 60), Walker(0, 262, 130)],
    "side by side": [Walker(100, 240, 90), Walker(150, 250, 90)],
    "hidden for half a second": [Walker(50, 240, 120, hidden=(2.0, 2.5))],
    "hidden where they cross": [
        Walker(80, 240, 120, hidden=(1.75, 2.25)),
        Walker(560, 250, -120),
    ],
    "a fast small thing": [Walker(0, 100, 160, width=50, height=40)],
    "ten at once": [Walker(40 + 62 * i, 60 + 40 * i, 70 * (-1) ** i) for i in range(10)],
    "nobody": [],
}


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES.keys())
@pytest.mark.parametrize("walkers", SCENES.values(), ids=SCENES.keys())
def test_everybody_keeps_one_id_at_any_frame_rate(walkers, rate) -> None:
    rng = np.random.default_rng(1)
    times = frame_times(rate[0], 4.5, rate[1], rng)
    history, ids = ids_of(walkers, film(walkers, times, rng))
    assert [len(h) for h in history] == [1] * len(walkers)
    assert ids == len(walkers)


FAULTS = {
    "a fifth missed": {"missed": 0.2},
    "a third unsure": {"unsure": 0.33},
    "shaky boxes": {"noise": 0.05},
    "ghosts": {"ghosts": 0.2},
    "a bit of everything": {"missed": 0.1, "unsure": 0.2, "noise": 0.03, "ghosts": 0.1},
}


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES.keys())
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
def test_a_faulty_detector_causes_few_switches(faults, rate) -> None:
    walkers = SCENES["two cross face to face"] + [Walker(320, 400, 0), Walker(600, 100, -100, 20)]
    total = people = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        times = frame_times(rate[0], 4.5, rate[1], rng)
        history, _ = ids_of(walkers, film(walkers, times, rng, **faults))
        assert all(history)
        total += switches(history)
        people += len(walkers)
    assert total <= (0.16 if rate[0] == 3 else 0.06) * people


def test_what_stays_away_too_long_comes_back_as_somebody_else() -> None:
    tracker = Tracker(max_lost=1.0)
    walker = [Walker(320, 240, 0, hidden=(1.0, 2.5))]
    rng = np.random.default_rng(0)
    history, ids = ids_of(walker, film(walker, np.arange(0, 4, 0.1).tolist(), rng), tracker)
    assert history == [[1, 2]]
    assert ids == 2


def test_ids_are_never_given_twice() -> None:
    tracker = Tracker(max_lost=0.5)
    seen = []
    for visit in range(5):
        for i in range(5):
            ids = tracker.update(found([[10, 10, 60, 110]]), 10 * visit + 0.1 * i).track_ids
        seen += ids.tolist()
    assert seen == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("step", [0.01, 0.1, 0.19, 1.0])
def test_an_id_comes_after_the_time_to_confirm_and_not_before(step) -> None:
    tracker = Tracker(confirm=0.2, min_hits=2)
    for i in range(30):
        ids = tracker.update(found([[10, 10, 60, 110]]), i * step).track_ids
        assert (ids[0] == 1) == (i >= 1 and i * step >= 0.2 - 1e-9)


def test_a_single_flash_gets_no_id() -> None:
    tracker = Tracker()
    assert tracker.update(found([[10, 10, 60, 110]]), 0.0).track_ids.tolist() == [-1]
    for i in range(1, 30):
        tracker.update(found([]), i / 10)
    assert tracker.update(found([[10, 10, 60, 110]]), 3.1).track_ids.tolist() == [-1]


def test_an_unsure_detection_continues_a_track_but_starts_none() -> None:
    tracker = Tracker(high=0.5, low=0.1)
    for i in range(5):
        tracker.update(found([[10, 10, 60, 110]]), 0.1 * i)
    boxes = [[11, 10, 61, 110], [300, 10, 350, 110]]
    for i in range(5, 10):
        ids = tracker.update(found(boxes, [0.2, 0.4]), 0.1 * i).track_ids
        assert ids.tolist() == [1, -1]
    ids = tracker.update(found(boxes, [0.05, 0.9]), 1.0).track_ids
    assert ids.tolist() == [-1, -1]


def test_one_thing_found_twice_starts_one_track() -> None:
    tracker = Tracker()
    for i in range(5):
        pair = found([[100, 100, 160, 250], [105, 105, 155, 240]], [0.9, 0.6], [0, 1])
        ids = tracker.update(pair, 0.1 * i).track_ids
    assert ids.tolist() == [1, -1]


def test_a_thing_keeps_its_id_when_the_model_changes_its_mind_about_the_class() -> None:
    tracker = Tracker()
    for i, class_id in enumerate([1, 1, 1, 2, 1, 2, 2]):
        box = [[100 + 4 * i, 100, 200 + 4 * i, 160]]
        tracked = tracker.update(found(box, class_ids=[class_id]), 0.1 * i)
    assert tracked.track_ids.tolist() == [1]
    assert tracked.names == ["truck"]
    assert tracker.predict(0.6).names == ["car"]


def test_things_of_two_classes_in_one_place_keep_apart() -> None:
    tracker = Tracker()
    rider = [[100, 60, 150, 180], [85, 120, 165, 200]]
    for i in range(20):
        order = [0, 1] if i % 2 else [1, 0]
        boxes = np.array(rider, F)[order] + F(5 * i) * np.array([1, 0, 1, 0], F)
        tracked = tracker.update(found(boxes, class_ids=order), 0.1 * i)
    assert tracked.track_ids[np.argsort(tracked.class_ids)].tolist() in ([1, 2], [2, 1])
    assert tracker.update(found([]), 2.0).track_ids.shape == (0,)


def test_everything_but_the_ids_comes_back_as_it_went_in() -> None:
    given = found([[1, 2, 30, 40], [50, 2, 90, 40]], [0.9, 0.05], [1, 2])
    back = Tracker().update(given, 5.0)
    assert back.boxes is given.boxes
    assert replace(back, track_ids=given.track_ids).to_dict() == given.to_dict()
    assert back.track_ids.dtype == np.int64


@pytest.mark.parametrize("ahead", [0.0, 0.1, 0.3])
def test_a_prediction_makes_up_for_latency(ahead) -> None:
    walker = Walker(100, 240, 120, 30)
    tracker = Tracker()
    for i in range(20):
        tracker.update(found([walker.box(i / 10)]), i / 10)
    late = tracker.predict(1.9 + ahead)
    np.testing.assert_allclose(late.boxes[0], walker.box(1.9 + ahead), atol=3)
    assert late.track_ids.tolist() == [1]
    assert late.frame == FRAME
    again = tracker.predict(1.9 + ahead)
    np.testing.assert_array_equal(again.boxes, late.boxes)


def test_a_prediction_holds_what_the_last_update_saw_and_ends_at_the_frame() -> None:
    tracker = Tracker()
    for i in range(10):
        boxes = [[500 + 10 * i, 10, 550 + 10 * i, 110], [100, 100, 150, 200]]
        tracker.update(found(boxes, [0.6, 0.9]), 0.1 * i)
    assert tracker.predict(0.9).scores.tolist() == pytest.approx([0.9, 0.6])
    assert tracker.predict(0.9).track_ids.tolist() == [2, 1]
    assert tracker.predict(2.0).boxes[1].tolist() == pytest.approx([640, 10, 640, 110], abs=4)
    tracker.update(found([[100, 100, 150, 200]]), 1.0)
    assert tracker.predict(1.0).track_ids.tolist() == [2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 0.6, "high": 0.5}, "low <= high"),
        ({"high": 1.5}, "high <= 1"),
        ({"max_lost": 0}, "max_lost > 0"),
        ({"confirm": -1}, "confirm >= 0"),
        ({"min_hits": 0}, "min_hits >= 1"),
        ({"confirm": math.nan}, "confirm >= 0"),
    ],
)
def test_settings_out_of_range_are_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        Tracker(**arguments)


@pytest.mark.parametrize("time", [4.9, math.nan, math.inf])
def test_time_that_goes_back_is_refused(time) -> None:
    tracker = Tracker()
    tracker.update(found([]), 5.0)
    with pytest.raises(ValueError, match=r"wanted a time of 5\.0 s or later"):
        tracker.update(found([]), time)
    with pytest.raises(ValueError, match=r"wanted a time of 5\.0 s or later"):
        tracker.predict(time)


def test_a_prediction_before_the_first_update_is_refused() -> None:
    with pytest.raises(ValueError, match="before the first update"):
        Tracker().predict(0.0)


@pytest.mark.parametrize(
    ("costs", "pairs"),
    [
        ([[1.0, 2.0], [0.5, 3.0]], [(1, 0), (0, 1)]),
        ([[1.0, np.inf], [2.0, np.inf]], [(0, 0)]),
        ([[np.inf]], []),
        (np.zeros((0, 3)), []),
        ([[3.0, 1.0, 2.0]], [(0, 1)]),
    ],
    ids=["the nearest first", "nobody is forced", "none", "no rows", "one row"],
)
def test_pairs_are_taken_by_rising_cost(costs, pairs) -> None:
    assert best_pairs(np.array(costs)) == pairs


def test_only_what_is_tracked_says_so_in_json_and_in_pictures() -> None:
    plain = found([[10, 40, 60, 110], [100, 40, 150, 110]])
    assert plain.track_ids.tolist() == [-1, -1]
    assert "track_id" not in plain.to_dict()["detections"][0]
    tracked = replace(plain, track_ids=np.array([-1, 7]))
    entries = tracked.to_dict()["detections"]
    assert "track_id" not in entries[0]
    assert entries[1]["track_id"] == 7
    assert tracked[tracked.track_ids >= 0].track_ids.tolist() == [7]
    black = np.zeros((*FRAME, 3), np.uint8)
    assert (tracked.draw(black) != plain.draw(black)).any()


def test_as_many_track_ids_as_boxes_are_wanted() -> None:
    with pytest.raises(ValueError, match="arrays differ in length"):
        replace(found([[10, 40, 60, 110]]), track_ids=np.array([1, 2]))


def test_supervision_is_told_the_ids() -> None:
    pytest.importorskip("supervision")
    one = found([[10, 40, 60, 110]])
    assert one.to_supervision().tracker_id is None
    assert replace(one, track_ids=np.array([7])).to_supervision().tracker_id.tolist() == [7]


def clip_ids(detections, fps: float, step: int, start: int) -> int:
    tracker = Tracker()
    seen = set()
    for number in range(start, len(detections), step):
        seen.update(tracker.update(detections[number], number / fps).track_ids.tolist())
    return len(seen - {-1})


CLIPS = {
    "four cars": ("car-detection.mp4", None, 4),
    "six people": ("one-by-one-person-detection.mp4", "person", 6),
}


@pytest.mark.slow
@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.parametrize(("clip", "label", "things"), CLIPS.values(), ids=CLIPS.keys())
def test_a_real_film_has_about_as_many_ids_as_things(zoo, data, clip, label, things) -> None:
    film = cv2.VideoCapture(str(data / "video" / clip))
    fps, detections = film.get(cv2.CAP_PROP_FPS), []
    with edgecv.load("ssd_mobilenet_v1_coco_int8", device="cpu", score=0.1) as model:
        while (frame := film.read())[0]:
            each = model(frame[1])
            detections.append(each if label is None else each[np.array(each.names) == label])
    film.release()
    for step, starts in ((1, [0]), (5, range(5))):
        for start in starts:
            assert things <= clip_ids(detections, fps, step, start) <= things + 1
