"""Teachers that are asked together, about what the network sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("keras")

from edgecv.errors import EdgeCVError, SpecError
from edgecv.model import load
from edgecv.training.teachers.panel import Panel, mean_logits
from edgecv.training.teachers.teacher import picture_logits

TWO = ("mobilenet_v1_0.25_224_fp32", "mobilenet_v2_1.0_224_int8")
NAMES = ("daisy", "banana", "mushroom")


def _images(count=3):
    return list(np.random.default_rng(0).integers(0, 256, (count, 40, 40, 3), np.uint8))


def _shares(logits):
    powers = np.exp(logits)
    return powers / powers.sum(axis=-1, keepdims=True)


def test_the_mean_answer_is_the_geometric_mean_of_probabilities():
    one, two = np.array([[0.9, 0.1]]), np.array([[0.2, 0.8]])
    got = _shares(mean_logits([np.log(one), np.log(two)]))
    want = np.sqrt(one * two)
    np.testing.assert_allclose(got, want / want.sum(), rtol=1e-6)


def test_a_constant_in_a_teachers_logits_says_nothing():
    one, two = np.array([[3.0, 1.0]], np.float32), np.array([[0.0, 5.0]], np.float32)
    got = _shares(mean_logits([one + 40, two - 7]))
    np.testing.assert_allclose(got, _shares(mean_logits([one, two])), rtol=1e-4)
    assert mean_logits([one, two]).dtype == np.float32


@pytest.mark.zoo
def test_every_teacher_is_asked_about_every_picture(zoo):
    images = _images()
    got = Panel(TWO, NAMES).logits(images)
    each = []
    for name in TWO:
        with load(name, threads=1) as model:
            columns = [model.spec.labels.index(n) for n in NAMES]
            each.append(np.stack([picture_logits(model, image)[columns] for image in images]))
    np.testing.assert_allclose(got, mean_logits(each), atol=1e-5)
    assert got.shape == (3, 3)


@pytest.mark.zoo
def test_threads_get_the_same_answers(zoo):
    panel, images = Panel(TWO[:1], NAMES), _images(8)
    alone = panel.logits(images)
    with ThreadPoolExecutor(4) as pool:
        for got in pool.map(lambda _: panel.logits(images), range(8)):
            np.testing.assert_array_equal(got, alone)


@pytest.mark.zoo
def test_a_teacher_of_other_classes_is_refused_at_once(zoo):
    with pytest.raises(SpecError, match="a class nobody knows"):
        Panel(TWO, ("a class nobody knows",))
    with pytest.raises(EdgeCVError, match="classification"):
        Panel(("ssd_mobilenet_v1_coco_int8",), NAMES)
