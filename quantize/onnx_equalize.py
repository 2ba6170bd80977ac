"""Cross-layer equalisation of float ONNX models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from edgecv.types import Array

from .equalize import ROUNDS, Pair, factors
from .onnx_run import Taps, attribute, constants
from .recipe import QuantRecipe

LAYERS = ("Conv", "Gemm")
PASSES_FACTORS = ("AveragePool", "Flatten", "GlobalAveragePool", "MaxPool", "Relu")
"""Operators that treat every channel alike and give twice as much for twice as much; after a
Flatten the next layer tells by its number of inputs whether each is still a channel."""


class _Link(NamedTuple):
    """Two layers, the tensor between them and whether a ReLU6 made it."""

    first: Any
    second: Any
    between: str
    limited: bool


def equalize(model: Any, recipe: QuantRecipe, tensors: Sequence[Array]) -> None:
    """Change a float ONNX model to one that computes the same with channels more alike.

    Args:
        model: The model, as `load` gives it.
        recipe: Whether weights have a scale for each channel.
        tensors: Calibration tensors.
    """
    links = [link for node in model.graph.node if (link := _link(model, node)) is not None]
    if not links:
        return
    run = Taps(model, dict.fromkeys(link.between for link in links))
    largest: dict[str, Array] = {}
    for tensor in tensors:
        for name, values in run(tensor).items():
            now = np.abs(values).max(axis=tuple(a for a in range(values.ndim) if a != 1))
            largest[name] = np.maximum(largest.get(name, 0), now)
    weights = constants(model)
    for _ in range(1 if recipe.per_channel else ROUNDS):
        for link in links:
            _balance(weights, link, largest, per_channel=recipe.per_channel)


def _link(model: Any, first: Any) -> _Link | None:
    """Return the link from a layer to the one that alone reads it; None where there is none."""
    if first.op_type not in LAYERS or not _is_own(model, first):
        return None
    name = between = first.output[0]
    limited, ends = False, {value.name for value in model.graph.output}
    while name not in ends:
        readers = [node for node in model.graph.node if name in node.input]
        if len(readers) != 1 or readers[0].input[0] != name:
            return None
        (reader,) = readers
        if reader.op_type in LAYERS:
            fits = _is_own(model, reader) and _fits(model, first, reader)
            return _Link(first, reader, between, limited) if fits else None
        if reader.op_type == "Clip" and _ends(model, reader) == (0, 6):
            limited = True
        elif reader.op_type not in PASSES_FACTORS:
            return None
        name = reader.output[0]
        if reader.op_type in ("Clip", "Relu"):
            between = name
    return None


def _ends(model: Any, node: Any) -> tuple[float, float] | None:
    """Return where a Clip cuts off, if that is constant."""
    from onnx import numpy_helper

    known = constants(model)
    ends = [known.get(name) for name in node.input[1:3]]
    if len(ends) < 2 or any(end is None for end in ends):
        return None
    return float(numpy_helper.to_array(ends[0])), float(numpy_helper.to_array(ends[1]))


def _is_own(model: Any, node: Any) -> bool:
    """Tell whether a layer's weights and bias are constants that no other one has."""
    known = constants(model)
    users = [name for other in model.graph.node for name in other.input]
    plain = node.op_type == "Conv" or not attribute(node, "transA", 0)
    return plain and all(n in known and users.count(n) == 1 for n in node.input[1:] if n)


def _out_axis(node: Any) -> int:
    return 1 if node.op_type == "Gemm" and not attribute(node, "transB", 0) else 0


def _is_depthwise(node: Any, weights: Any) -> bool:
    return bool(node.op_type == "Conv" and attribute(node, "group", 1) == weights.dims[0] > 1)


def _in_axis(node: Any, weights: Any) -> int:
    if _is_depthwise(node, weights):
        return 0
    return 1 - _out_axis(node) if node.op_type == "Gemm" else 1


def _fits(model: Any, first: Any, second: Any) -> bool:
    """Tell whether each channel that one gives is one that the other takes."""
    known = constants(model)
    given, taken = known[first.input[1]], known[second.input[1]]
    grouped = second.op_type == "Conv" and attribute(second, "group", 1) > 1
    if grouped and not _is_depthwise(second, taken):
        return False
    return bool(given.dims[_out_axis(first)] == taken.dims[_in_axis(second, taken)])


def _balance(
    weights: dict[str, Any], link: _Link, largest: dict[str, Array], *, per_channel: bool
) -> None:
    """Move factors between two layers."""
    second = weights[link.second.input[1]]
    axes = _out_axis(link.first), _in_axis(link.second, second)
    alone = per_channel and _is_depthwise(link.second, second)
    pair = Pair(
        _by_channel(weights[link.first.input[1]], axes[0]),
        None if alone else _by_channel(second, axes[1]),
        largest[link.between],
        link.limited,
    )
    by = factors(pair, per_channel=per_channel)
    largest[link.between] = largest[link.between] / by
    _multiply(weights[link.first.input[1]], 1 / by, axes[0])
    if len(link.first.input) > 2:
        _multiply(weights[link.first.input[2]], 1 / by, -1)
    _multiply(second, by, axes[1])


def _by_channel(tensor: Any, axis: int) -> Array:
    from onnx import numpy_helper

    values = np.moveaxis(numpy_helper.to_array(tensor), axis, 0)
    return np.asarray(values.reshape(len(values), -1))


def _multiply(tensor: Any, by: Array, axis: int) -> None:
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    wide = [1] * values.ndim
    wide[axis] = -1
    made = (values * by.reshape(wide)).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(made, tensor.name))
