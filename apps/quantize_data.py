"""What `edgecv quantize` is given: which files become what, whether the pictures fit the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from edgecv.converters import CONVERTERS
from edgecv.quantize.card import interval, lost
from edgecv.quantize.examples import Data
from edgecv.quantize.ladder import Step

from edgecv import datasets
from edgecv.datasets import CocoData, LabelledImage
from edgecv.errors import DataError
from edgecv.evaluation import classification, detection
from edgecv.spec import ModelSpec

KINDS: Mapping[str, str] = {
    ".keras": "keras",
    ".tflite": "tflite",
    ".onnx": "onnx",
    ".xml": "openvino",
    ".h5": "keras",
}
"""What files are, by their ending."""


def can_become(suffix: str, target: str) -> bool:
    """Tell whether a file of that ending is of a format, or can be converted to it."""
    return KINDS[suffix] == target or f"{KINDS[suffix]}>{target}" in CONVERTERS


def limited(data: Any, limit: int | None) -> Data:
    """Return `limit` of the labelled items, spread evenly; all of them where it is None."""
    if isinstance(data, CocoData):
        return replace(data, images=datasets.spread(data.images, limit))
    return datasets.spread(cast("Sequence[Any]", data), limit)


def check_layout(folder: Path, layout: str, task: str) -> None:
    """Refuse an evaluation set of another task: class folders are easily seen where there are none.

    Args:
        folder: The set.
        layout: What it has to be, a key of `edgecv.datasets.LAYOUTS`.
        task: What the model is for.

    Raises:
        DataError: It is a set of another kind.
    """
    if layout == "classes" or not (folder / layout).is_file():
        others = [name for name in datasets.LAYOUTS if (folder / name).is_file()]
        if others:
            raise DataError(
                f"{folder} is a set for another task (it holds {others[0]}), and the model is for "
                f"{task}. Wanted a folder of {datasets.LAYOUTS[layout]}"
            )


def check_known(spec: ModelSpec, data: Data) -> None:
    """Refuse labelled pictures whose classes are not the model's.

    Raises:
        DataError: The model does not know them.
    """
    if spec.task == "classification":
        labels = {image.label for image in cast("Sequence[LabelledImage]", data)}
        classification.class_ids(spec.labels, labels)
    elif spec.task == "detection":
        detection.categories_of(spec.labels, cast("CocoData", data))


def classes_of(spec: ModelSpec, data: Data) -> list[str]:
    """Return the classes that a detector is measured on: those that it knows.

    A class that it does not know counts nothing before and after, and would hide a part of the
    drop. Empty for other tasks.
    """
    if spec.task != "detection":
        return []
    found = cast("CocoData", data)
    known = detection.categories_of(spec.labels, found)
    return [found.categories[number] for number in dict.fromkeys(known.values())]


def step_line(step: Step) -> str:
    """Return what came of a rung, in a line."""
    if step.comparison is None:
        return f"{step.rung.name:36}  skipped: {step.skipped}"
    found = step.comparison
    figures = f"{found.metric} {found.before.value:.4f} -> {found.after.value:.4f}"
    cost = f"{lost(found.drop.value)} ({interval(found.drop.low, found.drop.high)})"
    return f"{step.rung.name:36}  {figures}  {cost}  {'held' if step.holds else 'too much'}"
