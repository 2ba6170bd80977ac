"""Checkpoints: all that a training needs to go on, in one file that is whole or not there.

A checkpoint is a NumPy archive (.npz, no pickles): weights, states of optimizers and of generators
of random numbers, the moving average, and, as JSON, the recipe, the epoch and the history.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.cache import write_atomic
from edgecv.training.errors import CheckpointError
from edgecv.training.trainer import value_of
from edgecv.types import Array

VERSION = 1
_ABOUT = "about"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What is in a checkpoint.

    Attributes:
        about: Recipe, epoch, history and figures, as JSON values.
        names: What the arrays are called, in order.
        arrays: Their values.
    """

    about: Mapping[str, Any]
    names: tuple[str, ...]
    arrays: tuple[Array, ...] = field(repr=False)


def save(path: Path, state: Sequence[tuple[str, Any]], about: Mapping[str, Any]) -> None:
    """Write a checkpoint, or leave what was there.

    Args:
        path: The file, ending in .npz.
        state: Names and variables, in a fixed order.
        about: What else is to be known, as JSON values.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    text = json.dumps({"version": VERSION, "names": [name for name, _ in state], **about})
    arrays = {f"a{number:05}": value_of(variable) for number, (_, variable) in enumerate(state)}
    buffer = io.BytesIO()
    arrays[_ABOUT] = np.frombuffer(text.encode(), np.uint8)
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # none is its own keyword
    write_atomic(path, buffer.getvalue())


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: It is not there, is damaged, or is of another version of edgecv.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            about = json.loads(archive[_ABOUT].tobytes())
            names = tuple(about.pop("names"))
            arrays = tuple(archive[f"a{number:05}"] for number in range(len(names)))
            version = about.pop("version")
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint {path}") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"the checkpoint {path} is damaged: {error}") from error
    if version != VERSION:
        raise CheckpointError(f"{path} is of version {version}; this edgecv reads {VERSION}")
    return Checkpoint(about, names, arrays)


def restore(path: Path, found: Checkpoint, state: Sequence[tuple[str, Any]]) -> None:
    """Put a checkpoint's values into variables; nothing is changed where they do not fit.

    Args:
        path: Where the checkpoint was read, for errors.
        found: The checkpoint.
        state: Names and variables, in the order of `save`.

    Raises:
        CheckpointError: It is of another network.
    """
    theirs = [(_stem(n), a.shape) for n, a in zip(found.names, found.arrays, strict=True)]
    ours = [(_stem(name), tuple(variable.shape)) for name, variable in state]
    for one, other in zip(theirs, ours, strict=False):
        if one != other:
            raise CheckpointError(
                f"{path} is of another network: it has {one[0]} {one[1]} where this one has "
                f"{other[0]} {other[1]}"
            )
    if len(theirs) != len(ours):
        raise CheckpointError(
            f"{path} is of another network: it has {len(theirs)} arrays, this one {len(ours)}"
        )
    for (_, variable), value in zip(state, found.arrays, strict=True):
        variable.assign(value)


def _stem(name: str) -> str:
    """Return a name without the numbers that Keras counts its unnamed objects by."""
    return re.sub(r"_\d+(?=/|$)", "", name)
