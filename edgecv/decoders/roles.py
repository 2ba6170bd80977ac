"""Outputs by what they are, not by where they stand in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecv.errors import SpecError
from edgecv.spec import ModelSpec
from edgecv.types import Array


def by_role(outputs: Mapping[str, Array], roles: Sequence[str]) -> list[Array]:
    """Return the arrays for `roles`, in their order: by name, else by the file's own order.

    Raises:
        SpecError: There are too few outputs and the names do not tell which is missing.
    """
    if all(role in outputs for role in roles):
        return [outputs[role] for role in roles]
    if len(outputs) < len(roles) or any(role in outputs for role in roles):
        raise SpecError(
            f"the decoder wants the outputs {', '.join(roles)}; the model gives "
            f"{', '.join(outputs)}: name them in the spec's 'outputs'"
        )
    return list(outputs.values())[: len(roles)]


def check_classes(spec: ModelSpec, count: int) -> None:
    """Refuse labels that are not those of the model's `count` classes; no labels always fit.

    Raises:
        SpecError: There are more or fewer labels than classes.
    """
    if spec.labels and len(spec.labels) != count:
        raise SpecError(
            f"{spec.name}: the model scores {count} classes, the spec's labels name "
            f"{len(spec.labels)}: give a label file with a line for each class"
        )
