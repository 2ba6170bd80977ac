from __future__ import annotations

import math

import numpy as np
import pytest

from edgecv.motion import MotionModel, corrected, first_seen, measured, moved

MODEL = MotionModel()
BOX = [100.0, 50.0, 160.0, 200.0]


@pytest.mark.parametrize("parts", [1, 2, 7, 100])
def test_many_short_steps_are_the_same_as_a_long_one(parts) -> None:
    start = corrected(first_seen(BOX, MODEL), [104, 50, 164, 200], MODEL)._replace(vx=50, vy=-9)
    at_once = moved(start, 1.5, MODEL)
    for _ in range(parts):
        start = moved(start, 1.5 / parts, MODEL)
    np.testing.assert_allclose(start, at_once, rtol=1e-9)


def test_doubt_grows_with_time_and_shrinks_with_sightings() -> None:
    seen = first_seen(BOX, MODEL)
    later = moved(seen, 0.5, MODEL)
    again = corrected(later, BOX, MODEL)
    assert seen.var < later.var > again.var
    assert seen.var_s < later.var_s > again.var_s
    assert later.var_v > again.var_v > 0


@pytest.mark.parametrize("step", [1 / 30, 1 / 8, 1 / 3])
def test_the_speed_is_learnt_at_any_frame_rate(step) -> None:
    velocity = np.array([60.0, -20.0] * 2)
    motion = first_seen(BOX, MODEL)
    for i in range(1, math.ceil(2 / step)):
        motion = corrected(moved(motion, step, MODEL), BOX + velocity * i * step, MODEL)
    assert (motion.vx, motion.vy) == pytest.approx((60, -20), abs=4)
    assert motion.size == pytest.approx(105, abs=0.1)


def test_a_box_that_is_as_large_again_moves_alike() -> None:
    small, large = first_seen(BOX, MODEL), first_seen([2 * v for v in BOX], MODEL)
    for i in range(1, 5):
        box = np.array(BOX) + 8 * i
        small = corrected(moved(small, 0.1, MODEL), box, MODEL)
        large = corrected(moved(large, 0.1, MODEL), 2 * box, MODEL)
    np.testing.assert_allclose(np.array(large.box), 2 * np.array(small.box))
    assert large.vx == pytest.approx(2 * small.vx)


def test_boxes_without_area_count_as_a_pixel() -> None:
    assert measured([5, 5, 5, 3]) == (5.0, 4.0, 0.0, 0.0)
    assert np.isfinite(moved(first_seen([5, 5, 5, 5], MODEL), 1.0, MODEL)).all()


def test_a_box_comes_back_as_it_was_seen() -> None:
    assert first_seen(BOX, MODEL).box == pytest.approx(BOX)


@pytest.mark.parametrize("name", ["noise", "speed", "change", "growth"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_model_of_motion_wants_figures_above_0(name, value) -> None:
    with pytest.raises(ValueError, match=f"{name}: wanted a number above 0"):
        MotionModel(**{name: value})
