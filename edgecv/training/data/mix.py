"""Samples made of several: two classes blended, four pictures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from edgecv.spec import InputSpec
from edgecv.training.data.augment import GREY, Augment, Random, augment, placed, touched
from edgecv.training.data.geometry import INPUT
from edgecv.training.data.samples import IGNORED, Mixed, Sample, Samples
from edgecv.types import FloatArray, Size


def training_sample(
    samples: Samples,
    index: int,
    size: Size,
    rng: Random,
    settings: Augment,
    *,
    input: InputSpec = INPUT,
) -> Sample:
    """Return one sample as training sees it: augmented, perhaps blended or one of four.

    Args:
        samples: The dataset.
        index: Which of its samples. Mixup and mosaic draw others.
        size: The input's size.
        rng: Where chance comes from: the same state gives the same sample.
        settings: What may happen.
        input: How inference fits a picture.

    Raises:
        ValueError: Mixup is asked for samples that are not of one class each.
    """
    if rng.random() < settings.mosaic:
        return mosaic(samples, index, size, rng, settings)
    names = samples.keypoints
    first = augment(samples[index], size, rng, settings, input=input, keypoints=names)
    if not settings.mixup:
        return first
    other = int(rng.integers(len(samples)))
    second = augment(samples[other], size, rng, settings, input=input, keypoints=names)
    return blended(first, second, float(rng.beta(settings.mixup, settings.mixup)))


def blended(first: Sample, second: Sample, weight: float) -> Sample:
    """Return two samples of one class each, one showing through the other: mixup.

    Source: Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, equation 1.

    Args:
        first: One sample.
        second: Another, of the same size.
        weight: How much of `second` there is, 0..1. The one with more gives the label, the other
            one goes to `mix`.

    Raises:
        ValueError: One of them has no label.
    """
    if first.label < 0 or second.label < 0:
        raise ValueError("mixup blends pictures of one class each: use mosaic for boxes and masks")
    if weight > 0.5:
        first, second, weight = second, first, 1 - weight
    image = cv2.addWeighted(first.image, 1 - weight, second.image, weight, 0)
    return replace(first, image=np.asarray(image, np.uint8), mix=Mixed(second.label, weight))


def soft_labels(samples: Sequence[Sample], classes: int, *, smoothing: float = 0.0) -> FloatArray:
    """Return what a classifier should say of each sample: float32 (B, classes), rows add up to 1.

    Args:
        samples: Samples of one class each; of two where they are blended.
        classes: How many classes there are.
        smoothing: The part that is spread over all classes. Source: Szegedy et al., "Rethinking
            the Inception Architecture for Computer Vision", 2016, section 7.

    Raises:
        ValueError: A label is not one of the classes.
    """
    labels = np.array([sample.label for sample in samples], np.int64)
    others = np.array([s.mix.label if s.mix else s.label for s in samples], np.int64)
    weights = np.array([s.mix.weight if s.mix else 0.0 for s in samples], np.float32)
    highest, lowest = np.maximum(labels, others), np.minimum(labels, others)
    if (lowest < 0).any() or (highest >= classes).any():
        raise ValueError(
            f"labels go from 0 to {classes - 1}, got {lowest.min()} to {highest.max()}"
        )
    rows = np.arange(len(samples))
    out = np.zeros((len(samples), classes), np.float32)
    out[rows, labels] = 1 - weights
    out[rows, others] += weights
    return out * np.float32(1 - smoothing) + np.float32(smoothing / classes)


def mosaic(samples: Samples, index: int, size: Size, rng: Random, settings: Augment) -> Sample:
    """Return four samples side by side, with everything that is marked in them.

    The point where they meet is drawn from the middle of the picture. Each picture fills its part
    with its aspect kept. Source: Bochkovskiy et al., "YOLOv4: Optimal Speed and Accuracy of Object
    Detection", 2020, section 3.4.

    Args:
        samples: The dataset.
        index: Which of its samples is one of the four; the others are drawn.
        size: The size of the whole.
        rng: Where chance comes from.
        settings: What may happen to each of the four (but `expand`), and to the whole.
    """
    chosen = [index, *rng.integers(len(samples), size=3).tolist()]
    order = rng.permutation(4)
    x, y = round(size.width * rng.uniform(0.3, 0.7)), round(size.height * rng.uniform(0.3, 0.7))
    corners = ((0, 0, x, y), (x, 0, size.width, y), (0, y, x, size.height), (x, y, *size[::-1]))
    cover = InputSpec(fit="crop")
    filled = replace(settings, expand=1.0)
    parts = []
    for number, (x0, y0, x1, y1) in zip(order.tolist(), corners, strict=True):
        part = placed(
            samples[chosen[number]],
            Size(y1 - y0, x1 - x0),
            rng,
            filled,
            input=cover,
            keypoints=samples.keypoints,
        )
        parts.append((part, x0, y0))
    return touched(_joined(parts, size), rng, settings)


def _joined(parts: Sequence[tuple[Sample, int, int]], size: Size) -> Sample:
    """Put samples into one, each at its place (x, y)."""
    image = np.full((*size, 3), GREY, np.uint8)
    marked = all(part.mask is not None for part, _, _ in parts)
    mask = np.full(size, IGNORED, np.uint8) if marked else None
    boxes, points = [], []
    for part, x, y in parts:
        high, wide = part.image.shape[:2]
        image[y : y + high, x : x + wide] = part.image
        if mask is not None and part.mask is not None:
            mask[y : y + high, x : x + wide] = part.mask
        boxes.append(part.boxes + np.array((x, y, x, y), np.float32))
        seen = part.keypoints[..., 2:] > 0
        points.append(part.keypoints + np.array((x, y, 0), np.float32) * seen)
    return replace(
        parts[0][0],
        image=image,
        label=-1,
        boxes=np.concatenate(boxes),
        classes=np.concatenate([part.classes for part, _, _ in parts]),
        keypoints=np.concatenate(points),
        mask=mask,
    )
