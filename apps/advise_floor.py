"""Whether a way to run a model keeps its accuracy: on labelled pictures, or by agreement alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
from edgecv.converters.agreement import Answers, answers, compare
from edgecv.quantize.drop import compare as compare_drop
from edgecv.quantize.samples import find_pictures

from edgecv import read_image
from edgecv.datasets import spread
from edgecv.evaluation.record import Evaluation
from edgecv.model import Model
from edgecv.spec import ModelSpec
from edgecv.types import Image

from .eval import MEASURES, Measure
from .quantize_data import check_layout, classes_of, limited

LOOKS = 128
"""Pictures that agreement is measured on."""
LEAST_PART = 0.5
"""Of the height and width of a photograph that a view of it shows."""


class Kept(NamedTuple):
    """What became of the accuracy.

    Attributes:
        holds: Whether it fell by no more than is allowed.
        metric: What it is measured in.
        value: By that, 0..1.
        said: The same for people.
    """

    holds: bool
    metric: str
    value: float
    said: str


class Floor(Protocol):
    """What a way to run a model has to keep to."""

    how: str

    def refer(self, model: Model) -> None:
        """Take the model that the others are held against."""

    def check(self, model: Model, max_drop: float) -> Kept:
        """Return whether a model keeps to it within so many points (hundredths)."""


class Labelled:
    """Accuracy on labelled pictures, as `edgecv eval` measures it.

    Args:
        spec: The model's.
        folder: The pictures.
        limit: How many of them; None for all.

    Raises:
        DataError: The folder is not what the task asks for.
    """

    def __init__(self, spec: ModelSpec, folder: Path, limit: int | None) -> None:
        self._measure = _measure(spec.task)
        check_layout(folder, self._measure.layout, spec.task)
        self._data: Any = limited(self._measure.read(folder), limit)
        self._args = argparse.Namespace(
            classes=classes_of(spec, self._data), limit=None, margin=0.0, detector=None,
            device="cpu", threads=None,
        )  # fmt: skip
        self._before: Evaluation | None = None
        self.how = f"measured on {folder}"

    def refer(self, model: Model) -> None:
        """Evaluate the model that the others are held against."""
        self._before = self._evaluated(model)

    def check(self, model: Model, max_drop: float) -> Kept:
        """Evaluate a model; its main figure may fall by `max_drop` points."""
        if self._before is None:
            raise RuntimeError("`refer` comes before `check`")
        found = compare_drop(self._before, self._evaluated(model))
        drop = found.drop
        return Kept(
            drop.value <= max_drop, found.metric, found.after.value,
            f"{found.metric} {found.before.value:.4f} -> {found.after.value:.4f}, a drop of "
            f"{drop.value:.2f} points (95 %: {drop.low:.2f} to {drop.high:.2f})",
        )  # fmt: skip

    def _evaluated(self, model: Model) -> Evaluation:
        return self._measure.evaluate(model, self._data, self._args, lambda done, total: None)


class Agreeing:
    """Agreement with the reference's results: not accuracy, but what can be had without labels.

    Args:
        images: Photographs, uint8 (H, W, 3) BGR.
    """

    def __init__(self, images: Sequence[Image]) -> None:
        self._images = images
        self._before: Answers | None = None
        self.how = (
            f"agreement on {len(images)} views of photographs: give --eval and labelled pictures "
            "for accuracy"
        )

    def refer(self, model: Model) -> None:
        """Run the model that the others are held against."""
        self._before = answers(model, self._images)

    def check(self, model: Model, max_drop: float) -> Kept:
        """Run a model: at most `max_drop` hundredths of its results may be others."""
        if self._before is None:
            raise RuntimeError("`refer` comes before `check`")
        results = compare(self._before, answers(model, self._images)).results
        if not results:
            return Kept(True, "", 1.0, "nothing was found in the photographs by either")
        name, value = list(results.items())[-1]  # the looser of two counts of boxes
        said = f"{name} in {value:.1%} of the results (limit {100 - max_drop:g}%)"
        return Kept(1 - value <= max_drop / 100 + 1e-9, f"agreement, {name}", value, said)


def views(photographs: Sequence[Image], count: int = LOOKS, seed: int = 0) -> list[Image]:
    """Return parts of photographs, some of them mirrored; the same for the same seed.

    Args:
        photographs: uint8 (H, W, 3) BGR.
        count: How many.
        seed: Of the chance.
    """
    rng = np.random.default_rng(seed)
    found: list[Image] = []
    for number in range(count):
        image = photographs[number % len(photographs)]
        height, width = image.shape[:2]
        part = rng.uniform(LEAST_PART, 1)
        rows, columns = max(int(height * part), 1), max(int(width * part), 1)
        top, left = rng.integers(height - rows + 1), rng.integers(width - columns + 1)
        view = image[top : top + rows, left : left + columns]
        found.append(np.ascontiguousarray(view[:, ::-1] if rng.random() < 0.5 else view))
    return found


def photographs_in(folder: Path, count: int = LOOKS) -> list[Image]:
    """Return pictures of a folder, spread evenly over it.

    Raises:
        DataError: It is missing, or holds too few.
        ImageError: One cannot be read.
    """
    return [read_image(file) for file in spread(find_pictures(folder), count)]


def write_views(images: Sequence[Image], folder: Path) -> Path:
    """Write pictures into a folder as PNG files, to calibrate with; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f"{number:04}.png"), image)
    return folder


def _measure(task: str) -> Measure:
    return next(measure for measure in MEASURES.values() if measure.task == task)
