"""Batches for a network, whose content depends on the seed, the epoch and the place in it alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import tensorflow as tf

from edgecv.spec import InputSpec
from edgecv.training.data.augment import Augment
from edgecv.training.data.geometry import INPUT, fit, tensors
from edgecv.training.data.mix import training_sample
from edgecv.training.data.order import Schedule, chance, own_order
from edgecv.training.data.samples import Sample, Samples
from edgecv.types import Array, FloatArray, Size

Targets: TypeAlias = "Mapping[str, Array] | Array"
Encode: TypeAlias = Callable[[Sequence[Sample]], Targets]
"""Makes what a network should say of a batch: arrays (B, ...) of the same shape for every batch."""

_THREADS = max(2, min(8, os.cpu_count() or 1))


def batches(  # noqa: PLR0913 - what a training run says of its batches
    samples: Samples,
    encode: Encode,
    *,
    size: tuple[int, int],
    batch: int,
    epochs: int,
    first_epoch: int = 0,
    seed: int = 0,
    shuffle: bool = True,
    settings: Augment | None = None,
    shard: tuple[int, int] = (0, 1),
    input: InputSpec = INPUT,
    drop_remainder: bool = False,
    threads: int | None = None,
) -> tf.data.Dataset:
    """Return the batches of some epochs, one after the other: (pictures, targets).

    Pictures are float32 (B, H, W, C) as `input` says. Batch number i of epoch e is the same,
    whichever epoch the dataset begins with and however many threads make it. Turns OpenCV's own
    threads off: the batches are made side by side already.

    Args:
        samples: The dataset; one that is `Ordered` brings its own order of shuffled epochs.
        encode: Makes the targets. It runs in several threads.
        size: (height, width) of the network's input.
        batch: Samples in a batch.
        epochs: Ends before this epoch.
        first_epoch: Begins with this epoch.
        seed: Of all chance.
        shuffle: Whether every epoch has an order of its own.
        settings: What may happen to the pictures; None for pictures as inference sees them.
        shard: Which machine this is, and of how many; each gives `batch` samples to every step.
        input: How inference prepares a picture.
        drop_remainder: Whether samples that fill no whole batch are left out of the epoch.
        threads: How many batches are made at a time; None for one for each core, up to 8.

    Raises:
        ValueError: A number is out of range, or there are too few samples.
    """
    if not 0 <= first_epoch <= epochs:
        raise ValueError(f"wanted 0 <= first_epoch <= epochs, got {first_epoch} and {epochs}")
    schedule = Schedule(
        len(samples), batch, seed, shuffle, shard, drop_remainder, own_order(samples)
    )
    make = _Maker(samples, encode, schedule, Size(*size), settings, input)
    cv2.setNumThreads(1)
    numbers = tf.data.Dataset.range(first_epoch * schedule.steps, epochs * schedule.steps)
    return _made(numbers, make, threads or _THREADS)


def example(
    samples: Samples, encode: Encode, *, size: tuple[int, int], input: InputSpec = INPUT
) -> tuple[FloatArray, Targets]:
    """Return the first sample as a batch of one, as inference sees it, with its targets."""
    one = [fit(samples[0], Size(*size), input)]
    return tensors(one, input), encode(one)


def _made(numbers: tf.data.Dataset, make: _Maker, threads: int) -> tf.data.Dataset:
    fixed = make.schedule.batch if make.schedule.drop_remainder else None
    one = example(make.samples, make.encode, size=make.size, input=make.input)
    signature = _Signature(one, fixed)

    def batch(number: tf.Tensor) -> tuple[Any, Any]:
        flat = tf.numpy_function(lambda n: signature.flat(make(int(n))), [number], signature.types)
        return signature.named(flat)

    return numbers.map(batch, num_parallel_calls=threads, deterministic=True).prefetch(2)


@dataclass(frozen=True)
class _Maker:
    """Makes one batch by its number, counted over all epochs."""

    samples: Samples
    encode: Encode
    schedule: Schedule
    size: Size
    settings: Augment | None
    input: InputSpec

    def __call__(self, number: int) -> tuple[FloatArray, Targets]:
        epoch, step = divmod(number, self.schedule.steps)
        indices = self.schedule.indices(epoch, step).tolist()
        made = [self.sample(index, epoch) for index in indices]
        return tensors(made, self.input), self.encode(made)

    def sample(self, index: int, epoch: int) -> Sample:
        if self.settings is None:
            return fit(self.samples[index], self.size, self.input)
        rng = chance(self.schedule.seed, epoch, index)
        return training_sample(self.samples, index, self.size, rng, self.settings, input=self.input)


class _Signature:
    """What a batch looks like to TensorFlow.

    Args:
        example: A batch of one.
        batch: Samples in every batch; None where the last one of an epoch is smaller.
    """

    def __init__(self, example: tuple[FloatArray, Targets], batch: int | None) -> None:
        images, targets = example
        self.keys = tuple(targets) if isinstance(targets, Mapping) else None
        arrays = [np.asarray(array) for array in self.flat((images, targets))]
        self.types = [tf.as_dtype(array.dtype) for array in arrays]
        self.shapes = [(batch, *array.shape[1:]) for array in arrays]

    def flat(self, made: tuple[FloatArray, Targets]) -> list[Array]:
        images, targets = made
        if self.keys is None or not isinstance(targets, Mapping):
            return [images, np.asarray(targets)]
        return [images, *(targets[key] for key in self.keys)]

    def named(self, flat: Sequence[Any]) -> tuple[Any, Any]:
        images, *targets = (
            tf.ensure_shape(array, shape) for array, shape in zip(flat, self.shapes, strict=True)
        )
        if self.keys is None:
            return images, targets[0]
        return images, dict(zip(self.keys, targets, strict=True))
