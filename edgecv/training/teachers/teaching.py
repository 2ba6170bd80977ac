"""A training with a teacher: what the recipe's [distill] adds to a task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from keras import ops

from edgecv.model import load
from edgecv.progress import bar
from edgecv.training.data.samples import Sample, Samples
from edgecv.training.errors import RecipeError
from edgecv.training.losses.distill import softened_divergence
from edgecv.training.recipe import DistillPart
from edgecv.training.tasks import Outputs, Targets, Task, Tensor
from edgecv.training.teachers.labels import taught
from edgecv.training.teachers.panel import Panel, mean_logits
from edgecv.training.teachers.teacher import Numbered, class_logits
from edgecv.types import Array, FloatArray, IntArray


def with_teacher(task: Task, part: DistillPart) -> Task:
    """Return a task that learns from a teacher too; without a teacher, the task as it is.

    Classifiers get the teachers' softened classes besides their own: `weight` is their part of the
    loss. They are asked once about each picture of `train`, or with `consistent` about everything
    that is made of it. Source of the latter: Beyer et al. 2022, "Knowledge Distillation: A Good
    Teacher is Patient and Consistent". Detectors and pose networks get the boxes and keypoints that
    a teacher finds where nothing is marked; `weight` and `temperature` say nothing then. The task
    of faces has asked already.

    Args:
        task: What is taught.
        part: The recipe's [distill].

    Raises:
        RecipeError: The task cannot be taught, or not so.
        SpecError: The teacher is for another task, or knows other classes.
        UnknownNameError: There is no such teacher.
    """
    if not part.teacher or task.spec.task == "face_embedding":
        return task
    teach = _TEACH.get(task.spec.task)
    if teach is None:
        raise RecipeError(f"distill.teacher is not for {task.spec.task}: leave it out")
    return teach(task, part)


def _boxes(task: Task, part: DistillPart) -> Task:
    with load(part.only) as teacher, bar("asking the teacher") as report:
        return replace(task, train=taught(teacher, task.train, report=report))


def _classes(task: Task, part: DistillPart) -> Task:
    taught_task = _asked_each_time(task, part) if part.consistent else _asked_once(task, part)

    def loss(targets: Targets, outputs: Outputs) -> Tensor:
        own = ops.mean(task.loss(targets["own"], outputs))
        theirs = softened_divergence(targets["taught"], outputs, temperature=part.temperature)
        return (1 - part.weight) * own + part.weight * ops.mean(theirs)

    return replace(taught_task, loss=loss)


def _asked_each_time(task: Task, part: DistillPart) -> Task:
    panel = Panel(part.teacher, task.train.names)
    own = task.encode

    def encode(samples: Sequence[Sample]) -> dict[str, Array]:
        said = panel.logits(sample.image for sample in samples)
        return {"own": np.asarray(own(samples)), "taught": said}

    return replace(task, encode=encode)


def _asked_once(task: Task, part: DistillPart) -> Task:
    logits = mean_logits([_said(name, task.train) for name in part.teacher])
    labels = np.array([task.train[i].label for i in range(len(task.train))], np.int64)
    names = tuple(task.train.names[label] for label in labels.tolist())
    own = task.encode

    def encode(samples: Sequence[Sample]) -> dict[str, Array]:
        said = softened(samples, logits, part.temperature)
        return {"own": np.asarray(own([_labelled(s, labels) for s in samples])), "taught": said}

    return replace(task, train=Numbered(task.train, names), encode=encode)


def _said(name: str, samples: Samples) -> FloatArray:
    with load(name) as teacher, bar(f"asking {teacher.spec.name}") as report:
        return class_logits(teacher, samples, report=report)


def softened(samples: Sequence[Sample], logits: FloatArray, temperature: float) -> FloatArray:
    """Return a teacher's logits for samples labelled by their numbers, float32 (B, C).

    Of a picture that was blended from two, the probabilities at the temperature are blended.

    Args:
        samples: B of them, as `Numbered` gives them.
        logits: The teacher's for the whole set, (N, C).
        temperature: What logits are divided by.
    """
    first = logits[[sample.label for sample in samples]]
    if all(sample.mix is None for sample in samples):
        return first
    second = logits[[s.mix.label if s.mix else s.label for s in samples]]
    weight = np.array([[s.mix.weight if s.mix else 0.0] for s in samples], np.float32)
    blend = (1 - weight) * _softmax(first / temperature) + weight * _softmax(second / temperature)
    out: FloatArray = (temperature * np.log(np.maximum(blend, 1e-12))).astype(np.float32)
    return out


def _softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    out: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return out


def _labelled(sample: Sample, labels: IntArray) -> Sample:
    """Return a sample with the labels that its numbers stand for."""
    mix = sample.mix
    if mix is not None:
        mix = mix._replace(label=int(labels[mix.label]))
    return replace(sample, label=int(labels[sample.label]), mix=mix)


_TEACH = {
    "classification": _classes,
    "detection": _boxes,
    "face_detection": _boxes,
    "pose": _boxes,
}
