import math

import numpy as np
import pytest

pytest.importorskip("keras")
import keras

from edgecv.training.losses.boxes import BACKGROUND, BOX_LOSSES, focal, multibox


def tensors(**values):
    return {name: np.asarray(value, np.float32) for name, value in values.items()}


def nothing_off(count):
    return np.zeros((1, count, 4), np.float32)


def test_multibox_of_a_worked_example():
    """Softmax of (0, 0) costs log 2; an offset that is off by 0.5 costs 0.125, by 3 costs 2.5."""
    targets = tensors(boxes=nothing_off(3), classes=[[1, 0, 0]])
    off = nothing_off(3)
    off[0, 0] = (0.5, 3, 0, 0)
    off[0, 1] = 100  # an anchor without a box has no offsets to be wrong about
    outputs = tensors(boxes=off, scores=np.zeros((1, 3, 2)))
    assert float(multibox(targets, outputs)) == pytest.approx(3 * math.log(2) + 2.625, rel=1e-6)
    assert float(multibox(targets, outputs, box_weight=0)) == pytest.approx(3 * math.log(2))


@pytest.mark.parametrize(
    ("negatives", "wanted"), [(1, (0, 3)), (2, (0, 3, 1)), (3, (0, 3, 1, 2)), (9, (0, 3, 1, 2, 4))]
)
def test_only_the_hardest_negatives_count(negatives, wanted):
    scores = np.zeros((1, 5, 2), np.float32)
    scores[0, :, 1] = (0, 2, 1, 3, -5)  # how sure the network is of an object; only the first is
    losses = [math.log(2), *(math.log(1 + math.exp(x)) for x in (2, 1, 3, -5))]
    targets = tensors(boxes=nothing_off(5), classes=[[1, 0, 0, 0, 0]])
    outputs = tensors(boxes=nothing_off(5), scores=scores)
    got = float(multibox(targets, outputs, negatives=negatives, least=0))
    assert got == pytest.approx(sum(losses[i] for i in wanted), rel=1e-5)


def test_negatives_are_chosen_picture_by_picture():
    """A picture without objects has `least` of them, whatever the other one has."""
    targets = tensors(boxes=np.zeros((2, 4, 4)), classes=[[1, 0, 0, 0], [0, 0, 0, 0]])
    outputs = tensors(boxes=np.zeros((2, 4, 4)), scores=np.zeros((2, 4, 2)))
    for least, count in ((0, 2), (2, 5), (4, 8)):
        got = float(multibox(targets, outputs, negatives=1, least=least))
        assert got == pytest.approx(count * math.log(2), rel=1e-5)


@pytest.mark.parametrize(("name", "width"), [("multibox", 3), ("focal", 2)])
def test_an_ignored_anchor_does_not_count(name, width):
    loss, rng = BOX_LOSSES[name], np.random.default_rng(0)
    assert width == 2 + BACKGROUND[name]
    targets = tensors(boxes=rng.normal(size=(1, 6, 4)), classes=[[1, 0, 2, 0, 0, -1]])
    first = tensors(boxes=rng.normal(size=(1, 6, 4)), scores=rng.normal(size=(1, 6, width)))
    second = {name: value.copy() for name, value in first.items()}
    second["scores"][0, 5] = 50
    second["boxes"][0, 5] = 50
    assert float(loss(targets, first)) == float(loss(targets, second))
    second["scores"][0, 4] = (-50, 50, 50)[-width:]
    assert float(loss(targets, first)) < float(loss(targets, second))


def test_focal_of_a_worked_example():
    """For p = 1/2: 0.25 * 0.5² * log 2 for the object, 0.75 * 0.5² * log 2 for the others."""
    targets = tensors(boxes=nothing_off(3), classes=[[1, 0, -1]])
    outputs = tensors(boxes=nothing_off(3), scores=np.zeros((1, 3, 2)))
    wanted = (0.25 + 3 * 0.75) * 0.25 * math.log(2)
    assert float(focal(targets, outputs)) == pytest.approx(wanted, rel=1e-6)


