import math

import numpy as np
import pytest

pytest.importorskip("keras")

from edgecv.training.data.samples import Sample
from edgecv.training.losses.masks import MASK_LOSSES, cross_entropy, dice, dice_cross_entropy
from edgecv.training.targets.masks import mask_encoder
from edgecv.types import Size


def row(*ids):
    return np.array(ids, np.int32).reshape(1, 1, -1)


def logits(*rows):
    return np.array(rows, np.float32).reshape(1, 1, len(rows), -1)


def test_cross_entropy_of_a_worked_example():
    """Even odds cost log 2, odds of e² to 1 cost log(1 + e^-2); the ignored pixel costs nothing."""
    wanted = (math.log(2) + math.log(1 + math.exp(-2))) / 2
    got = cross_entropy(row(0, 1, 255), logits((0, 0), (0, 2), (9, -9)))
    assert float(got) == pytest.approx(wanted, rel=1e-6)


def test_smoothing_is_spread_over_all_classes():
    got = cross_entropy(row(1), logits((0, 2)), smoothing=0.2)
    log_p = np.array((0, 2)) - math.log(1 + math.exp(2))
    assert float(got) == pytest.approx(-(0.1 * log_p[0] + 0.9 * log_p[1]), rel=1e-6)


def test_dice_of_a_worked_example():
    """Class 1 is in two pixels, and said to be there with 0.5, 0.5 and 0.5 elsewhere."""
    targets, said = row(1, 1, 0), logits((0, 0), (0, 0), (0, 0))
    wanted = 1 - 2 * (0.5 + 0.5) / (3 * 0.25 + 2)
    assert float(dice(targets, said)) == pytest.approx(wanted, rel=1e-6)
    other = 1 - 2 * 0.5 / (3 * 0.25 + 1)
    both = dice(targets, said, background=True)
    assert float(both) == pytest.approx((wanted + other) / 2, rel=1e-6)
    sum_of_both = float(dice_cross_entropy(targets, said, dice_weight=2))
    assert sum_of_both == pytest.approx(math.log(2) + 2 * wanted, rel=1e-6)


@pytest.mark.parametrize("name", sorted(MASK_LOSSES))
def test_a_perfect_answer_costs_nothing(name):
    targets = row(0, 1, 2, 1, 255)
    said = 60 * np.eye(3, dtype=np.float32)[[0, 1, 2, 1, 0]].reshape(1, 1, 5, 3)
    assert float(MASK_LOSSES[name](targets, said)) == pytest.approx(0, abs=1e-6)


def test_dice_counts_only_classes_that_are_there_and_pixels_that_count():
    targets = row(1, 0, 255, 255)
    said = logits((0, 9, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9))
    assert float(dice(targets, said)) < 1e-3


@pytest.mark.parametrize("name", sorted(MASK_LOSSES))
def test_nothing_marked_is_a_number(name):
    assert float(MASK_LOSSES[name](row(255, 255), logits((1, 2), (3, 4)))) == 0


@pytest.mark.parametrize("name", sorted(MASK_LOSSES))
@pytest.mark.parametrize("scale", [1, 1000], ids=["usual", "huge"])
def test_slopes_are_those_of_small_steps_and_finite(name, scale):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, (2, 3, 4))
    targets[0, 0, 0] = 255
    values = rng.normal(size=(2, 3, 4, 3)).astype(np.float32) * scale
    said = tf.Variable(values)
    with tf.GradientTape() as tape:
        loss = MASK_LOSSES[name](targets, said)
    slope = tape.gradient(loss, said).numpy()
    assert np.isfinite(slope).all()
    assert not slope[0, 0, 0].any()
    for index in ((0, 1, 1, 0), (1, 2, 3, 2)) if scale == 1 else ():
        around = []
        for step in (1e-2, -1e-2):
            moved = values.copy()
            moved[index] += step
            around.append(float(MASK_LOSSES[name](targets, moved)))
        assert slope[index] == pytest.approx((around[0] - around[1]) / 2e-2, abs=1e-3)


def test_targets_of_another_size_are_refused():
    with pytest.raises(ValueError, match=r"wanted a class for each pixel of \(1, 2\), got"):
        cross_entropy(row(1, 1, 1), logits((0, 0), (0, 0)))


def test_a_mask_is_taken_at_the_size_that_comes_out():
    mask = np.zeros((8, 12), np.uint8)
    mask[:, 6:] = 3
    mask[0, 0] = 255
    sample = Sample(np.zeros((8, 12, 3), np.uint8), mask=mask)
    encode = mask_encoder(Size(8, 12), output=Size(4, 6))
    targets = encode([sample, Sample(sample.image)])
    assert targets.dtype == np.int32
    assert targets[0, 1].tolist() == [0, 0, 0, 3, 3, 3]
    assert (targets[1] == 255).all()
    same = mask_encoder(Size(8, 12), output=Size(8, 12))([sample])
    assert (same[0] == mask).all()
