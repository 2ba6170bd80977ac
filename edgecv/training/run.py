"""The folder of one training: what is in it, and whether a training may go on or begin there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecv.training import checkpoints
from edgecv.training.checkpoints import Checkpoint
from edgecv.training.errors import CheckpointError
from edgecv.training.recipe import Recipe
from edgecv.training.report import flattened


@dataclass(frozen=True)
class Folder:
    """Where a training keeps its files.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def last(self) -> Path:
        """The checkpoint after the last epoch."""
        return self.path / "last.npz"

    @property
    def best(self) -> Path:
        """The checkpoint after the best epoch."""
        return self.path / "best.npz"

    @property
    def model(self) -> Path:
        """The trained network of the best epoch, with its spec."""
        return self.path / "best.keras"

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.path / "report.html"

    @property
    def logs(self) -> Path:
        """What TensorBoard shows."""
        return self.path / "tensorboard"


def open_folder(path: Path, recipe: Recipe, *, resume: bool) -> tuple[Folder, Checkpoint | None]:
    """Return the folder, and the checkpoint that a training goes on from; None for a new one.

    Args:
        path: The folder.
        recipe: What is to be trained.
        resume: Whether a training that was started there goes on.

    Raises:
        CheckpointError: There is a training and `resume` is false, it is one of another recipe, or
            its checkpoint is damaged.
    """
    folder = Folder(path)
    if not folder.last.exists():
        return folder, None
    found = checkpoints.load(folder.last)
    if not found.about["standing"]["rows"]:  # it ended in its first epoch: nothing is lost
        return folder, None
    if not resume:
        raise CheckpointError(
            f"{path} holds a training that was started before: --resume goes on with it; "
            "or choose another --out"
        )
    _same_recipe(path, found.about["recipe"], recipe.to_dict())
    return folder, found


def _same_recipe(path: Path, theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    one, other = (flattened(_resolved(recipe)) for recipe in (theirs, ours))
    changed = [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]
    if changed:
        said = ", ".join(f"{n} was {one.get(n)!r} and is {other.get(n)!r}" for n in changed[:3])
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise CheckpointError(
            f"{path} was trained by another recipe ({said}{more}): give the same one to go on, or "
            "choose another --out"
        )


def _resolved(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe whose folders are the same however they are written."""
    data = {
        key: str(Path(value).resolve()) if key in ("train", "val") and value else value
        for key, value in recipe["data"].items()
    }
    return {**recipe, "data": data}
