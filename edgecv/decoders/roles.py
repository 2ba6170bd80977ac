"""Outputs by what they are, not by where they stand in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgecv.errors import SpecError
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
