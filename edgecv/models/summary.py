"""What a Keras model costs, layer by layer: what decides whether it fits a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import keras

from .counting import FUSED, folded_parameters, live_values, multiply_adds, parameters
from .graph import Ratio, Step, flat_steps, with_inputs
from .receptive import Reach, reaches


@dataclass(frozen=True)
class Row:
    """One layer.

    Attributes:
        name: Its name.
        kind: Its class.
        output: The shape of its output without the batch.
        parameters: How many numbers it holds; 0 where an earlier row has them.
        multiply_adds: Of one picture; None where its kernels are of no known kind.
        field: The receptive field (height, width) in pixels; None where there is no map any more.
        stride: How many pixels a step on its output is (height, width).
        live: Values in memory while it runs.
        part_of: The layer whose output it changes where it is, as batch norm and activations do;
            its own name for all others.
    """

    name: str
    kind: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int | None
    field: tuple[float, float] | None
    stride: tuple[float, float] | None
    live: int
    part_of: str


@dataclass(frozen=True)
class Summary:
    """A model's layers, and their sums.

    Attributes:
        name: The model's name.
        inputs: The shapes of its inputs without the batch.
        rows: Its layers in the order in which they run.
        parameters: All numbers it holds.
        trainable: Those that training changes.
        folded: Those that are left on a device, batch norm folded away.
        peak: The most values that are in memory at once: bytes in INT8.
    """

    name: str
    inputs: tuple[tuple[int, ...], ...]
    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    folded: int
    peak: int

    @property
    def multiply_adds(self) -> int:
        """Those of one picture, of all the layers that are known."""
        return sum(row.multiply_adds or 0 for row in self.rows)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The layers whose multiply-adds are not known."""
        return tuple(row.name for row in self.rows if row.multiply_adds is None)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        more = {"multiply_adds": self.multiply_adds, "unknown": list(self.unknown)}
        return {**asdict(self), **more}


def summarize(model: keras.Model, input_size: Sequence[int] | None = None) -> Summary:
    """Return what a functional or sequential model costs.

    Args:
        model: Any such Keras model, with models inside it or without.
        input_size: Height and width, where the model leaves them open.

    Raises:
        ValueError: The model has no graph, or leaves its input size open and none is given.
    """
    sized = _sized(model, input_size)
    plan = flat_steps(sized)
    return Summary(
        name=model.name,
        inputs=tuple(tuple(tensor.shape[1:]) for tensor in sized.inputs),
        rows=_rows(sized.inputs, plan),
        parameters=model.count_params(),
        trainable=sum(prod(weight.shape) for weight in model.trainable_weights),
        folded=folded_parameters(plan),
        peak=max(live_values(sized.inputs, plan), default=0),
    )


def _sized(model: keras.Model, input_size: Sequence[int] | None) -> keras.Model:
    """Return the model, or a copy of it where its input size has to be filled in."""
    if not getattr(model, "inputs", None):
        raise ValueError(f"{model.name} was never built: it has no input of a known shape")
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if input_size is not None and len(shapes) == 1 and len(shapes[0]) == 4:
        wanted = (shapes[0][0], *input_size, shapes[0][3])
        return model if wanted == shapes[0] else with_inputs(model, [wanted])
    if any(side is None for shape in shapes for side in shape[1:]):
        raise ValueError(f"{model.name} takes pictures of any size: say the input size")
    return model


def _rows(inputs: Sequence[Any], plan: Sequence[Step]) -> tuple[Row, ...]:
    known, live = reaches(inputs, plan), live_values(inputs, plan)
    rows, seen = [], set()
    owners: dict[int, str] = {}
    for step, values in zip(plan, live, strict=True):
        fused = isinstance(step.layer, FUSED)
        owner = owners.get(id(step.inputs[0])) if fused else None
        owners |= {id(tensor): owner or step.layer.name for tensor in step.outputs}
        rows.append(_row(step, known, values, owner, again=id(step.layer) in seen))
        seen.add(id(step.layer))
    return tuple(rows)


def _row(
    step: Step, known: Mapping[int, Reach | None], live: int, owner: str | None, *, again: bool
) -> Row:
    reach = known[id(step.outputs[0])]
    return Row(
        name=step.layer.name,
        kind=type(step.layer).__name__,
        output=tuple(step.outputs[0].shape[1:]),
        parameters=0 if again else parameters(step.layer),
        multiply_adds=multiply_adds(step),
        field=None if reach is None else _numbers(reach.field),
        stride=None if reach is None else _numbers(reach.stride),
        live=live,
        part_of=owner or step.layer.name,
    )


def _numbers(pair: tuple[Ratio, Ratio]) -> tuple[float, float]:
    high, wide = (int(side) if side == int(side) else float(side) for side in pair)
    return high, wide
