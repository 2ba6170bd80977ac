from __future__ import annotations

import cv2
import numpy as np
import pytest

from edgecv.training.data.pixels import blurred, color_shift, compressed, cut_out
from edgecv.training.data.samples import Sample

SAME = {"brightness": 0.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}
NOISE = np.random.default_rng(0).integers(40, 200, (32, 48, 3), np.uint8)
SMOOTH = cv2.GaussianBlur(NOISE, (0, 0), 3)


def test_no_shift_is_no_change() -> None:
    assert np.abs(color_shift(NOISE, **SAME).astype(int) - NOISE).max() <= 1


def test_brightness_is_a_part_of_the_range() -> None:
    out = color_shift(NOISE, **SAME | {"brightness": 0.1})
    assert out.mean() - NOISE.mean() == pytest.approx(25.5, abs=1)


def test_contrast_spreads_about_the_mean() -> None:
    out = color_shift(SMOOTH, **SAME | {"contrast": 1.5})
    assert out.mean() == pytest.approx(SMOOTH.mean(), abs=1)
    assert out.std() / SMOOTH.std() == pytest.approx(1.5, rel=0.05)


def test_without_saturation_a_picture_is_grey_and_as_light_as_before() -> None:
    color = np.zeros((4, 4, 3), np.uint8) + np.array((200, 60, 30), np.uint8)
    out = color_shift(color, **SAME | {"saturation": 0.0})
    grey = cv2.cvtColor(color, cv2.COLOR_BGR2GRAY)[..., None]
    assert np.ptp(out, axis=2).max() <= 1
    assert np.abs(out.astype(int) - grey).max() <= 2


def test_hue_leaves_grey_alone_and_turns_red_by_a_third_towards_green() -> None:
    grey = np.full((4, 4, 3), 90, np.uint8)
    assert np.abs(color_shift(grey, **SAME | {"hue": 120}).astype(int) - grey).max() <= 1
    red = np.full((4, 4, 3), (60, 60, 160), np.uint8)
    turned = [color_shift(red, **SAME | {"hue": h})[0, 0].argmax() for h in (-120, 0, 120)]
    assert sorted(turned) == [0, 1, 2]
    assert turned[1] == 2


def test_a_blur_takes_detail_away_and_light_nowhere() -> None:
    out = blurred(NOISE, 1.5)
    assert out.std() < NOISE.std() / 2
    assert out.mean() == pytest.approx(NOISE.mean(), abs=1)


def test_compression_leaves_less_at_lower_quality() -> None:
    errors = [np.abs(compressed(SMOOTH, q).astype(int) - SMOOTH).mean() for q in (95, 50, 10)]
    assert 0 < errors[0] < errors[1] < errors[2]


def sample() -> Sample:
    return Sample(
        NOISE,
        label=3,
        boxes=np.array([[0, 0, 10, 10], [20, 20, 30, 30]], np.float32),
        classes=np.array([1, 2]),
        keypoints=np.array([[[5, 5, 2], [9, 9, 2]], [[25, 25, 2], [29, 29, 0]]], np.float32),
        mask=np.ones((32, 48), np.uint8),
    )


@pytest.mark.parametrize(
    ("rect", "classes", "seen"),
    [
        ((0, 0, 8, 8), [1, 2], [[1, 2], [2, 0]]),  # 36 % of the first box are left
        ((0, 0, 9, 9), [2], [[2, 0]]),  # 19 %
        ((20, 20, 30, 25), [1, 2], [[2, 2], [2, 0]]),
        ((0, 0, 40, 32), [], []),
    ],
)
def test_marks_under_a_rectangle_are_hidden(
    rect: tuple[int, int, int, int], classes: list[int], seen: list[list[int]]
) -> None:
    before = sample()
    out = cut_out(before, rect, fill=127, visible=0.3)
    x0, y0, x1, y1 = rect
    assert (out.image[y0:y1, x0:x1] == 127).all()
    assert out.classes.tolist() == classes
    assert len(out.boxes) == len(classes)
    assert out.keypoints[..., 2].tolist() == seen
    assert out.mask is not None
    assert (out.mask == 255).sum() == (x1 - x0) * (y1 - y0)
    assert (before.image == NOISE).all()
    assert before.keypoints[0, 0, 2] == 2
    assert out.label == 3
