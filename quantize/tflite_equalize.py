"""Cross-layer equalisation of float TFLite files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from edgecv.tflitegraph import OPERATOR, Graph
from edgecv.types import Array

from .equalize import ROUNDS, Pair, factors
from .recipe import QuantRecipe
from .tflite_prepare import NONE, RELU, RELU6
from .tflite_rules import LAYERS
from .tflite_run import Taps

PASSES_FACTORS = {
    OPERATOR.AVERAGE_POOL_2D, OPERATOR.LEAKY_RELU, OPERATOR.MAX_POOL_2D, OPERATOR.MEAN,
    OPERATOR.PAD, OPERATOR.PRELU,
}  # fmt: skip
"""Operators that treat every channel alike and give twice as much for twice as much."""

OUT_AXIS = {
    OPERATOR.CONV_2D: 0, OPERATOR.DEPTHWISE_CONV_2D: 3, OPERATOR.FULLY_CONNECTED: 0,
}  # fmt: skip
IN_AXIS = {
    OPERATOR.CONV_2D: 3, OPERATOR.DEPTHWISE_CONV_2D: 3, OPERATOR.FULLY_CONNECTED: 1,
}  # fmt: skip


class _Link(NamedTuple):
    """Two layers and the tensor between them."""

    first: Any
    second: Any
    between: int


def equalized(data: bytes, recipe: QuantRecipe, tensors: Sequence[Array]) -> bytes:
    """Return a float TFLite file that computes the same with channels more alike.

    Args:
        data: The file, once `prepared`.
        recipe: Whether weights have a scale for each channel.
        tensors: Calibration tensors.
    """
    graph = Graph(data)
    links = _links(graph)
    if not links:
        return data
    run = Taps(data, dict.fromkeys(link.between for link in links))
    largest: dict[int, Array] = {}
    for tensor in tensors:
        for index, values in run(tensor).items():
            now = np.abs(values).reshape(-1, values.shape[-1]).max(axis=0)
            largest[index] = np.maximum(largest.get(index, 0), now)
    for _ in range(1 if recipe.per_channel else ROUNDS):
        for link in links:
            _balance(graph, link, largest, per_channel=recipe.per_channel)
    return graph.packed()


def _links(graph: Graph) -> list[_Link]:
    """Return the pairs of layers between which factors can move."""
    found = []
    for operator in graph.operators:
        if graph.code(operator) not in OUT_AXIS or not _is_own(graph, operator):
            continue
        if operator.builtinOptions.fusedActivationFunction not in (NONE, RELU, RELU6):
            continue
        second = _only_reader(graph, operator.outputs[0])
        if second is not None and _fits(graph, operator, second):
            found.append(_Link(operator, second, operator.outputs[0]))
    return found


def _only_reader(graph: Graph, index: int) -> Any | None:
    """Return the one layer that reads a tensor, maybe through operators that let factors pass."""
    while index not in graph.outputs:
        readers = [operator for operator in graph.operators if index in operator.inputs]
        if len(readers) != 1 or readers[0].inputs[0] != index:
            return None
        if graph.code(readers[0]) in IN_AXIS:
            return readers[0] if _is_own(graph, readers[0]) else None
        if graph.code(readers[0]) not in PASSES_FACTORS:
            return None
        index = readers[0].outputs[0]
    return None


def _is_own(graph: Graph, operator: Any) -> bool:
    """Tell whether a layer's weights and bias are constants that no other one has."""
    layer = LAYERS[graph.code(operator)]
    ends = [i for place, i in enumerate(operator.inputs) if place != layer.data and i >= 0]
    users = [i for other in graph.operators for i in other.inputs]
    return all(graph.values(i) is not None and users.count(i) == 1 for i in ends)


def _fits(graph: Graph, first: Any, second: Any) -> bool:
    """Tell whether each channel that one gives is one that the other takes."""
    given = graph.tensors[first.inputs[1]].shape[OUT_AXIS[graph.code(first)]]
    taken = graph.tensors[second.inputs[1]].shape[IN_AXIS[graph.code(second)]]
    source = graph.tensors[second.inputs[0]].shape
    return int(given) == int(taken) == int(source[-1])


def _balance(graph: Graph, link: _Link, largest: dict[int, Array], *, per_channel: bool) -> None:
    """Move factors between two layers."""
    axes = OUT_AXIS[graph.code(link.first)], IN_AXIS[graph.code(link.second)]
    sides = [
        _by_channel(graph, operator, axis)
        for operator, axis in zip((link.first, link.second), axes, strict=True)
    ]
    depthwise = graph.code(link.second) == OPERATOR.DEPTHWISE_CONV_2D
    pair = Pair(
        sides[0],
        None if per_channel and depthwise else sides[1],
        largest[link.between],
        link.first.builtinOptions.fusedActivationFunction == RELU6,
    )
    by = factors(pair, per_channel=per_channel)
    largest[link.between] = largest[link.between] / by
    _multiply(graph, link.first.inputs[1], 1 / by, axes[0])
    if len(link.first.inputs) > 2 and link.first.inputs[2] >= 0:
        _multiply(graph, link.first.inputs[2], 1 / by, 0)
    _multiply(graph, link.second.inputs[1], by, axes[1])


def _by_channel(graph: Graph, operator: Any, axis: int) -> Array:
    values = graph.values(operator.inputs[1])
    if values is None:
        raise KeyError("weights that are no constant")
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)


def _multiply(graph: Graph, index: int, by: Array, axis: int) -> None:
    values = graph.values(index)
    if values is None:
        raise KeyError(f"tensor {index} is no constant")
    wide = [1] * values.ndim
    wide[axis] = -1
    graph.set_values(index, (values * by.reshape(wide)).astype(np.float32))
