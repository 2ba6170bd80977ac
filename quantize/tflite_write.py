"""A float TFLite graph written with integers, by a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from edgecv.tflitegraph import OPERATOR, TYPE, Graph
from edgecv.types import Array, Quant

from .recipe import QuantRecipe
from .tflite_plan import Plan, works_on_floats
from .tflite_rules import LAYERS, SAME_SCALE, TYPES, Layer, range_to_quant, to_integers, versions


class Written(NamedTuple):
    """A quantized file.

    Attributes:
        data: The file.
        integers: Where each tensor of the float graph is in it, as integers, by index.
        biases: Where the biases of layers are, by the operator's place in the float graph.
    """

    data: bytes
    integers: Mapping[int, int]
    biases: Mapping[int, int]


@dataclass
class _Work:
    """A graph while it is being rewritten.

    Attributes:
        graph: The graph.
        plan: What becomes of it.
        recipe: How.
        shifts: What is added to the biases of layers, by the operator's place.
        integers: The integer form of tensors that have one so far.
        floats: The float form of tensors that have one so far.
        copies: Constants in integers, by tensor and scale.
        biases: Those of layers, by the operator's place.
        operators: The new operators, in order.
    """

    graph: Graph
    plan: Plan
    recipe: QuantRecipe
    shifts: Mapping[int, Array]
    integers: dict[int, int] = field(default_factory=dict)
    floats: dict[int, int] = field(default_factory=dict)
    copies: dict[tuple[int, Quant], int] = field(default_factory=dict)
    biases: dict[int, int] = field(default_factory=dict)
    operators: list[Any] = field(default_factory=list)


def write(
    graph: Graph, plan: Plan, recipe: QuantRecipe, shifts: Mapping[int, Array] | None = None
) -> Written:
    """Return a float graph as a quantized file; the graph is used up.

    Args:
        graph: The float graph.
        plan: What becomes of it.
        recipe: How.
        shifts: float (channels,): what is added to the biases of layers, by operator.
    """
    work = _Work(graph, plan, recipe, shifts or {})
    first_new = len(graph.tensors)
    for index in graph.inputs:
        _take(work, index)
    for place, operator in enumerate(graph.operators):
        if not works_on_floats(graph, operator):
            work.operators.append(operator)
        elif place in plan.floats:
            _leave(work, operator)
        else:
            _convert(work, place, operator)
    for index in dict.fromkeys(graph.outputs):
        _give(work, index)
    graph.operators = work.operators
    graph.raise_versions(versions(graph, recipe.activations))
    moved = _fill_gaps(graph, first_new)
    integers = {index: moved.get(place, place) for index, place in work.integers.items()}
    biases = {place: moved.get(index, index) for place, index in work.biases.items()}
    return Written(graph.packed(), integers, biases)


def _fill_gaps(graph: Graph, first_new: int) -> dict[int, int]:
    """Move new tensors to where no longer used ones are; return from where to where.

    What is used keeps its index, which signatures and metadata refer to.
    """
    ends = [i for operator in graph.operators for i in (*operator.inputs, *operator.outputs)]
    used = {*ends, *graph.inputs, *graph.outputs}
    gaps = [i for i in range(first_new) if i not in used]
    moved: dict[int, int] = {}
    for gap in gaps:
        if len(graph.tensors) == first_new:
            break
        graph.tensors[gap] = graph.tensors.pop()
        moved[len(graph.tensors)] = gap
    for operator in graph.operators:
        operator.inputs = [moved.get(i, i) for i in operator.inputs]
        operator.outputs = [moved.get(i, i) for i in operator.outputs]
    return moved


def _take(work: _Work, index: int) -> None:
    """Make an input what the recipe wants, and the integers that the graph goes on with of it."""
    if work.graph.tensors[index].type != TYPE.FLOAT32:
        return
    quant, wanted = work.plan.quants[index], work.recipe.inputs
    if wanted == "float32":
        work.floats[index] = index
    elif wanted == work.recipe.activations:
        _set_integers(work, index, quant)
        work.integers[index] = index
    else:
        inner = _new(work, index, "_integers", quant)
        _set_end(work, index, quant, wanted)
        work.operators.append(_step(work, OPERATOR.QUANTIZE, index, inner))
        work.integers[index] = inner


def _give(work: _Work, index: int) -> None:
    """Make an output what the recipe wants; those of float layers stay float32.

    The tensor keeps its index, which signatures and metadata refer to.
    """
    wanted, activations = work.recipe.outputs, work.recipe.activations
    if work.integers.get(index) != index or wanted == activations or index in work.graph.inputs:
        return
    quant = work.plan.quants[index]
    inner = _new(work, index, "_integers", quant)
    for operator in work.operators:
        operator.inputs = [inner if i == index else i for i in operator.inputs]
        operator.outputs = [inner if i == index else i for i in operator.outputs]
    work.integers[index] = inner
    if wanted == "float32":
        work.graph.tensors[index].type = TYPE.FLOAT32
        work.graph.tensors[index].quantization = None
        work.operators.append(_step(work, OPERATOR.DEQUANTIZE, inner, index))
    else:
        _set_end(work, index, quant, wanted)
        work.operators.append(_step(work, OPERATOR.QUANTIZE, inner, index))


def _set_end(work: _Work, index: int, quant: Quant, kind: str) -> None:
    """Make an input or output uint8, or int8 where the graph works with int16."""
    if work.recipe.activations == "int16":
        top = quant.scale * 32767
        quant = range_to_quant(-top, top, "int8")
    move = 128 if kind == "uint8" else 0
    tensor = work.graph.tensors[index]
    tensor.type = TYPES[kind]
    _set_quant(work, index, np.array([quant.scale]), quant.zero_point + move)


def _leave(work: _Work, operator: Any) -> None:
    """Keep an operator in float, and give it floats."""
    operator.inputs = [_as_floats(work, i) for i in operator.inputs]
    for index in operator.outputs:
        work.floats[index] = index
    work.operators.append(operator)


def _convert(work: _Work, place: int, operator: Any) -> None:
    """Make an operator one of integers."""
    code = work.graph.code(operator)
    layer = LAYERS.get(code)
    if layer is not None:
        _convert_layer(work, place, operator, layer)
    else:
        same = work.plan.quants.get(operator.outputs[0]) if code in SAME_SCALE else None
        operator.inputs = [_as_integers(work, i, same) for i in operator.inputs]
    if code in (OPERATOR.ADD, OPERATOR.SUB) and operator.builtinOptions is not None:
        operator.builtinOptions.potScaleInt16 = False  # any scale will do
    work.operators.append(operator)
    operator.outputs = [_output(work, index) for index in operator.outputs]


def _output(work: _Work, index: int) -> int:
    """Make what an operator gives integers; go from its own scale to the wanted one."""
    quant = work.plan.quants.get(index)
    if quant is None:  # indices, which are integers already
        return index
    _set_integers(work, index, quant)
    work.integers[index] = index
    if index not in work.plan.made or work.plan.made[index] == quant:
        return index
    inner = _new(work, index, "_made", work.plan.made[index])
    work.operators.append(_step(work, OPERATOR.QUANTIZE, inner, index))
    return inner


def _as_integers(work: _Work, index: int, same: Quant | None = None) -> int:
    """Return a tensor's integer form; `same` is the scale that a constant has to have."""
    if index < 0 or index in work.integers:
        return work.integers.get(index, index)
    if index not in work.floats:
        if work.graph.tensors[index].type != TYPE.FLOAT32:
            return index
        return _constant(work, index, same)
    inner = _new(work, index, "_integers", work.plan.quants[index])
    work.operators.append(_step(work, OPERATOR.QUANTIZE, index, inner))
    work.integers[index] = inner
    return inner


