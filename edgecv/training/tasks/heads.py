"""What the tasks with heads on a backbone share: their loss, their network at work, pictures."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edgecv.errors import unknown_name
from edgecv.evaluation.loop import at_score
from edgecv.model import Model
from edgecv.results import AnyResult
from edgecv.spec import ModelSpec
from edgecv.training.data.samples import Samples
from edgecv.training.errors import RecipeError
from edgecv.training.measuring import Inference
from edgecv.types import Image

if TYPE_CHECKING:
    import keras

    from edgecv.training.recipe import LossPart

SHOWN = 12
CELL = 256  # pixels of a picture in the report


def pick_loss(
    losses: Mapping[str, Callable[..., Any]], part: LossPart, default: str
) -> tuple[str, Callable[..., Any]]:
    """Return the name of a recipe's loss, and the loss with its options bound.

    Raises:
        UnknownNameError: There is no such loss, or it has no such option.
    """
    name = part.name or default
    if name not in losses:
        raise unknown_name("loss", name, losses)
    known = [
        key
        for key, parameter in inspect.signature(losses[name]).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    ]
    for option in part.options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    return name, partial(losses[name], **part.options)


def built(what: str, function: Callable[..., Any], *subject: Any, **options: Any) -> Any:
    """Build a part of a network by a recipe's options.

    Raises:
        RecipeError: An option does not fit the network.
    """
    try:
        return function(*subject, **options)
    except ValueError as error:
        raise RecipeError(f"[{what}]: {error}") from error


class Worker:
    """A network in training at work: pictures in, results out.

    Args:
        spec: What goes into the trained file.
        score: Leave out results below this score; None for the spec's own.
    """

    def __init__(self, spec: ModelSpec, score: float | None = None) -> None:
        self._infer = Inference(spec)
        self._score = score

    def results(self, network: keras.Model, images: Iterable[Image]) -> Iterator[AnyResult]:
        """Yield the result for each picture, uint8 (H, W, 3) BGR."""
        model = self.model(network)
        return (model(image) for image in images)

    def model(self, network: keras.Model) -> Model:
        """Return the network as a model; compiled once for the same network."""
        model = self._infer.model(network)
        return model if self._score is None else at_score(model, self._score)


def drawn(worker: Worker, network: keras.Model, samples: Samples) -> Image:
    """Return pictures, spread over a set, with what is found in them: uint8 (H, W, 3) BGR."""
    count = min(SHOWN, len(samples))
    images = [samples[index * len(samples) // count].image for index in range(count)]
    results = worker.results(network, images)
    cells = [_cell(r.draw(image)) for r, image in zip(results, images, strict=True)]
    return sheet(cells, 4)


def _cell(image: Image) -> Image:
    """Fit a picture into a white square."""
    scale = CELL / max(image.shape[:2])
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    cell = np.full((CELL, CELL, 3), 255, np.uint8)
    cell[:height, :width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cell


def sheet(cells: Sequence[Image], columns: int) -> Image:
    """Put pictures of one size into rows."""
    blank = np.full_like(cells[0], 255)
    rows = []
    for start in range(0, len(cells), columns):
        row = list(cells[start : start + columns])
        rows.append(np.hstack(row + [blank] * (columns - len(row))))
    return np.vstack(rows)
