"""Bias correction of TFLite files: their layers as `bias` wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecv.progress import Report, silent
from edgecv.tflitegraph import OPERATOR, TYPE, Graph
from edgecv.types import Array

from .bias import Correction, Layers, Linear, Network, Run, Shifts, Window, correct
from .recipe import QuantRecipe
from .tflite_plan import Plan
from .tflite_rules import LAYERS
from .tflite_run import Taps
from .tflite_write import bias_steps, layer_bias, quantized_weights, weight_scales, write

SAME = 0  # Padding.SAME of schema.fbs


def correct_biases(
    data: bytes,
    plan: Plan,
    recipe: QuantRecipe,
    tensors: Sequence[Array],
    *,
    report: Report = silent,
) -> Correction:
    """Find what to add to the biases of a float TFLite file's layers once it is quantized.

    Args:
        data: The float file.
        plan: How it is to be quantized.
        recipe: How.
        tensors: Calibration tensors.
        report: Told how far it is.
    """
    graph = Graph(data)
    layers = find_layers(graph, plan, recipe)
    sources = dict.fromkeys(layer.source for layer in layers.values())

    def shifted(shifts: Shifts) -> Run:
        return Taps(write(Graph(data), plan, recipe, shifts).data)

    network = Network(
        layers, Taps(data, sources), Taps(data), shifted, _Steps(data, plan, recipe, layers)
    )
    return correct(network, tensors, report=report)


class _Steps:
    """The quantized graph, run as far as one of its tensors.

    Args:
        data: The float file.
        plan: How it is to be quantized.
        recipe: How.
        layers: Its layers.
    """

    def __init__(self, data: bytes, plan: Plan, recipe: QuantRecipe, layers: Layers) -> None:
        floats = Graph(data)
        operators = {place: floats.operators[place] for place in layers}
        kinds = {place: LAYERS[floats.code(o)] for place, o in operators.items()}
        self._biases = {p: layer_bias(floats, operators[p], kinds[p]) for p in layers}
        nothing = {place: np.zeros(1, np.float32) for place in layers}
        self._written = write(floats, plan, recipe, nothing)
        self._graph = Graph(self._written.data)
        self._operators = self._graph.operators

    def __call__(self, source: int, shifts: Shifts) -> Run:
        """Return what runs the graph with shifted biases for one tensor of the float graph."""
        graph, place = self._graph, self._written.integers[source]
        for layer, shift in shifts.items():
            index = self._written.biases[layer]
            scales = graph.tensors[index].quantization.scale
            kind = np.int64 if graph.tensors[index].type == TYPE.INT64 else np.int32
            graph.set_values(index, bias_steps(self._biases[layer] + shift, scales).astype(kind))
        made = [i for i, operator in enumerate(self._operators) if place in operator.outputs]
        graph.operators = self._operators[: made[0] + 1 if made else 1]
        if made:
            graph.outputs = [place]
        run = Taps(graph.packed(), None if made else [place])
        return lambda tensor: {source: run(tensor)[place]}


def find_layers(graph: Graph, plan: Plan, recipe: QuantRecipe) -> Layers:
    """Return the layers that become integers, by their operator's place."""
    found: dict[Any, Linear] = {}
    for place, operator in enumerate(graph.operators):
        code = graph.code(operator)
        if code not in LAYERS or place in plan.floats:
            continue
        layer = LAYERS[code]
        source, target = operator.inputs[layer.data], operator.outputs[0]
        weights = graph.values(operator.inputs[layer.weights])
        if weights is None:
            continue
        axis = layer.axis if recipe.per_channel else None
        bias = layer_bias(graph, operator, layer)
        given, made = plan.quants[source].scale, plan.quants[target].scale
        scales = weight_scales(weights, axis, bias, given, made)
        wide = [1] * weights.ndim
        if axis is not None:
            wide[axis] = -1
        rounded = quantized_weights(weights, scales, axis) * scales.reshape(wide)
        shapes = [_shape(graph, source), _shape(graph, target)]
        found[place] = Linear(
            source,
            _channels_last(code, weights),
            _channels_last(code, rounded),
            _window(code, operator, weights.shape, *shapes),
            _groups(code, weights.shape, shapes[0]),
        )
    return found


def _shape(graph: Graph, index: int) -> tuple[int, ...]:
    return tuple(int(side) for side in graph.tensors[index].shape)


def _channels_last(code: int, weights: Array) -> Array:
    """Return weights as (rows, columns, channels in a group, channels out)."""
    if code == OPERATOR.DEPTHWISE_CONV_2D:  # (1, rows, columns, channels out)
        return np.asarray(weights[0][:, :, None, :])
    if code == OPERATOR.FULLY_CONNECTED:  # (channels out, channels in)
        return weights.T[None, None]
    return weights.transpose(1, 2, 3, 0)


def _groups(code: int, weights: Sequence[int], source: Sequence[int]) -> int:
    if code == OPERATOR.FULLY_CONNECTED:
        return 1
    return source[3] if code == OPERATOR.DEPTHWISE_CONV_2D else source[3] // weights[3]


def _window(
    code: int,
    operator: Any,
    weights: Sequence[int],
    source: Sequence[int],
    target: Sequence[int],
) -> Window | None:
    """Return how a layer's weights move; None for a dense layer."""
    if code == OPERATOR.FULLY_CONNECTED:
        return None
    options = operator.builtinOptions
    kernel = (weights[1], weights[2])
    stride = (options.strideH, options.strideW)
    transposed = code == OPERATOR.TRANSPOSE_CONV
    dilation = (1, 1) if transposed else (options.dilationHFactor, options.dilationWFactor)
    small, large = (source, target) if transposed else (target, source)
    before = [0, 0]
    if options.padding == SAME:
        for side in range(2):
            reach = (kernel[side] - 1) * dilation[side] + 1
            needed = (small[side + 1] - 1) * stride[side] + reach - large[side + 1]
            before[side] = max(needed, 0) // 2
    return Window(
        kernel, stride, dilation, (before[0], before[1]), (target[1], target[2]), transposed
    )
