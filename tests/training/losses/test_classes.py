"""Losses of classifiers, held to worked numbers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

import tensorflow as tf

from edgecv.errors import UnknownNameError
from edgecv.training.losses.classes import build_loss, cross_entropy, focal

# softmax([0, ln 2, ln 5]) = 1/8, 2/8, 5/8
EIGHTHS = np.log(np.array([[1, 2, 5]], np.float32))


def _gradient(function, logits):
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = tf.reduce_sum(function(logits))
    return tape.gradient(value, logits).numpy()


@pytest.mark.parametrize(
    ("target", "smoothing", "wanted"),
    [
        pytest.param([2], 0.0, -np.log(5 / 8), id="an id"),
        pytest.param([[0.0, 0.0, 1.0]], 0.0, -np.log(5 / 8), id="the same as shares"),
        pytest.param([[0.5, 0.5, 0.0]], 0.0, -0.5 * np.log(1 / 8 * 2 / 8), id="mixed"),
        # q' = 0.7 q + 0.1: 0.1, 0.1, 0.8
        pytest.param(
            [2], 0.3, -0.1 * np.log(1 / 8 * 2 / 8) - 0.8 * np.log(5 / 8), id="smoothed id"
        ),
        pytest.param(
            [[0.5, 0.5, 0.0]],
            0.3,
            -0.45 * np.log(1 / 8 * 2 / 8) - 0.1 * np.log(5 / 8),
            id="smoothed mixed",
        ),
    ],
)
def test_cross_entropy_has_the_value_worked_by_hand(target, smoothing, wanted):
    value = cross_entropy(np.array(target), EIGHTHS, smoothing=smoothing)
    np.testing.assert_allclose(value, [wanted], rtol=1e-6)


def test_label_smoothing_over_a_thousand_classes_has_the_papers_shares():
    # Szegedy et al. 2016: K = 1000, eps = 0.1: with logits that are one-hot * t, the loss is
    # log(e^t + 999) - (0.9 + 0.1 / 1000) t
    logits = np.zeros((1, 1000), np.float32)
    logits[0, 7] = 3.0
    value = cross_entropy(np.array([7]), logits, smoothing=0.1)
    np.testing.assert_allclose(value, [np.log(np.exp(3.0) + 999) - 0.9001 * 3.0], rtol=1e-6)


def test_a_class_per_pixel_gives_a_loss_per_pixel():
    logits = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    ids = np.random.default_rng(1).integers(0, 5, (2, 3, 4))
    value = np.asarray(cross_entropy(ids, logits))
    assert value.shape == (2, 3, 4)
    one = cross_entropy(ids[1, 2, 3][None], logits[1, 2, 3][None])
    np.testing.assert_allclose(value[1, 2, 3], one[0], rtol=1e-6)


@pytest.mark.parametrize("wrong", [-1, 3, 255])
@pytest.mark.parametrize("loss", [cross_entropy, focal])
def test_an_id_beyond_the_classes_is_nan_and_spoils_no_other(loss, wrong):
    value = np.asarray(loss(np.array([2, wrong]), np.repeat(EIGHTHS, 2, 0)))
    assert np.isfinite(value[0])
    assert np.isnan(value[1])


@pytest.mark.parametrize(
    ("p", "gamma", "wanted"),
    [
        # Lin et al. 2017, section 3.2: at gamma 2, p_t = 0.9 counts 100 times less than in the
        # cross-entropy, p_t = 0.968 about 1000 times
        pytest.param(0.9, 2.0, -np.log(0.9) / 100, id="p .9"),
        pytest.param(0.968, 2.0, -np.log(0.968) * 0.032**2, id="p .968"),
        pytest.param(0.5, 2.0, -np.log(0.5) / 4, id="p .5"),
        pytest.param(0.3, 0.0, -np.log(0.3), id="gamma 0"),
        pytest.param(0.3, 0.5, -np.log(0.3) * 0.7**0.5, id="gamma .5"),
    ],
)
def test_focal_loss_has_the_papers_value(p, gamma, wanted):
    logits = np.log(np.array([[1 - p, p]], np.float32))
    np.testing.assert_allclose(focal(np.array([1]), logits, gamma=gamma), [wanted], rtol=1e-5)


def test_focal_loss_without_gamma_is_the_cross_entropy_of_soft_targets_too():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(8, 5)).astype(np.float32)
    shares = rng.dirichlet(np.ones(5), 8).astype(np.float32)
    np.testing.assert_allclose(
        focal(shares, logits, gamma=0), cross_entropy(shares, logits), rtol=1e-5
    )


def test_alpha_weighs_the_classes():
    both = focal(np.array([0, 2]), np.repeat(EIGHTHS, 2, 0))
    weighed = focal(np.array([0, 2]), np.repeat(EIGHTHS, 2, 0), alpha=(0.25, 1, 3))
    np.testing.assert_allclose(weighed, np.asarray(both) * [0.25, 3], rtol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_values_and_gradients_are_finite_for_certain_logits(gamma):
    logits = np.array([[500.0, -500.0], [-500.0, 500.0]], np.float32)
    for function in (
        lambda x: focal(np.array([0, 0]), x, gamma=gamma),
        lambda x: cross_entropy(np.array([0, 0]), x, smoothing=0.1),
    ):
        assert np.isfinite(np.asarray(function(logits))).all()
        assert np.isfinite(_gradient(function, logits)).all()


def test_the_gradient_of_the_cross_entropy_is_softmax_less_target():
    got = _gradient(lambda x: cross_entropy(np.array([2]), x), EIGHTHS)
    np.testing.assert_allclose(got, [[1 / 8, 2 / 8, -3 / 8]], atol=1e-6)


def test_half_precision_logits_are_summed_in_float32():
    logits = tf.cast(EIGHTHS, tf.bfloat16)
    assert cross_entropy(np.array([2]), logits).dtype == tf.float32
    assert focal(np.array([2]), logits).dtype == tf.float32


def test_losses_compile_into_a_graph_with_an_open_batch():
    traced = tf.function(
        lambda t, x: (cross_entropy(t, x, smoothing=0.1), focal(t, x)),
        input_signature=[tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, 3], tf.float32)],
    )
    first, second = traced(np.array([2]), EIGHTHS)
    np.testing.assert_allclose(first, cross_entropy(np.array([2]), EIGHTHS, smoothing=0.1))
    np.testing.assert_allclose(second, focal(np.array([2]), EIGHTHS))


def test_a_loss_is_built_by_name_with_its_options():
    built = build_loss("cross_entropy", {"smoothing": 0.3})
    np.testing.assert_allclose(
        built(np.array([2]), EIGHTHS), cross_entropy(np.array([2]), EIGHTHS, smoothing=0.3)
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: build_loss("crossentropy", {}), UnknownNameError, "cross_entropy"),
        (lambda: build_loss("focal", {"gama": 1}), UnknownNameError, "gamma"),
        (lambda: cross_entropy(np.array([0]), EIGHTHS, smoothing=1.5), ValueError, "smoothing"),
        (lambda: focal(np.array([0]), EIGHTHS, gamma=-1), ValueError, "gamma"),
        (lambda: focal(np.array([0]), EIGHTHS, alpha=(1, 2)), ValueError, "3 classes, got 2"),
        (lambda: cross_entropy(np.array([[0]]), EIGHTHS), ValueError, "shares"),
        (lambda: cross_entropy(np.array([[0.5, 0.5]]), EIGHTHS), ValueError, "shares"),
    ],
    ids=["name", "option", "smoothing", "gamma", "alpha", "column", "too few shares"],
)
def test_what_cannot_be_meant_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