def _as_floats(work: _Work, index: int) -> int:
    """Return a tensor's float form."""
    if index < 0 or index not in work.integers or index in work.floats:
        return work.floats.get(index, index)
    outer = work.graph.add_like(index, "_floats")
    work.graph.tensors[outer].type = TYPE.FLOAT32
    work.graph.tensors[outer].quantization = None
    work.operators.append(_step(work, OPERATOR.DEQUANTIZE, work.integers[index], outer))
    work.floats[index] = outer
    return outer


def _constant(work: _Work, index: int, same: Quant | None) -> int:
    """Return a float constant in integers; operators that stay in float keep the floats."""
    values = work.graph.values(index)
    if values is None:
        raise KeyError(f"tensor {index} is used before it is computed")
    kind = work.recipe.activations
    quant = same or range_to_quant(float(values.min()), float(values.max()), kind)
    if (index, quant) not in work.copies:
        copy = _new(work, index, "_integers", quant)
        work.graph.set_values(copy, to_integers(values, quant, kind))
        work.copies[index, quant] = copy
    return work.copies[index, quant]


def _convert_layer(work: _Work, place: int, operator: Any, layer: Layer) -> None:
    """Give a layer's operator integers, int8 weights and a bias on the scale of their products."""
    graph, plan = work.graph, work.plan
    source, target = operator.inputs[layer.data], operator.outputs[0]
    weights = operator.inputs[layer.weights]
    given, made = plan.quants[source], plan.quants[target]
    bias = layer_bias(graph, operator, layer)
    bias = bias + work.shifts.get(place, np.zeros(1, np.float32))
    axis = layer.axis if work.recipe.per_channel else None
    values = graph.values(weights)
    if values is None:
        raise KeyError(f"the weights {weights} are no constant")
    scales = weight_scales(values, axis, bias, given.scale, made.scale)
    inputs = [_as_integers(work, i) if place_ == layer.data else i
              for place_, i in enumerate(operator.inputs)]  # fmt: skip
    inputs += [-1] * (layer.bias + 1 - len(inputs))
    inputs[layer.weights] = _weights(work, weights, values, scales, axis)
    if inputs[layer.bias] >= 0 or place in work.shifts:
        like = inputs[layer.bias] if inputs[layer.bias] >= 0 else weights
        inputs[layer.bias] = _bias(work, like, bias, scales * given.scale)
        work.biases[place] = inputs[layer.bias]
    operator.inputs = inputs if inputs[layer.bias] >= 0 else inputs[: layer.bias]


