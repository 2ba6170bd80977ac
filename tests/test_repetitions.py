from __future__ import annotations

import json
import math

import numpy as np
import pytest

from edgecv.repetitions import RepetitionCounter


def squats(number: int, fps: float, *, seconds=2.0, noise=0.0, jitter=0.0, seed=0):
    """Yield (time, degrees) of somebody who stands for a second, squats and stands again."""
    rng = np.random.default_rng(seed)
    for i in range(math.ceil((number * seconds + 2) * fps)):
        time = (i + rng.uniform(0, jitter)) / fps
        phase = min(max(time - 1, 0), number * seconds) / seconds
        yield time, 125 + 50 * math.cos(2 * math.pi * phase) + rng.normal(0, noise)


def count(curve, **settings) -> int:
    counter = RepetitionCounter("knee", 100, 150, **settings)
    done = sum(counter.update({"left_knee": angle}, time) for time, angle in curve)
    assert done == counter.count
    return counter.count


@pytest.mark.parametrize("fps", [3, 5, 8, 30])
@pytest.mark.parametrize("number", [0, 1, 7])
def test_repetitions_are_counted_at_any_frame_rate(number, fps) -> None:
    assert count(squats(number, fps)) == number


@pytest.mark.parametrize("fps", [5, 8, 30])
@pytest.mark.parametrize("seed", range(5))
def test_noise_and_irregular_frames_change_nothing(fps, seed) -> None:
    assert count(squats(6, fps, noise=8, jitter=0.9, seed=seed)) == 6


@pytest.mark.parametrize("seed", range(5))
def test_a_third_of_the_angles_may_be_missing(seed) -> None:
    rng = np.random.default_rng(seed)
    curve = [(t, None if rng.random() < 0.33 else angle) for t, angle in squats(6, 10, noise=4)]
    assert count(curve) == 6


@pytest.mark.parametrize("fps", [8, 15, 30])
def test_points_that_jump_for_a_frame_count_for_nothing(fps) -> None:
    curve = [(i / fps, 40.0 if i % 12 == 5 else 170.0) for i in range(20 * fps)]
    assert count(curve) == 0


STEPS = {
    "down and up": ([170, 80, 170], 1),
    "twice": ([170, 80, 170, 80, 170], 2),
    "not deep enough": ([170, 110, 170], 0),
    "not straight again": ([170, 80, 140, 80, 140], 0),
    "pauses on the way": ([170, 120, 80, 120, 80, 120, 170], 1),
    "begins at the bottom": ([80, 170, 80, 170], 1),
    "only down": ([170, 80], 0),
    "exactly at the bounds": ([150, 100, 150], 1),
}


@pytest.mark.parametrize(("angles", "number"), STEPS.values(), ids=STEPS.keys())
def test_a_repetition_is_high_then_low_then_high(angles, number) -> None:
    assert count([(0.5 * i, angle) for i, angle in enumerate(angles)]) == number


@pytest.mark.parametrize(("seconds", "number"), [(0.2, 0), (0.39, 0), (0.4, 1), (1.0, 1)])
def test_what_is_too_fast_is_no_repetition(seconds, number) -> None:
    curve = [(0, 170), (seconds / 2, 80), (seconds, 170)]
    assert count(curve, window=0, min_seconds=0.4) == number


@pytest.mark.parametrize(("gap", "number"), [(1.4, 1), (1.6, 0)])
@pytest.mark.parametrize("frames", [[], [None, None]], ids=["no frames", "frames without angles"])
def test_a_repetition_with_a_long_gap_does_not_count(gap, number, frames) -> None:
    unseen = [(1.0 + gap * (i + 1) / 3, angle) for i, angle in enumerate(frames)]
    curve = [(0.0, 170), (0.5, 170), (1.0, 80), *unseen, (1.0 + gap, 170)]
    assert count(curve, max_gap=1.5) == number


def test_the_phase_says_where_the_joint_is() -> None:
    counter = RepetitionCounter("left_elbow", 60, 140, window=0)
    phases = []
    for i, angle in enumerate([100, 170, 100, 50, 100, 170]):
        counter.update({"left_elbow": angle}, i * 0.5)
        phases.append(counter.phase)
    assert phases == ["unknown", "up", "up", "down", "down", "up"]
    as_json = json.loads(json.dumps(counter.to_dict()))
    assert as_json == {"angle": "left_elbow", "count": 1, "phase": "up"}
    counter.update({}, 30.0)
    assert counter.phase == "unknown"


def test_either_side_or_the_mean_of_both_will_do() -> None:
    counter = RepetitionCounter("knee", 100, 150, window=0)
    both = [{"left_knee": 170, "right_knee": 160}, {"left_knee": None, "right_knee": 90}]
    both += [{"left_knee": 140, "right_knee": 158}, {"left_knee": 151, "right_knee": None}]
    assert [counter.update(angles, i) for i, angles in enumerate(both)] == [
        False,
        False,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (("ankle", 90, 150), {}, "no angle 'ankle': there are left_elbow"),
        (("knee", 150, 90), {}, "low < high"),
        (("knee", -1, 90), {}, "low < high"),
        (("knee", 90, 190), {}, "high <= 180"),
        (("knee", 90, 150), {"window": -1}, "window >= 0"),
        (("knee", 90, 150), {"max_gap": 0}, "max_gap > 0"),
        (("knee", 90, 150), {"min_seconds": math.nan}, "min_seconds >= 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(arguments, settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        RepetitionCounter(*arguments, **settings)


@pytest.mark.parametrize("time", [0.9, math.nan])
def test_time_that_goes_back_is_refused(time) -> None:
    counter = RepetitionCounter("knee", 90, 150)
    counter.update({}, 1.0)
    with pytest.raises(ValueError, match=r"wanted a time of 1\.0 s or later"):
        counter.update({}, time)
