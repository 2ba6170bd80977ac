import math

import numpy as np
import pytest

pytest.importorskip("keras")

from edgecv.training.losses.pose import POSE_LOSSES, heatmap_focal, heatmap_mse, ppn


def tensors(**values):
    return {name: np.asarray(value, np.float32) for name, value in values.items()}


def maps(heatmaps, offsets=None):
    """One picture of 1x2 cells: heatmaps (K, 2) and offsets (2, K, 2), 0 if None."""
    values = np.asarray(heatmaps, np.float32).T[None, None]
    shifts = np.zeros((1, 1, 2, 2 * values.shape[-1])) if offsets is None else offsets
    return tensors(heatmaps=values, offsets=np.reshape(shifts, (1, 1, 2, -1)))


def test_squared_error_of_a_worked_example():
    targets = maps([(1, 0.25), (-1, -1)])  # the second keypoint is not marked
    outputs = maps([(0.5, 0.75), (9, 9)])
    assert float(heatmap_mse(targets, outputs)) == pytest.approx(0.25 + 0.25)


def test_focal_of_a_worked_example():
    """At p = 1/2: 0.25 log 2 where the keypoint is, (1 - 0.5)^4 0.25 log 2 beside it."""
    targets = maps([(1, 0.5), (-1, -1)])
    outputs = maps([(0, 0), (9, 9)])
    wanted = 0.25 * math.log(2) * (1 + 0.5**4)
    assert float(heatmap_focal(targets, outputs)) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("loss", [heatmap_mse, heatmap_focal], ids=["mse", "focal"])
def test_offsets_count_near_marked_keypoints_alone(loss):
    targets = maps([(1, 0.25), (-1, -1)])
    plain = float(loss(targets, maps([(1, 0), (0, 0)])))
    shifts = np.zeros((2, 2, 2))
    shifts[1] = shifts[0, 1] = 7  # a far cell, and a keypoint that is not marked
    assert float(loss(targets, maps([(1, 0), (0, 0)], shifts))) == pytest.approx(plain)
    shifts[0, 0] = (3, 0.5)  # smooth L1: 2.5 and 0.125
    got = float(loss(targets, maps([(1, 0), (0, 0)], shifts), offset_weight=2))
    assert got == pytest.approx(plain + 2 * 2.625, rel=1e-6)


def parts_of(row, said):
    """One cell that holds one part, and one pair of cells, a limb."""
    targets = tensors(parts=np.reshape(row, (1, 1, 1, 1, 5)), limbs=[[[[1.0]]]])
    return targets, tensors(parts=np.reshape(said, (1, 1, 1, 6)), limbs=[[[[0.0]]]])


def test_proposals_of_a_worked_example():
    """All logits are 0: everything is said to be 1/2. The truth's box lies in the said one."""
    targets, outputs = parts_of((1, 0.5, 0.75, 0.25, 0.25), [0] * 6)
    weights = {"responsibility": 0, "confidence": 0, "place": 0, "limb": 0}
    size = 2 * (math.sqrt(0.5) - math.sqrt(0.25)) ** 2
    # truth: x 0.375..0.625, y 0.625..0.875; said: 0.25..0.75 both
    inner = 0.25 * 0.125
    overlap = inner / (0.25**2 + 0.5**2 - inner)
    for name, wanted in {
        "responsibility": 0.25,
        "confidence": (0.5 - overlap) ** 2,
        "place": 0.25**2 + size,
        "limb": 0.25,
    }.items():
        got = float(ppn(targets, outputs, **{**weights, name: 2.0}))
        assert got == pytest.approx(2 * wanted, rel=1e-4), name


@pytest.mark.parametrize("hold", [0, -1])
def test_a_cell_without_a_part_has_no_place(hold):
    targets, outputs = parts_of((hold, 0, 0, 0, 0), [0, 5, 5, 5, 5, 5])
    targets["limbs"][:] = -1
    assert float(ppn(targets, outputs)) == pytest.approx(0.25 * 0.25 * (hold == 0))


def random_of(name):
    rng = np.random.default_rng(1)
    if name == "ppn":
        parts = rng.uniform(0.2, 0.8, (2, 3, 4, 2, 5))
        parts[..., 0] = rng.integers(-1, 2, (2, 3, 4, 2))
        targets = tensors(parts=parts, limbs=rng.integers(-1, 2, (2, 3, 4, 9)))
        return targets, tensors(
            parts=rng.normal(size=(2, 3, 4, 12)), limbs=rng.normal(size=(2, 3, 4, 9))
        )
    heatmaps = rng.choice([0, 0.3, 0.8, 1], (2, 3, 4, 2))
    heatmaps[1, ..., 1] = -1
    targets = tensors(heatmaps=heatmaps, offsets=rng.normal(size=(2, 3, 4, 4)))
    return targets, tensors(
        heatmaps=rng.normal(size=(2, 3, 4, 2)), offsets=rng.normal(size=(2, 3, 4, 4))
    )


@pytest.mark.parametrize("name", sorted(POSE_LOSSES))
@pytest.mark.parametrize("scale", [1, 1000], ids=["usual", "huge"])
def test_slopes_are_those_of_small_steps_and_finite(name, scale):
    import tensorflow as tf

    targets, values = random_of(name)
    outputs = {key: tf.Variable(value * np.float32(scale)) for key, value in values.items()}
    loss = POSE_LOSSES[name]
    options = {"confidence": 0.0} if name == "ppn" else {}  # its IoU is not followed
    with tf.GradientTape() as tape:
        value = loss(targets, outputs, **options)
    slopes = tape.gradient(value, outputs)
    assert all(np.isfinite(slope.numpy()).all() for slope in slopes.values())
    for key in outputs if scale == 1 else ():
        for index in ((0, 0, 0, 0), (1, 2, 3, 1), (1, 1, 1, 2)):
            if index[-1] >= values[key].shape[-1]:
                continue
            around = []
            for step in (1e-2, -1e-2):
                moved = {k: v.copy() for k, v in values.items()}
                moved[key][index] += step
                around.append(float(loss(targets, moved, **options)))
            numeric = (around[0] - around[1]) / 2e-2
            assert float(slopes[key][index]) == pytest.approx(numeric, abs=2e-3)


@pytest.mark.parametrize("name", sorted(POSE_LOSSES))
def test_pictures_where_nothing_is_marked_are_a_number(name):
    targets, outputs = random_of(name)
    if name == "ppn":
        targets = {key: np.full_like(value, -1) for key, value in targets.items()}
    else:
        targets["heatmaps"][:] = -1
    assert float(POSE_LOSSES[name](targets, outputs)) == 0
