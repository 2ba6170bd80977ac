"""What every evaluation does first: check the model, read the pictures one after the other."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecv.errors import DataError, SpecError
from edgecv.image import read_image
from edgecv.model import Model
from edgecv.progress import Report, silent
from edgecv.types import Image, Size


def check_task(model: Model, *tasks: str) -> None:
    """Refuse a model of another task.

    Raises:
        SpecError: The model's task is none of `tasks`.
    """
    if model.spec.task not in tasks:
        raise SpecError(
            f"{model.spec.name} is a model for {model.spec.task}; wanted one for "
            f"{' or '.join(tasks)}"
        )


def at_score(model: Model, score: float) -> Model:
    """Return the same open model with another score threshold."""
    other = copy.copy(model)
    other.spec = model.spec.with_changes(score=score)
    return other


def pictures(
    files: Sequence[Path], report: Report | None, *, sizes: Sequence[Size] | None = None
) -> Iterator[Image]:
    """Yield the pictures, reporting how many have been dealt with.

    Args:
        files: Where they lie.
        report: Called with how many are done, and of how many.
        sizes: What their sizes have to be; None to take any.

    Raises:
        ImageError: One cannot be read.
        DataError: One is not of the size that its labels were made for.
    """
    tell = report or silent
    for done, file in enumerate(files):
        tell(done, len(files))
        image = read_image(file)
        if sizes is not None and image.shape[:2] != sizes[done]:
            height, width = image.shape[:2]
            raise DataError(
                f"{file} is {width}x{height}, but its labels are for "
                f"{sizes[done].width}x{sizes[done].height}: it was resized or turned since"
            )
        yield image
    tell(len(files), len(files))
