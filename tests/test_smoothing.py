from __future__ import annotations

import math

import numpy as np
import pytest

from edgecv.results import Poses
from edgecv.smoothing import OneEuro, PoseSmoother
from edgecv.types import Size

F = np.float32


def by_hand(values, times, min_cutoff, beta) -> list[float]:
    """Algorithm 1 of the paper for one number, with the speed's cut-off at 1 Hz."""

    def alpha(cutoff: float, seconds: float) -> float:
        return 1 / (1 + 1 / (2 * math.pi * cutoff) / seconds)

    smooth, speed, out = values[0], 0.0, [values[0]]
    for value, before, time in zip(values[1:], times, times[1:], strict=False):
        seconds = time - before
        a = alpha(1.0, seconds)
        speed = a * (value - smooth) / seconds + (1 - a) * speed
        a = alpha(min_cutoff + beta * abs(speed), seconds)
        smooth = a * value + (1 - a) * smooth
        out.append(smooth)
    return out


@pytest.mark.parametrize("beta", [0.0, 0.5, 5.0])
def test_the_filter_is_that_of_the_paper(beta) -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.02, 0.4, 40)).tolist()
    values = rng.normal(0, 1, (40, 3, 2)) + np.arange(40)[:, None, None] / 10
    smoother = OneEuro(min_cutoff=1.2, beta=beta)
    out = np.array([smoother(v, t) for v, t in zip(values, times, strict=True)])
    expected = by_hand(values[:, 1, 0].tolist(), times, 1.2, beta)
    np.testing.assert_allclose(out[:, 1, 0], expected, rtol=1e-9)


def test_what_stands_still_trembles_less_and_what_moves_lags_little() -> None:
    rng = np.random.default_rng(0)
    smoother, times = OneEuro(), np.arange(0, 8, 1 / 30)
    truth = np.where(times < 4, 0, (times - 4) * 2.0)  # two sizes a second, from the fourth second
    noisy = truth + rng.normal(0, 0.02, len(times))
    smooth = np.array([float(smoother(np.array(v), t)) for v, t in zip(noisy, times, strict=True)])
    still, moving = (times > 1) & (times < 4), times > 5
    assert smooth[still].std() < 0.5 * noisy[still].std()
    assert np.abs(smooth - truth)[moving].mean() < 2.0 * 0.04  # of 40 ms


def test_sizes_make_near_and_far_alike() -> None:
    near, far = OneEuro(), OneEuro()
    for i, value in enumerate([0.0, 0.1, 0.3, 0.2]):
        a = near(np.array([300 * value]), i / 10, size=300)
        b = far(np.array([20 * value]), i / 10, size=20)
        assert a / 300 == pytest.approx(b / 20)


def test_what_was_unknown_comes_back_as_it_is() -> None:
    smoother = OneEuro(min_cutoff=0.1, beta=0)
    smoother(np.array([1.0, 1.0]), 0.0)
    hidden = smoother(np.array([2.0, np.nan]), 0.1)
    assert np.isnan(hidden).tolist() == [False, True]
    back = smoother(np.array([3.0, 9.0]), 0.2)
    assert back[1] == 9.0
    assert 1.0 < hidden[0] < back[0] < 3.0
    assert 9.0 < smoother(np.array([3.0, 10.0]), 0.3)[1] < 10.0


@pytest.mark.parametrize("settings", [{"min_cutoff": 0}, {"beta": -1}, {"speed_cutoff": math.nan}])
def test_settings_out_of_range_are_refused(settings) -> None:
    with pytest.raises(ValueError, match="wanted min_cutoff > 0"):
        OneEuro(**settings)


@pytest.mark.parametrize("time", [0.9, 1.0, math.nan])
def test_time_has_to_go_on(time) -> None:
    smoother = OneEuro()
    smoother(np.zeros(2), 1.0)
    with pytest.raises(ValueError, match=r"wanted a time after 1\.0 s"):
        smoother(np.zeros(2), time)


def test_another_shape_is_refused() -> None:
    smoother = OneEuro()
    smoother(np.zeros(2), 1.0)
    with pytest.raises(ValueError, match=r"wanted values of shape \(2,\), got \(3,\)"):
        smoother(np.zeros(3), 1.1)


def person(x: float, *, sure: float = 0.9, number: int = 1) -> Poses:
    points = np.array([[[x, 50], [x + 10, 90]]] * number, F).reshape(-1, 2, 2)
    return Poses(
        frame=Size(100, 200),
        scores=np.full(number, 0.9, F),
        boxes=np.array([[x, 40, x + 20, 140]] * number, F).reshape(-1, 4),
        keypoints=points,
        keypoint_scores=np.array([[0.9, sure]] * number, F).reshape(-1, 2),
        names=("nose", "tail"),
    )


def test_keypoints_are_smoothed_and_nothing_else() -> None:
    smoother = PoseSmoother()
    first = person(50.0)
    assert (smoother.update(first, 0.0).keypoints == first.keypoints).all()
    second = person(52.0)
    smooth = smoother.update(second, 0.1)
    assert (smooth.keypoints[..., 0] < second.keypoints[..., 0]).all()
    assert (smooth.keypoints[..., 0] > first.keypoints[..., 0]).all()
    assert smooth.keypoints.dtype == np.float32
    assert smooth.boxes is second.boxes


def test_unsure_points_pass_as_they_are() -> None:
    smoother = PoseSmoother(keypoint_score=0.3)
    smoother.update(person(50.0), 0.0)
    smooth = smoother.update(person(60.0, sure=0.1), 0.1)
    assert smooth.keypoints[0, 1, 0] == 70.0
    assert smooth.keypoints[0, 0, 0] < 60.0
    assert smoother.update(person(60.0), 0.2).keypoints[0, 1, 0] == 70.0


@pytest.mark.parametrize(
    ("between", "gap"), [([], 0.6), ([person(50.0, number=2)], 0.2)], ids=["a gap", "two people"]
)
def test_somebody_else_is_not_mixed_in(between, gap) -> None:
    smoother = PoseSmoother(max_gap=0.5)
    smoother.update(person(50.0), 0.0)
    for poses in between:
        assert smoother.update(poses, 0.1) is poses
    assert smoother.update(person(90.0), gap).keypoints[0, 0, 0] == 90.0


def test_a_moment_without_a_person_changes_nothing() -> None:
    smoother = PoseSmoother(max_gap=0.5)
    smoother.update(person(50.0), 0.0)
    assert len(smoother.update(person(50.0, number=0), 0.1)) == 0
    assert smoother.update(person(52.0), 0.2).keypoints[0, 0, 0] < 52.0
