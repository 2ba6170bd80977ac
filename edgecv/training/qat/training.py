"""What a recipe's [qat] does to a training: where it starts from, and when its ranges stand still.

A task builds its network as always, and hands it over: the network in the trained file takes its
place, with the rounding of INT8 inside. What the task puts on top for the training alone, such as
the classes of faces, is not rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from edgecv.modelfile import embedded_spec
from edgecv.models.loading import load_network
from edgecv.spec import InputSpec, ModelSpec
from edgecv.training.data.pipeline import batches
from edgecv.training.errors import RecipeError
from edgecv.training.qat.network import calibrate, hold, is_quantized, prepare
from edgecv.training.qat.walk import functional
from edgecv.training.tasks import Task

if TYPE_CHECKING:
    from edgecv.training.recipe import Recipe


def started(model: keras.Model, recipe: Recipe, spec: ModelSpec) -> keras.Model:
    """Return the network that learns: the one of [qat] start, made ready; without it, `model`.

    Args:
        model: What the recipe builds.
        recipe: The recipe.
        spec: What the recipe's network is for: its labels have to be those of the trained one.

    Raises:
        RecipeError: The trained network takes or gives something else than `model`, knows other
            classes, or has layers that cannot be rounded.
        ModelFileError: The file cannot be read.
    """
    if not recipe.qat.start:
        return model
    file = Path(recipe.qat.start)
    trained = load_network(file)
    _check(file, _shapes(trained), _shapes(model), spec)
    if is_quantized(trained):
        return trained
    try:
        return prepare(trained, momentum=recipe.qat.momentum, input_range=input_range(spec.input))
    except ValueError as error:
        raise RecipeError(f"qat.start: {file}: {error}") from error


def input_range(given: InputSpec) -> tuple[float, float]:
    """Return the least and greatest value that a picture's bytes become."""
    low = min((0 - mean) / std for mean, std in zip(given.mean, given.std, strict=True))
    high = max((255 - mean) / std for mean, std in zip(given.mean, given.std, strict=True))
    return low, high


def with_ranges(task: Task, recipe: Recipe) -> Task:
    """Measure the ranges of a task's network, and return the task with their epochs.

    They are measured on training pictures as inference sees them, the same ones each time.

    Args:
        task: Its network is what `started` gave, with the task's own layers around it.
        recipe: The recipe; without [qat] start the task stays as it is.
    """
    part = recipe.qat
    if not part.start:
        return task
    size = min(recipe.run.batch, len(task.train))
    stream = batches(
        task.train, task.encode, size=tuple(task.model.input_shape[1:3]), batch=size, epochs=1,
        seed=recipe.run.seed, input=task.spec.input, drop_remainder=True,
    )  # fmt: skip
    calibrate(task.model, (images for images, _ in stream.take(part.batches)))
    before = task.at_epoch

    def at_epoch(epoch: int) -> None:
        hold(task.model, still=bool(part.hold_epoch) and epoch + 1 >= part.hold_epoch)
        if before is not None:
            before(epoch)

    return replace(task, at_epoch=at_epoch)


def _check(file: Path, found: Any, wanted: Any, spec: ModelSpec) -> None:
    """Refuse a trained network that is not what a recipe would build."""
    if found != wanted:
        raise RecipeError(
            f"qat.start: {file} is of another network: inputs and outputs are {found}, and the "
            f"recipe's are {wanted}"
        )
    own = embedded_spec(file)
    if own is None:
        return
    for what, theirs, ours in (
        ("labels", own.labels, spec.labels),
        ("mean", own.input.mean, spec.input.mean),
        ("std", own.input.std, spec.input.std),
    ):
        if theirs and theirs != ours:
            raise RecipeError(
                f"qat.start: {file} has the {what} {_short(theirs)}, and the recipe's network "
                f"{_short(ours)}: they have to be the same"
            )


def _short(values: Sequence[Any]) -> str:
    return ", ".join(map(str, values[:5])) + (f" ... ({len(values)})" if len(values) > 5 else "")


def _shapes(model: keras.Model) -> Any:
    """Return the sides of a network's inputs and outputs, without the batch, as they are nested."""
    inputs = [tuple(tensor.shape[1:]) for tensor in model.inputs]
    given = functional(model).output
    if isinstance(given, (list, tuple)) and len(given) == 1:
        given = given[0]
    return inputs, keras.tree.map_structure(lambda tensor: list(tensor.shape[1:]), given)
