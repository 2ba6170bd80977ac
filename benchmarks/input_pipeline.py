"""How many images a second the input pipeline gives, by how many a training takes.

    python -m benchmarks.input_pipeline [--data FOLDER]

The network is MobileNetV2-0.35 at 96 x 96: larger ones ask for less. The pictures are class
folders, read once and kept in memory; without any, JPEG files of noise are written. Three ways take
turns: the pipeline alone, training on one batch that is there already, and training from the
pipeline. Exits with 1 where the pipeline gives less than 3 times what training takes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import tensorflow as tf

from edgecv.models import build
from edgecv.training.data.augment import Augment
from edgecv.training.data.folders import class_folders
from edgecv.training.data.pipeline import batches
from edgecv.training.data.samples import Sample, Samples
from edgecv.types import IntArray

LEAST_RATIO = 3.0
LEAST_PICTURES = 3000
SIZE, BATCH = (96, 96), 32
FLOWERS = Path(__file__).parent.parent.parent / "shared" / "data" / "flowers_train"
_MOVED = Augment(mirror=True, crop=0.4, aspect=1.33)
_USUAL = replace(_MOVED, rotate=15, color=0.3, hue=10)
_WORN = replace(_USUAL, blur=0.2, jpeg=0.3, cutout=0.3)
SETTINGS = {
    "as inference sees them": None,
    "mirror, crop": _MOVED,
    "and turn, colour": _USUAL,
    "and blur, JPEG, cutout": _WORN,
    "and mixup": replace(_WORN, mixup=0.2),
}
LIMITED = "and turn, colour"
"""The settings that the limit holds for: those of the recipe for flowers."""


def noise_folders(folder: Path, *, classes: int = 5, pictures: int = 100) -> Path:
    """Write class folders of JPEG files, 128 x 128: smooth noise, which no two share."""
    rng = np.random.default_rng(0)
    for number in range(classes):
        (folder / str(number)).mkdir(parents=True)
        for picture in range(pictures):
            small = rng.integers(0, 256, (16, 16, 3), np.uint8)
            image = cv2.resize(small, (128, 128), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / str(number) / f"{picture}.jpg"), image)
    return folder


def labels(samples: Sequence[Sample]) -> IntArray:
    """Return the class of each sample."""
    return np.array([sample.label for sample in samples], np.int64)


def dataset(samples: Samples, settings: Augment | None) -> tf.data.Dataset:
    """Return the batches of as many epochs as it takes to make the start not matter."""
    epochs = -(-LEAST_PICTURES // len(samples))
    return batches(
        samples, labels, size=SIZE, batch=BATCH, epochs=epochs, settings=settings,
        drop_remainder=True,
    )  # fmt: skip


def network(classes: int) -> keras.Model:
    """Return the network, compiled as the training's loop has it: float32, no XLA."""
    model = build("mobilenet_v2", input_size=SIZE[0], alpha=0.35, classes=classes)
    model.compile(
        optimizer=keras.optimizers.SGD(0.01, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    return model


def given(data: tf.data.Dataset) -> float:
    """Return how many images a second come out of the pipeline."""
    count, start = 0, perf_counter()
    for images, _ in data:
        count += len(images)
    return count / (perf_counter() - start)


def taken(model: keras.Model, data: tf.data.Dataset) -> float:
    """Return how many images a second a training takes."""
    steps = int(data.cardinality())
    start = perf_counter()
    model.fit(data, verbose=0, shuffle=False)
    return steps * BATCH / (perf_counter() - start)


def measure(samples: Samples, rounds: int) -> tuple[dict[str, float], float, float]:
    """Return medians of images a second: of each pipeline, of training alone, of both together."""
    model = network(len(samples.names))
    first = next(iter(dataset(samples, None)))
    steps = int(dataset(samples, None).cardinality())
    still = tf.data.Dataset.from_tensors(first).repeat(steps)
    ways: dict[str, Callable[[], float]] = {
        name: lambda s=settings: given(dataset(samples, s))  # type: ignore[misc]
        for name, settings in SETTINGS.items()
    }
    ways["training"] = lambda: taken(model, still)
    ways["both"] = lambda: taken(model, dataset(samples, SETTINGS[LIMITED]))
    model.fit(still.take(5), verbose=0, shuffle=False)
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name in ways if turn % 2 else reversed(ways):
            speeds[name].append(ways[name]())
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    return medians, medians.pop("training"), medians.pop("both")


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; return 1 where the pipeline is too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="class folders; flowers where they are")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.data or (FLOWERS if FLOWERS.is_dir() else None)
        samples = class_folders(folder or noise_folders(Path(scratch)))
        print(f"{len(samples)} pictures, {folder.name if folder else 'noise'}, batch {BATCH}")
        medians, training, both = measure(samples, chosen.rounds)
    for name, speed in medians.items():
        print(f"{name:24} {speed:6.0f} images/s  {speed / training:5.1f} x what training takes")
    print(f"{'training':24} {training:6.0f} images/s from a batch that is there already")
    print(f"{'both':24} {both:6.0f} images/s, {both / training:.0%} of that")
    enough = medians[LIMITED] / training >= LEAST_RATIO
    print("within the limit" if enough else f"THE LIMIT OF {LEAST_RATIO} x IS NOT REACHED")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