def test_without_gamma_focal_is_the_weighted_cross_entropy():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, (2, 7))
    logits = rng.normal(size=(2, 7, 2)) * 3
    truth = np.eye(3)[classes][..., 1:]
    p = 1 / (1 + np.exp(-logits))
    wanted = -(0.25 * truth * np.log(p) + 0.75 * (1 - truth) * np.log(1 - p)).sum()
    targets = tensors(boxes=np.zeros((2, 7, 4)), classes=classes)
    outputs = tensors(boxes=np.zeros((2, 7, 4)), scores=logits)
    got = float(focal(targets, outputs, gamma=0))
    assert got == pytest.approx(wanted / (classes > 0).sum(), rel=1e-5)


@pytest.mark.parametrize("name", sorted(BOX_LOSSES))
@pytest.mark.parametrize("scale", [1, 1000], ids=["usual", "huge"])
def test_slopes_are_those_of_small_steps_and_finite(name, scale):
    import tensorflow as tf

    rng = np.random.default_rng(3)
    width = 2 + BACKGROUND[name]
    targets = tensors(boxes=rng.normal(size=(2, 5, 4)), classes=[[1, 0, 2, 0, 0], [0] * 5])
    boxes = tf.Variable(rng.normal(size=(2, 5, 4)).astype(np.float32) * scale)
    scores = tf.Variable(rng.normal(size=(2, 5, width)).astype(np.float32) * scale)
    with tf.GradientTape() as tape:
        loss = BOX_LOSSES[name](targets, {"boxes": boxes, "scores": scores})
    slopes = tape.gradient(loss, [boxes, scores])
    assert all(np.isfinite(keras.ops.convert_to_numpy(slope)).all() for slope in slopes)
    if scale > 1:
        return
    step = 1e-2
    for variable, slope in zip((boxes, scores), slopes, strict=True):
        for index in ((0, 0, 0), (0, 1, 1), (1, 2, 0)):
            around = []
            for sign in (1, -1):
                moved = variable.numpy().copy()
                moved[index] += sign * step
                both = {"boxes": boxes, "scores": scores}
                both["boxes" if variable is boxes else "scores"] = tf.constant(moved)
                around.append(float(BOX_LOSSES[name](targets, both)))
            numeric = (around[0] - around[1]) / (2 * step)
            assert float(slope[index]) == pytest.approx(numeric, abs=2e-3)


@pytest.mark.parametrize("name", sorted(BOX_LOSSES))
def test_a_batch_without_objects_is_a_number(name):
    width = 2 + BACKGROUND[name]
    targets = tensors(boxes=nothing_off(9), classes=np.zeros((1, 9)))
    outputs = tensors(boxes=nothing_off(9), scores=np.zeros((1, 9, width)))
    assert 0 < float(BOX_LOSSES[name](targets, outputs)) < 100


@pytest.mark.parametrize("name", BOX_LOSSES)
def test_landmarks_cost_where_they_are_known_and_nowhere_else(name):
    """An offset that is off by 3 costs 2.5, two of which are known: 5, by the weight of a half."""
    width = 1 + int(BACKGROUND[name])
    known = np.zeros((1, 2, 6), np.float32)
    known[0, 0, :2] = 1
    targets = tensors(
        boxes=nothing_off(2), classes=[[1, 0]], landmarks=np.zeros((1, 2, 6)), known=known
    )
    outputs = tensors(boxes=nothing_off(2), scores=np.zeros((1, 2, width)))
    without = float(BOX_LOSSES[name](targets, outputs))
    outputs["landmarks"] = np.full((1, 2, 6), 3, np.float32)
    assert float(BOX_LOSSES[name](targets, outputs)) == pytest.approx(without + 2.5, rel=1e-5)
    assert float(BOX_LOSSES[name](targets, outputs, point_weight=0)) == pytest.approx(without)
