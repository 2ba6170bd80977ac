"""What every session checks and says in the same way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from edgecv.errors import InferenceError
from edgecv.types import Array, TensorSpec


def check_inputs(wanted: Sequence[TensorSpec], given: Mapping[str, Array]) -> None:
    """Refuse tensors that are not what a model file announces.

    Raises:
        ValueError: A tensor is missing or too many, or of another shape or dtype.
    """
    if len(given) != len(wanted):
        raise ValueError(f"wanted the inputs {[t.name for t in wanted]}, got {list(given)}")
    for spec in wanted:
        tensor = given.get(spec.name)
        if tensor is None:
            raise ValueError(f"wanted the inputs {[t.name for t in wanted]}, got {list(given)}")
        if tensor.dtype != spec.dtype or not _fits(tensor.shape, spec.shape):
            raise ValueError(
                f"{spec.name}: wanted {spec.dtype} {list(spec.shape)}, "
                f"got {tensor.dtype} {list(tensor.shape)}"
            )


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    if shape == wanted:
        return True
    return len(shape) == len(wanted) and all(
        side is None or side == got for side, got in zip(wanted, shape, strict=True)
    )


def closed() -> InferenceError:
    """Return the error of a session that runs after `close`."""
    return InferenceError("the model was closed; load it again to run it")


def unique(names: Iterable[str], kind: str) -> list[str]:
    """Return tensor names that differ: files may repeat one, or leave it empty.

    Args:
        names: The names in the file's order.
        kind: "input" or "output", for the nameless ones: "output_0".
    """
    found: list[str] = []
    for i, name in enumerate(names):
        name = name or f"{kind}_{i}"
        found.append(f"{name}_{i}" if name in found else name)
    return found


def one_line(error: BaseException) -> str:
    """Return an error's text on one line."""
    return " ".join(str(error).split())