def layer_bias(graph: Graph, operator: Any, layer: Layer) -> Array:
    """Return a layer's bias; zeros where it has none. float32 (channels,)."""
    index = operator.inputs[layer.bias] if len(operator.inputs) > layer.bias else -1
    values = graph.values(index) if index >= 0 else None
    if values is not None:
        return values.astype(np.float32)
    shape = graph.tensors[operator.inputs[layer.weights]].shape
    return np.zeros(int(shape[layer.axis or 0]), np.float32)


def weight_scales(
    values: Array, axis: int | None, bias: Array, source: float, target: float
) -> Array:
    """Return the scales of a layer's weights: one a channel, or one where `axis` is None.

    A channel of tiny weights gets a larger step than it needs: so that its bias fits into 32 bits
    and the factor between its sums and the output's steps is one that the kernels can multiply by.
    """
    others = tuple(side for side in range(values.ndim) if side != axis)
    largest = np.abs(values).max(axis=others if axis is not None else None).reshape(-1)
    least = np.maximum(np.abs(bias) / (source * 2.0**30), target / source * 2.0**-30)
    if axis is None:
        least = least.max(keepdims=True)
    return np.asarray(np.maximum(largest / 127, least), np.float32)


def quantized_weights(values: Array, scales: Array, axis: int | None) -> Array:
    """Return weights in steps of their scales, int8 and from -127 to 127."""
    wide = [1] * values.ndim
    if axis is not None:
        wide[axis] = -1
    steps = np.rint(values.astype(np.float64) / scales.reshape(wide))
    return np.clip(steps, -127, 127).astype(np.int8)


def _weights(work: _Work, index: int, values: Array, scales: Array, axis: int | None) -> int:
    copy = work.graph.add_like(index, "")
    work.graph.tensors[copy].type = TYPE.INT8
    work.graph.set_values(copy, quantized_weights(values, scales, axis))
    _set_quant(work, copy, scales, 0, axis)
    return copy


def _bias(work: _Work, like: int, bias: Array, scales: Array) -> int:
    """Add a bias on its own scales: int32, or int64 beside activations of int16.

    It is called like the one that was there, else after the weights.
    """
    wide = work.recipe.activations == "int16"
    kind = np.int64 if wide else np.int32
    index = work.graph.add_like(like, "" if len(work.graph.tensors[like].shape) == 1 else "_bias")
    tensor = work.graph.tensors[index]
    tensor.type, tensor.shape = TYPE.INT64 if wide else TYPE.INT32, [len(bias)]
    tensor.shapeSignature = None
    work.graph.set_values(index, bias_steps(bias, scales).astype(kind))
    _set_quant(work, index, scales, 0)
    return index


def bias_steps(bias: Array, scales: Array) -> Array:
    """Return a bias in steps of its scales, as far as 32 bits reach."""
    limits = np.iinfo(np.int32)
    return np.clip(np.rint(bias.astype(np.float64) / scales), limits.min, limits.max)


def _set_integers(work: _Work, index: int, quant: Quant) -> None:
    work.graph.tensors[index].type = TYPES[work.recipe.activations]
    _set_quant(work, index, np.array([quant.scale]), quant.zero_point)


def _set_quant(work: _Work, index: int, scales: Array, zero: int, axis: int | None = None) -> None:
    from ai_edge_litert import schema_py_generated as schema

    quant = schema.QuantizationParametersT()
    quant.scale = scales.astype(np.float32)
    quant.zeroPoint = np.full(len(scales), zero, np.int64)
    quant.quantizedDimension = axis or 0
    work.graph.tensors[index].quantization = quant


def _new(work: _Work, index: int, suffix: str, quant: Quant) -> int:
    """Add a tensor of integers like another one."""
    made = work.graph.add_like(index, suffix)
    _set_integers(work, made, quant)
    return made


def _step(work: _Work, code: int, source: int, target: int) -> Any:
    return work.graph.operator(code, 1, source, target)
