"""Classification: a network of `edgecv.models`, or one's own, with a class for each folder."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from edgecv.drawing import label
from edgecv.errors import DataError
from edgecv.evaluation import classification, plots
from edgecv.evaluation.classification import ClassificationEvaluation
from edgecv.results import Classes
from edgecv.spec import InputSpec, ModelSpec
from edgecv.training.data.mix import soft_labels
from edgecv.training.data.samples import Sample, Samples
from edgecv.training.losses.classes import build_loss
from edgecv.training.measuring import Inference
from edgecv.training.network import open_network
from edgecv.training.qat.training import started
from edgecv.training.tasks import Task
from edgecv.training.tasks.sets import check_blends, open_sets, repeated
from edgecv.types import FloatArray, Image

if TYPE_CHECKING:
    import keras

    from edgecv.training.recipe import Recipe

SHOWN = 24
CELL = 144  # pixels of a picture in the report
RIGHT, WRONG = (60, 160, 60), (60, 60, 220)
"""BGR."""


def make(recipe: Recipe) -> Task:
    """Build the network and its pictures from a recipe.

    Raises:
        RecipeError: The recipe lacks something, or has an option that nothing takes.
        DataError: A folder is not what it should be.
        UnknownNameError: There is no such network, loss or format.
    """
    check_blends(recipe, "mixup")
    train, val = open_sets(recipe)
    if len(train.names) < 2:
        raise DataError(
            f"{recipe.data.train} holds one class, {train.names[0]}: wanted two or more, each a "
            "folder of its pictures"
        )
    network = open_network(recipe, classes=len(train.names))
    spec = classifier_spec(recipe, train.names, network.input)
    measured = Measured(spec, val)

    def encode(samples: Sequence[Sample]) -> FloatArray:
        return soft_labels(samples, len(train.names))

    return Task(
        model=started(network.model, recipe, spec),
        spec=spec,
        train=repeated(recipe, train),
        val=val,
        encode=encode,
        loss=build_loss(recipe.loss.name or "cross_entropy", recipe.loss.options),
        measure=lambda model: measured(model).figures,
        headline="top1",
        pictures={"confusion": measured.confusion, "answers": measured.answers},
        backbone=network.backbone,
    )


def classifier_spec(recipe: Recipe, names: tuple[str, ...], given: InputSpec) -> ModelSpec:
    """Return what goes into the trained file: it gives logits, one for each class."""
    return ModelSpec(
        name=recipe.name or recipe.model.name,
        task="classification",
        decoder="classifier",
        input=given,
        labels=names,
        score=0.1,
        options={"softmax": True},
        source=f"trained by edgecv: recipe {recipe.name}",
    )


class Measured:
    """A classifier's answers on the validation set; the last ones are kept for the report.

    Args:
        spec: What goes into the trained file.
        val: The validation set.
    """

    def __init__(self, spec: ModelSpec, val: Samples) -> None:
        self.val, self._infer = val, Inference(spec, score=0.0)
        self.labels = tuple(val.names[val[index].label] for index in range(len(val)))

    def __call__(self, model: keras.Model) -> ClassificationEvaluation:
        """Return the figures that `edgecv eval classify` gives."""
        return classification.measure(self.labels, self._answers(model))

    def confusion(self, model: keras.Model) -> Image:
        """Return a picture of the confusion table."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "confusion.png"
            plots.confusion_plot(self(model), file)
            return cast("Image", cv2.imread(str(file)))

    def answers(self, model: keras.Model) -> Image:
        """Return pictures, spread over the set, with their answers: green right, red wrong."""
        count = min(SHOWN, len(self.val))
        chosen = [index * len(self.val) // count for index in range(count)]
        images = [self.val[index].image for index in chosen]
        cells = []
        for index, image, result in zip(
            chosen, images, self._infer.results(model, iter(images)), strict=True
        ):
            answer = cast("Classes", result)
            resized = cv2.resize(image, (CELL, CELL), interpolation=cv2.INTER_AREA)
            cell = np.asarray(resized, np.uint8)
            name = answer.labels[int(answer.class_ids[0])]
            right = name == self.labels[index]
            label(cell, f"{name} {answer.scores[0]:.2f}", 0, CELL, RIGHT if right else WRONG)
            if not right:
                label(cell, f"is {self.labels[index]}", 0, 18, WRONG)
            cells.append(cell)
        return _sheet(cells, 6)

    def _answers(self, model: keras.Model) -> list[Classes]:
        return cast("list[Classes]", self._infer(model, self.val))


def _sheet(cells: Sequence[Image], columns: int) -> Image:
    """Put pictures of one size into rows."""
    blank = np.full_like(cells[0], 255)
    rows = []
    for start in range(0, len(cells), columns):
        row = list(cells[start : start + columns])
        rows.append(np.hstack(row + [blank] * (columns - len(row))))
    return cast("Image", np.vstack(rows))
