"""Thresholds, their intervals, and what is said of them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from edgecv.calibration import (
    Calibration,
    calibrate,
    comparisons_needed,
    plot,
    stranger_accepted,
    wilson,
)
from edgecv.errors import DataError
from edgecv.gallery import Gallery, ModelId

# Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17,
# 1998, table I, method 3: the Wilson score interval without continuity correction
NEWCOMBE = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]


@pytest.mark.parametrize(("errors", "trials", "low", "high"), NEWCOMBE)
def test_intervals_are_those_that_are_published(
    errors: int, trials: int, low: float, high: float
) -> None:
    rate = wilson(errors, trials)
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)
    assert rate.value == errors / trials


def test_the_interval_covers_the_true_rate_about_as_often_as_it_says() -> None:
    drawn = np.random.default_rng(0).binomial(500, 0.02, 2000)
    covered = [(rate := wilson(int(k), 500)).low <= 0.02 <= rate.high for k in drawn]
    assert 0.93 < np.mean(covered) < 0.98


def test_all_wrong_mirrors_none_wrong() -> None:
    none, every = wilson(0, 20), wilson(20, 20)
    assert (every.low, every.high) == pytest.approx((1 - none.high, 1 - none.low))


def test_of_nothing_tried_nothing_is_known() -> None:
    rate = wilson(0, 0)
    assert (rate.low, rate.high) == (0, 1)
    assert math.isnan(rate.value)


@pytest.mark.parametrize(("errors", "trials"), [(3, 2), (-1, 5), (0, -1)])
def test_impossible_counts_are_refused(errors: int, trials: int) -> None:
    with pytest.raises(ValueError, match="errors"):
        wilson(errors, trials)


@pytest.mark.parametrize(("far", "needed"), [(0.01, 300), (0.001, 3000), (1e-6, 3_000_000)])
def test_the_rule_of_three_says_how_many_comparisons_it_takes(far: float, needed: int) -> None:
    assert comparisons_needed(far) == needed
    assert (1 - far) ** needed == pytest.approx(0.05, abs=0.001)


@pytest.mark.parametrize("far", [0.0, 1.0, -0.1, math.nan])
def test_a_rate_that_is_none_is_refused(far: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        calibrate(np.zeros(1), np.zeros(1), far=far)


@pytest.mark.parametrize(
    ("far", "people", "wanted"), [(0.001, 1, 0.001), (0.01, 100, 0.634), (0.0, 50, 0), (1.0, 3, 1)]
)
def test_strangers_are_accepted_more_often_by_more_people(
    far: float, people: int, wanted: float
) -> None:
    assert stranger_accepted(far, people) == pytest.approx(wanted, abs=5e-4)


IMPOSTOR = np.linspace(0, 0.5, 1001)  # steps of 0.0005


@pytest.mark.parametrize(
    ("far", "threshold", "accepted"),
    [(0.01, 0.495, 10), (0.1, 0.45, 100), (0.0015, 0.4995, 1), (0.0005, 0.5, 0)],
)
def test_the_threshold_is_the_lowest_that_keeps_the_rate(
    far: float, threshold: float, accepted: int
) -> None:
    found = calibrate(np.array([0.2, 0.6]), IMPOSTOR, far=far)
    assert found.threshold == pytest.approx(threshold, abs=2e-6)
    assert found.far.errors == accepted
    lower = found.threshold - 1e-5
    assert np.count_nonzero(lower <= IMPOSTOR) > far * len(IMPOSTOR), "it is the lowest"
    assert (found.frr.errors, found.frr.trials) == (1, 2)


def test_equal_cosines_are_refused_together() -> None:
    found = calibrate(np.ones(1), np.repeat([0.1, 0.3], 50), far=0.1)
    assert found.far.errors == 0
    assert found.threshold > 0.3


def test_pictures_without_a_face_are_accepted_by_no_threshold() -> None:
    found = calibrate(np.array([np.nan, 0.9]), np.array([np.nan, 0.1, 0.2]), far=0.01)
    assert (found.far.trials, found.frr.trials, found.frr.errors) == (3, 2, 1)
    assert calibrate(np.ones(1), np.full(3, np.nan), far=0.5).threshold == -1


def test_one_face_under_two_names_is_said_to_be_that() -> None:
    found = calibrate(np.ones(1), np.array([1.0, 0.2, 0.1]), far=0.1)
    assert found.threshold == 1.0
    assert not found.supported
    assert "under two names" in found.statement()


def test_without_different_people_there_is_no_threshold() -> None:
    with pytest.raises(DataError, match="at least two people"):
        calibrate(np.ones(3), np.zeros(0), far=0.01)


@pytest.mark.parametrize("values", [np.array([1.5]), np.zeros((2, 2)), np.array([np.inf])], ids=str)
def test_what_are_no_cosines_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="wanted cosines"):
        calibrate(values, np.zeros(3), far=0.1)


def test_too_few_comparisons_promise_nothing() -> None:
    found = calibrate(np.array([0.8]), np.linspace(0, 0.3, 190), far=0.001)
    assert not found.supported
    text = found.statement(people=20)
    assert "too few comparisons to promise 0.100%" in text
    assert "that takes 3000" in text
    assert "0 of 190" in text
    assert "95 % interval 0.000% to 1.982%" in text
    assert "With 20 people enrolled" in text
    assert "32.99%" in text  # 1 - (1 - .01982)^20


def test_enough_comparisons_are_said_to_be_enough() -> None:
    found = calibrate(np.array([0.8]), np.linspace(0, 0.3, 30_000), far=0.001)
    assert found.supported
    assert "There are enough comparisons" in found.statement()
    assert "not independent" not in found.statement().partition("The intervals")[0]


def test_with_one_picture_each_rejections_are_not_known() -> None:
    assert "nobody has two pictures" in calibrate(np.zeros(0), np.zeros(9), far=0.1).statement()


def test_a_calibration_is_kept_in_the_gallery_with_its_threshold(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((60, 32)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    path = tmp_path / "gallery.db"
    with Gallery(path, model_id=ModelId("made_up", "ab" * 32), dimension=32) as gallery:
        for at in range(20):
            near = rows[at] + 0.3 * rows[20 + at]
            gallery.enroll(f"Person {at}", np.stack([rows[at], near / np.linalg.norm(near)]))
        scores = gallery.scores()
        found = calibrate(scores.genuine, scores.impostor, far=0.01)
        assert found.frr.errors == 0
        assert found.far.trials == 40 * 19
        gallery.set_threshold(found.threshold, calibration=found.to_dict())
        names, _ = gallery.identify(rows[[0, 50]])
    assert names == ("Person 0", None)
    with Gallery(path) as gallery:
        assert gallery.threshold == found.threshold
        assert gallery.calibration == json.loads(json.dumps(found.to_dict()))
        assert gallery.calibration["supported"] is True


def test_the_roc_curve_is_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    chance = np.random.default_rng(0)
    plot(chance.uniform(0.3, 0.9, 50), chance.uniform(-0.2, 0.4, 500), tmp_path / "roc.png")
    assert (tmp_path / "roc.png").read_bytes().startswith(b"\x89PNG")


def test_a_calibration_is_json(tmp_path: Path) -> None:
    found = calibrate(np.array([0.5]), IMPOSTOR, far=0.01)
    assert isinstance(found, Calibration)
    values = json.loads(json.dumps(found.to_dict()))
    assert values["far"]["errors"] == 10
    assert values["needed"] == 300
