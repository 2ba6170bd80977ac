"""What the tasks with heads on a backbone share: their loss, their network at work, pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from edgecv.training.data.samples import Samples
from edgecv.training.errors import RecipeError
from edgecv.training.measuring import Inference
from edgecv.types import Image

if TYPE_CHECKING:
    import keras


SHOWN = 12
CELL = 256  # pixels of a picture in the report


def built(what: str, function: Callable[..., Any], *subject: Any, **options: Any) -> Any:
    """Build a part of a network by a recipe's options.

    Raises:
        RecipeError: An option does not fit the network.
    """
    try:
        return function(*subject, **options)
    except ValueError as error:
        raise RecipeError(f"[{what}]: {error}") from error


def drawn(worker: Inference, network: keras.Model, samples: Samples) -> Image:
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
