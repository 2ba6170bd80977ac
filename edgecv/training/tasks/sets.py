"""The two sets of pictures that a recipe names: what is learnt, and what is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgecv.progress import bar
from edgecv.training.data.balance import balanced
from edgecv.training.data.formats import open_samples
from edgecv.training.data.stored import Reading
from edgecv.training.errors import RecipeError

if TYPE_CHECKING:
    from edgecv.datasets import CocoData
    from edgecv.training.data.samples import Samples
    from edgecv.training.data.stored import StoredSamples
    from edgecv.training.recipe import Recipe

BALANCED = ("classify", "detect")
"""The tasks whose pictures have classes that can be rare."""


def open_sets(recipe: Recipe) -> tuple[StoredSamples, StoredSamples]:
    """Read the training set, and the validation set with the same class ids.

    Raises:
        RecipeError: The recipe names no folder for one of them.
        DataError: One of them is not what it should be.
        UnknownNameError: There is no such format, or it has no such option.
    """
    train = open_set(recipe, "train")
    return train, open_set(recipe, "val", names=train.names)


def check_blends(recipe: Recipe, *known: str) -> None:
    """Refuse pictures made of several where they cannot say what a task learns.

    Args:
        recipe: The recipe.
        known: Which of "mixup" and "mosaic" the task can learn from.

    Raises:
        RecipeError: The recipe's [augment] has another.
    """
    for name in ("mixup", "mosaic"):
        if recipe.augment.get(name) and name not in known:
            raise RecipeError(f"augment.{name} is not for this {recipe.task}: leave it out")


def without_skipped(data: CocoData, val: StoredSamples) -> CocoData:
    """Return labelled pictures without those that were skipped when `val` was read."""
    skipped = {problem.where for problem in val.problems.skipped}
    return replace(data, images=tuple(i for i in data.images if str(i.file) not in skipped))


def repeated(recipe: Recipe, train: StoredSamples) -> Samples:
    """Return the training set with pictures of rare classes as often as the recipe wants."""
    return balanced(train, recipe.data.balance, seed=recipe.run.seed)


def open_set(recipe: Recipe, which: str, *, names: tuple[str, ...] = ()) -> StoredSamples:
    """Read one of a recipe's sets.

    Args:
        recipe: The recipe.
        which: "train" or "val".
        names: Class names by id, where they are known before.

    Raises:
        RecipeError: The recipe names no folder for it, or balances what has no rare classes.
        DataError: It is not what it should be.
        UnknownNameError: There is no such format, or it has no such option.
    """
    data = recipe.data
    folder = getattr(data, which)
    if not folder:
        raise RecipeError(f"data.{which} is missing: name a folder, as in --set data.{which}=DIR")
    if data.balance and recipe.task not in BALANCED:
        raise RecipeError(
            f"data.balance is for {' and '.join(BALANCED)}: {recipe.task} has no rare classes"
        )
    options: dict[str, Any] = {**data.options, **({"only": data.only} if data.only else {})}
    with bar(f"reading {which}") as report:
        reading = Reading(
            names=names, max_bad=data.max_bad, max_side=data.max_side or None, report=report
        )
        return open_samples(
            folder, data.format or None, task=recipe.task, reading=reading, options=options
        )
