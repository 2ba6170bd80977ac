"""A task with a teacher: its answers in the targets, its part in the loss."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

pytest.importorskip("keras")

import keras
import tensorflow as tf

from edgecv.errors import EdgeCVError, SpecError
from edgecv.spec import ModelSpec
from edgecv.training.data.mix import soft_labels
from edgecv.training.data.samples import Mixed, Sample, SampleList
from edgecv.training.errors import RecipeError
from edgecv.training.losses.classes import cross_entropy
from edgecv.training.losses.distill import softened_divergence
from edgecv.training.recipe import DistillPart, recipe_from_dict
from edgecv.training.tasks import Task
from edgecv.training.teachers.panel import Panel
from edgecv.training.teachers.teaching import softened, with_teacher
from edgecv.training.trainer import Trainer

NAMES = ("daisy", "tabby", "banana")
LOGITS = np.array([[4, 0, 0], [0, 2, 0], [1, 0, 3]], np.float32)


def _samples(names, count=4):
    images = np.random.default_rng(0).integers(0, 256, (count, 40, 40, 3), np.uint8)
    return SampleList([Sample(im, label=k % len(names)) for k, im in enumerate(images)], names)


def _task(samples, kind="classification"):
    count = len(samples.names)
    inputs = keras.Input((32, 32, 3))
    model = keras.Model(inputs, keras.layers.Dense(count)(keras.layers.Flatten()(inputs)))
    return Task(
        model=model,
        spec=ModelSpec("small", kind, "classifier"),
        train=samples,
        val=samples,
        encode=lambda items: soft_labels(items, count),
        loss=cross_entropy,
        measure=lambda model: {"top1": 0.0},
        headline="top1",
    )


def test_without_a_teacher_the_task_is_the_same():
    task = _task(_samples(NAMES))
    assert with_teacher(task, DistillPart()) is task


def test_the_task_of_faces_has_asked_already():
    task = _task(_samples(NAMES), kind="face_embedding")
    assert with_teacher(task, DistillPart(teacher=("mobilefacenet_fp32",))) is task


def test_a_task_that_nobody_teaches_is_refused():
    task = _task(_samples(NAMES), kind="segmentation")
    with pytest.raises(RecipeError, match="segmentation"):
        with_teacher(task, DistillPart(teacher=("mobilenet_v1_0.25_224_fp32",)))


def test_an_unknown_teacher_is_refused():
    with pytest.raises(EdgeCVError, match=r"mobilenet_v1_0\.25_224_fp32"):
        with_teacher(_task(_samples(NAMES)), DistillPart(teacher=("mobilenet_v1_0.25_224_fp",)))


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (DistillPart(teacher=("one", "two")), "one, two: only a classifier may have several"),
        (DistillPart(teacher=("one",), consistent=True), "consistent is for classifiers"),
    ],
)
def test_a_finder_of_boxes_has_one_teacher_and_asks_once(part, said):
    with pytest.raises(RecipeError, match=said):
        with_teacher(_task(_samples(NAMES), kind="detection"), part)


def test_a_sample_has_the_answer_of_its_number():
    image = np.zeros((2, 2, 3), np.uint8)
    got = softened([Sample(image, label=2), Sample(image, label=0)], LOGITS, 2.0)
    assert got.tolist() == LOGITS[[2, 0]].tolist()


def test_a_blended_picture_has_both_answers_by_their_weights():
    image = np.zeros((2, 2, 3), np.uint8)
    samples = [Sample(image, label=0, mix=Mixed(1, 0.25)), Sample(image, label=2)]
    got = softened(samples, LOGITS, 2.0) / 2
    said = np.exp(LOGITS / 2) / np.exp(LOGITS / 2).sum(1, keepdims=True)
    shares = np.exp(got) / np.exp(got).sum(1, keepdims=True)
    np.testing.assert_allclose(shares[0], 0.75 * said[0] + 0.25 * said[1], rtol=1e-5)
    np.testing.assert_allclose(shares[1], said[2], rtol=1e-5)


@pytest.mark.zoo
def test_a_classifiers_targets_and_loss_have_the_teachers_part(zoo):
    part = DistillPart(teacher=("mobilenet_v1_0.25_224_fp32",), weight=0.25, temperature=3.0)
    samples = _samples(("daisy", "banana"))
    task = with_teacher(_task(samples), part)
    items = [task.train[3], replace(task.train[0], mix=Mixed(1, 0.4))]
    targets = task.encode(items)
    np.testing.assert_allclose(targets["own"], [[0, 1], [0.6, 0.4]])
    assert targets["taught"].shape == (2, 2)
    outputs = np.array([[1, 0], [0, 2]], np.float32)
    own = np.mean(cross_entropy(targets["own"], outputs))
    theirs = np.mean(softened_divergence(targets["taught"], outputs, temperature=3.0))
    assert float(task.loss(targets, outputs)) == pytest.approx(0.75 * own + 0.25 * theirs)
    assert task.train.names == ("daisy", "banana", "daisy", "banana")


@pytest.mark.zoo
def test_several_teachers_are_asked_once_and_their_mean_is_kept(zoo):
    names = ("mobilenet_v1_0.25_224_fp32", "mobilenet_v2_1.0_224_int8")
    samples = _samples(("daisy", "banana"))
    task = with_teacher(_task(samples), DistillPart(teacher=names))
    want = Panel(names, samples.names).logits([samples[2].image])
    got = task.encode([task.train[2]])["taught"]
    np.testing.assert_allclose(got - got[:, :1], want - want[:, :1], atol=1e-4)


@pytest.mark.zoo
def test_a_consistent_teacher_is_asked_about_the_picture_that_the_network_sees(zoo):
    part = DistillPart(teacher=("mobilenet_v1_0.25_224_fp32",), consistent=True, weight=0.25)
    samples = _samples(("daisy", "banana"))
    task = with_teacher(_task(samples), part)
    seen = replace(samples[1], image=samples[0].image[:, ::-1], mix=Mixed(0, 0.4))
    targets = task.encode([seen, samples[1]])
    np.testing.assert_allclose(targets["own"], [[0.4, 0.6], [0, 1]])
    panel = Panel(part.teacher, samples.names)
    np.testing.assert_array_equal(targets["taught"], panel.logits([seen.image, samples[1].image]))
    assert abs(targets["taught"][0] - targets["taught"][1]).max() > 1e-3


@pytest.mark.zoo
def test_a_teacher_of_other_classes_is_refused(zoo):
    part = DistillPart(teacher=("mobilenet_v1_0.25_224_fp32",))
    with pytest.raises(SpecError, match="a class nobody knows"):
        with_teacher(_task(_samples(("a class nobody knows",))), part)


@pytest.mark.zoo
@pytest.mark.data
def test_a_detector_gets_the_boxes_that_nobody_marked(zoo, data):
    image = cv2.imread(str(data / "golden" / "squat.bmp"))
    samples = SampleList([Sample(image)], ("person",))
    task = _task(samples, kind="detection")
    taught = with_teacher(task, DistillPart(teacher=("ssd_mobilenet_v1_coco_int8",)))
    assert len(taught.train[0].boxes) >= 1
    assert taught.val is samples


@pytest.mark.zoo
def test_a_student_comes_to_say_what_a_real_classifier_says(zoo):
    keras.utils.set_random_seed(0)
    part = DistillPart(teacher=("mobilenet_v1_0.25_224_fp32",), weight=1.0, temperature=2.0)
    task = with_teacher(_task(_samples(("daisy", "banana", "mushroom"), count=6)), part)
    recipe = recipe_from_dict(
        {"task": "classify", "model": {"name": "mobilenet_v2"}, "optimizer": {"name": "adam"}}
    )
    trainer = Trainer(task, recipe, tf.distribute.get_strategy())
    trainer.begin_epoch(0)
    items = [task.train[i] for i in range(6)]
    images = np.stack([s.image[:32, :32, ::-1] for s in items]).astype(np.float32) / 127.5 - 1
    targets = task.encode(items)
    losses = [trainer.step(images, targets, 1e-3).loss for _ in range(60)]
    assert losses[-1] < losses[0] / 20
    answers = task.model(images).numpy().argmax(axis=1)
    assert answers.tolist() == targets["taught"].argmax(axis=1).tolist()
