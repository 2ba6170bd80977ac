"""Heads and losses with a margin, held to the papers' formulas."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

import keras
import tensorflow as tf

from edgecv.training.losses.classes import cross_entropy
from edgecv.training.losses.margins import CosineHead, WarmUp, arcface, cosface, unit, with_margin

RNG = np.random.default_rng(0)


def _degrees(*angles):
    return np.cos(np.deg2rad(np.array([angles], np.float32)))


@pytest.mark.parametrize("angle", [0.0, 10.0, 60.0, 90.0, 150.0])
def test_the_right_class_has_the_cosine_of_angle_and_margin(angle):
    # Deng et al. 2019, eq. 3; the sum stays below 180 degrees at a margin of 0.5 rad = 28.6 degrees
    got = np.asarray(with_margin(np.array([1]), _degrees(40, angle, 70), angle=0.5))
    np.testing.assert_allclose(got[0, 1], np.cos(np.deg2rad(angle) + 0.5), atol=2e-6)
    np.testing.assert_allclose(got[0, [0, 2]], _degrees(40, 70)[0], rtol=1e-6)


def test_arcface_has_the_value_of_the_formula():
    # 60 and 90 degrees, the first right, margin 30 degrees, scale 2: logits 0 and 0
    equal = arcface(np.array([0]), _degrees(60, 90), margin=np.pi / 6, scale=2.0)
    np.testing.assert_allclose(equal, [np.log(2)], atol=1e-6)
    # 45 degrees, margin 45, against 60 and 120 at scale 4: logits 0, 2, -2
    three = arcface(np.array([0]), _degrees(45, 60, 120), margin=np.pi / 4, scale=4.0)
    np.testing.assert_allclose(three, [np.log(1 + np.exp(2) + np.exp(-2))], rtol=1e-5)


def test_cosface_has_the_value_of_the_formula():
    # Wang et al. 2018, eq. 4: s (cos - m): 10 (0.85 - 0.35) = 5 against 10 * 0.2 = 2
    value = cosface(np.array([1]), np.array([[0.2, 0.85]], np.float32), margin=0.35, scale=10.0)
    np.testing.assert_allclose(value, [np.log(1 + np.exp(2 - 5))], rtol=1e-5)


@pytest.mark.parametrize("loss", [arcface, cosface])
def test_without_a_margin_both_are_the_softmax_of_scaled_cosines(loss):
    cosines = RNG.uniform(-1, 1, (16, 7)).astype(np.float32)
    ids = RNG.integers(0, 7, 16)
    np.testing.assert_allclose(
        loss(ids, cosines, margin=0.0, scale=30.0), cross_entropy(ids, 30 * cosines), rtol=1e-5
    )


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0])
def test_a_larger_angle_never_gives_a_larger_logit(margin):
    angles = np.linspace(0, np.pi, 2001)
    cosines = np.stack([np.cos(angles), np.zeros_like(angles)], 1).astype(np.float32)
    own = np.asarray(with_margin(np.zeros(2001, np.int64), cosines, angle=margin))[:, 0]
    assert (np.diff(own) < 1e-6).all()
    assert np.abs(np.diff(own)).max() < 4e-3  # no jump where the line takes over


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.5])
@pytest.mark.parametrize("loss", [arcface, cosface])
def test_slopes_are_finite_and_bounded_at_cosines_of_one(loss, margin):
    steps = [0.0, 1e-8, 6e-8, 1e-7, 2e-7, 1e-6, 1e-4]
    values = [[s * (1 - e), 0.0] for s in (1, -1) for e in steps]
    cosines = tf.constant(np.array(values, np.float32))
    with tf.GradientTape() as tape:
        tape.watch(cosines)
        value = loss(np.zeros(len(values), np.int64), cosines, margin=margin, scale=1.0)
    slope = tape.gradient(value, cosines).numpy()
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()
    assert np.abs(slope).max() < 5e3


def test_an_embedding_on_its_direction_gets_a_finite_gradient_through_the_head():
    head = CosineHead(3)
    head.build((None, 4))
    directions = np.eye(4, 3, dtype=np.float32)
    head.directions.assign(directions)
    x = tf.constant(np.stack([directions[:, 0] * 5, -directions[:, 0], np.zeros(4, np.float32)]))
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_sum(arcface(np.array([0, 0, 0]), head(x)))
    for gradient in tape.gradient(value, [x, head.directions.value]):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() < 1e3 * 64


def test_the_slope_is_that_of_the_formula():
    angle, margin = np.deg2rad(50.0), 0.5
    cosines = tf.constant([[np.cos(angle)]], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(cosines)
        value = with_margin(np.array([0]), cosines, angle=margin)
    wanted = np.sin(angle + margin) / np.sin(angle)  # d cos(a + m) / d cos(a)
    np.testing.assert_allclose(tape.gradient(value, cosines), [[wanted]], rtol=1e-4)


def test_margins_may_differ_by_sample():
    cosines = np.repeat(_degrees(60, 90), 2, 0)
    ids = np.array([0, 0])
    both = arcface(ids, cosines, margin=np.array([0.0, 0.5], np.float32))
    np.testing.assert_allclose(both[0], arcface(ids, cosines, margin=0.0)[0], rtol=1e-5)
    np.testing.assert_allclose(both[1], arcface(ids, cosines, margin=0.5)[1], rtol=1e-5)
    assert both[1] > both[0]


def test_the_head_gives_cosines_whatever_the_lengths():
    head = CosineHead(5)
    x = RNG.normal(size=(4, 8)).astype(np.float32)
    got = np.asarray(head(x))
    w = head.directions.numpy()
    wanted = x @ w / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(w, axis=0)
    np.testing.assert_allclose(got, wanted, atol=1e-5)
    np.testing.assert_allclose(head(x * 7), got, atol=1e-5)


def test_the_nearest_sub_centre_counts():
    head = CosineHead(2, subcentres=3)
    x = RNG.normal(size=(4, 8)).astype(np.float32)
    got = np.asarray(head(x))
    w = head.directions.numpy().reshape(8, 3, 2)
    cosines = np.einsum("bd,dkc->bkc", x, w)
    cosines /= np.linalg.norm(x, axis=1)[:, None, None] * np.linalg.norm(w, axis=0)
    np.testing.assert_allclose(got, cosines.max(1), atol=1e-5)


def test_the_warm_up_grows_by_training_batches_only():
    layer = WarmUp(4)
    x = np.zeros((2, 3), np.float32)
    shares = [np.asarray(layer(x, training=True)).tolist() for _ in range(6)]
    assert shares == [[0, 0], [0.25] * 2, [0.5] * 2, [0.75] * 2, [1, 1], [1, 1]]
    assert float(layer.seen) == 4
    assert np.asarray(WarmUp(0)(x, training=True)).tolist() == [1, 1]
    fresh = WarmUp(4)
    assert np.asarray(fresh(x)).tolist() == [0, 0]
    assert np.asarray(fresh(x)).tolist() == [0, 0]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras' own
def test_head_and_warm_up_come_back_from_a_file(tmp_path):
    inputs = keras.Input((6,))
    cosines = CosineHead(3, subcentres=2)(inputs)
    model = keras.Model(inputs, {"cosines": cosines, "share": WarmUp(10)(cosines)})
    x = RNG.normal(size=(4, 6)).astype(np.float32)
    for _ in range(3):
        model(x, training=True)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", compile=False)
    wanted, got = model(x), again(x)
    np.testing.assert_allclose(got["cosines"], wanted["cosines"])
    np.testing.assert_allclose(got["share"], [0.3] * 4)


def test_arcface_separates_people_that_a_few_steps_of_training_see():
    keras.utils.set_random_seed(0)
    centres = RNG.normal(size=(5, 8)).astype(np.float32)
    ids = np.repeat(np.arange(5), 20)
    x = centres[ids] + RNG.normal(size=(100, 8)).astype(np.float32) * 0.3
    inputs = keras.Input((8,))
    embedding = keras.layers.Dense(4)(inputs)
    model = keras.Model(inputs, CosineHead(5)(embedding))
    model.compile(keras.optimizers.Adam(0.02), loss=lambda t, c: arcface(t, c, scale=16.0))
    history = model.fit(x, ids, batch_size=25, epochs=30, verbose=0).history["loss"]
    assert history[-1] < history[0] / 3
    assert (np.asarray(model(x)).argmax(1) == ids).mean() > 0.95


def test_a_vector_of_zeros_has_no_direction_and_a_finite_slope():
    x = tf.zeros((1, 4))
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = unit(x)
    assert np.asarray(value).tolist() == [[0] * 4]
    assert np.isfinite(tape.gradient(value, x)).all()


@pytest.mark.parametrize(
    "make",
    [lambda: CosineHead(0), lambda: CosineHead(3, subcentres=0), lambda: WarmUp(-1)],
    ids=["classes", "subcentres", "batches"],
)
def test_impossible_numbers_are_refused(make):
    with pytest.raises(ValueError, match="at least"):
        make()
