"""What makes a network answer as its teacher does, held to worked numbers."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

import tensorflow as tf

from edgecv.training.losses.distill import cosine_distance, similarity_gap, softened_divergence

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_the_divergence_has_the_value_worked_by_hand(temperature):
    # softened, the teacher says 3/4 and 1/4, the student 1/2 and 1/2, at any temperature
    teacher = temperature * np.log(np.array([[3.0, 1.0]], np.float32))
    student = np.array([[1.0, 1.0]], np.float32)
    wanted = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
    got = softened_divergence(teacher, student, temperature=temperature)
    np.testing.assert_allclose(got, [temperature**2 * wanted], rtol=1e-5)


def test_equal_answers_have_no_divergence_whatever_is_added_to_a_row():
    logits = RNG.normal(size=(4, 6)).astype(np.float32)
    got = softened_divergence(logits + 3, logits, temperature=3.0)
    np.testing.assert_allclose(got, np.zeros(4), atol=1e-5)


def test_the_gradient_is_that_of_the_paper():
    # Hinton et al. 2015, equation 2: dC/dz = (q - p) / T, and the loss is T^2 C
    teacher = RNG.normal(size=(1, 5)).astype(np.float32)
    student = tf.constant(RNG.normal(size=(1, 5)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = softened_divergence(teacher, student, temperature=4.0)
    p, q = (np.exp(x / 4) / np.exp(x / 4).sum() for x in (teacher, student.numpy()))
    np.testing.assert_allclose(tape.gradient(value, student), 4 * (q - p), atol=1e-5)


def test_at_a_high_temperature_it_is_the_square_of_the_logits_difference():
    # Hinton et al. 2015, equation 4: for rows of mean 0 the gradient goes to (z - v) / N
    teacher, student = RNG.normal(size=(2, 1, 8)).astype(np.float32)
    teacher, student = teacher - teacher.mean(), tf.constant(student - student.mean())
    with tf.GradientTape() as tape:
        tape.watch(student)
        value = softened_divergence(teacher, student, temperature=500.0)
    np.testing.assert_allclose(
        tape.gradient(value, student), (student.numpy() - teacher) / 8, atol=2e-3
    )


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_a_temperature_that_is_none_is_refused(temperature):
    with pytest.raises(ValueError, match="above 0"):
        softened_divergence(np.zeros((1, 2)), np.zeros((1, 2)), temperature=temperature)


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [((3, 4), (6, 8), 0.0), ((1, 0), (0, 2), 1.0), ((1, 1), (-2, -2), 2.0), ((1, 0), (3, 4), 0.4)],
    ids=["same direction", "right angle", "opposite", "3-4-5"],
)
def test_the_cosine_distance_is_one_less_the_cosine(a, b, wanted):
    got = cosine_distance(np.array([a], np.float32), np.array([b], np.float32))
    np.testing.assert_allclose(got, [wanted], atol=1e-6)


def test_the_similarity_gap_compares_pairs_in_spaces_of_any_size():
    teacher = np.array([[1, 0], [0, 1]], np.float32)  # cosine 0
    student = np.array([[5, 0, 0], [3, 4, 0]], np.float32)  # cosine 0.6
    np.testing.assert_allclose(similarity_gap(teacher, student), [0.18, 0.18], rtol=1e-5)


def test_a_turned_space_has_no_similarity_gap():
    vectors = RNG.normal(size=(6, 4)).astype(np.float32)
    turn, _ = np.linalg.qr(RNG.normal(size=(4, 4)))
    got = similarity_gap(vectors, (vectors @ turn).astype(np.float32))
    np.testing.assert_allclose(got, np.zeros(6), atol=1e-9)
