from __future__ import annotations

import numpy as np
import pytest

from edgecv.training.data.augment import Augment
from edgecv.training.data.mix import blended, mosaic, soft_labels, training_sample
from edgecv.training.data.order import chance
from edgecv.training.data.samples import Mixed, Sample, SampleList
from edgecv.types import Size

SIZE = Size(64, 64)


def flat(byte: int, label: int) -> Sample:
    return Sample(np.full((40, 40, 3), byte, np.uint8), label=label)


@pytest.mark.parametrize(
    ("weight", "byte", "label", "mix"),
    [
        (0.0, 100, 1, (2, 0.0)),
        (0.25, 125, 1, (2, 0.25)),
        (0.75, 175, 2, (1, 0.25)),
    ],
)
def test_mixup_blends_pictures_and_the_larger_part_gives_the_label(
    weight: float, byte: int, label: int, mix: tuple[int, float]
) -> None:
    out = blended(flat(100, 1), flat(200, 2), weight)
    assert (out.image == byte).all()
    assert (out.label, out.mix) == (label, Mixed(*mix))


def test_mixup_of_pictures_without_a_class_is_refused() -> None:
    with pytest.raises(ValueError, match="use mosaic"):
        blended(flat(1, -1), flat(2, 0), 0.5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_soft_labels_hold_both_classes_and_add_up_to_one(smoothing: float) -> None:
    samples = [
        flat(0, 2),
        Sample(flat(0, 0).image, label=0, mix=Mixed(1, 0.25)),
        Sample(flat(0, 0).image, label=1, mix=Mixed(1, 0.25)),
    ]
    out = soft_labels(samples, 4, smoothing=smoothing)
    hard = np.array([[0, 0, 1, 0], [0.75, 0.25, 0, 0], [0, 1, 0, 0]])
    assert out == pytest.approx(hard * (1 - smoothing) + smoothing / 4)
    assert out.dtype == np.float32
    assert out.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize("label", [-1, 4])
def test_labels_outside_the_classes_are_refused(label: int) -> None:
    with pytest.raises(ValueError, match="labels go from 0 to 3"):
        soft_labels([flat(0, label)], 4)


def people() -> SampleList:
    """Four pictures of one grey each, all of it in a box with a keypoint and a mask."""
    items = [
        Sample(
            np.full((80, 100, 3), 50 * i, np.uint8),
            boxes=np.array([[0, 0, 100, 80]], np.float32),
            classes=np.array([i]),
            keypoints=np.array([[[50, 40, 2]]], np.float32),
            mask=np.full((80, 100), i, np.uint8),
        )
        for i in range(1, 5)
    ]
    return SampleList(items, ("0", "1", "2", "3", "4"), ("nose",))


@pytest.mark.parametrize("seed", range(6))
def test_the_four_of_a_mosaic_fill_the_picture_and_their_boxes_say_where(seed: int) -> None:
    out = mosaic(people(), 2, SIZE, np.random.default_rng(seed), Augment(expand=3.0))
    assert out.image.shape == (64, 64, 3)
    assert len(out.boxes) == len(out.classes) == len(out.keypoints) == 4
    assert 3 in out.classes  # the one that was asked for
    covered = np.zeros((64, 64), int)
    assert out.mask is not None
    for box, number, points in zip(out.boxes, out.classes, out.keypoints, strict=True):
        x0, y0, x1, y1 = np.round(box).astype(int)
        assert (out.image[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1] == 50 * number).all()
        assert (out.mask[y0:y1, x0:x1] == number).all()
        assert points[0, 2] == 2
        assert x0 <= points[0, 0] <= x1
        covered[y0:y1, x0:x1] += 1
    assert (covered == 1).all()


def test_mosaic_and_mixup_happen_as_often_as_they_are_set() -> None:
    settings = Augment(mosaic=0.5)
    four = [
        len(training_sample(people(), 0, SIZE, chance(0, 0, i), settings).boxes) == 4
        for i in range(100)
    ]
    assert 35 <= sum(four) <= 65
    classes = SampleList([flat(10 * i, i) for i in range(9)], ("",) * 9)
    mixed = [
        training_sample(classes, 3, SIZE, chance(0, 0, i), Augment(mixup=0.4)).mix
        for i in range(50)
    ]
    assert all(mix is not None and 0 <= mix.weight <= 0.5 for mix in mixed)
    assert len({mix.label for mix in mixed if mix}) >= 8


def test_without_marks_a_mosaic_has_none() -> None:
    plain = SampleList([flat(10, 1)] * 4, ("a", "b"))
    out = mosaic(plain, 0, SIZE, np.random.default_rng(0), Augment())
    assert (out.label, len(out.boxes), out.mask) == (-1, 0, None)
