"""TFLite files rewritten to what CPUs are fast at: int8 with one scale a channel, LeakyReLU.

The kernels for uint8 of TensorFlow 1's time have not been made faster since; those for int8 have.
Nothing is trained or calibrated: activations keep their scales, their integers move by 128, and
weights become symmetric, as "TFLite 8-bit quantization specification" asks for
(https://ai.google.dev/edge/litert/models/quantization_spec). Outputs stay uint8, and so do inputs
unless they are wanted as int8, which saves the operator that converts them. Files that are int8
already keep all but their PReLUs (`leaky`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.cache import atomic_path
from edgecv.errors import ModelFileError
from edgecv.modelfile import EDGETPU_OPERATOR
from edgecv.tflitegraph import OPERATOR, TYPE, Graph, name_of
from edgecv.types import Array

from .leaky import make_leaky
from .parity import Agreement, check_parity

WEIGHT_AXIS = {OPERATOR.CONV_2D: 0, OPERATOR.DEPTHWISE_CONV_2D: 3, OPERATOR.FULLY_CONNECTED: None}
"""The axis along which weights have a scale each; None where there is one for all."""

KEEPS_SCALE = {
    OPERATOR.AVERAGE_POOL_2D, OPERATOR.MAX_POOL_2D, OPERATOR.PAD, OPERATOR.RESHAPE,
    OPERATOR.RESIZE_BILINEAR, OPERATOR.SQUEEZE,
}  # fmt: skip
"""Operators whose output has to have the input's scale."""

OUTPUT_QUANT = {
    OPERATOR.L2_NORMALIZATION: (1 / 128, 128),
    OPERATOR.LOGISTIC: (1 / 256, 0),
    OPERATOR.SOFTMAX: (1 / 256, 0),
}
"""Operators with a fixed scale and zero point of their output, here in terms of uint8."""

VERSIONS = {
    OPERATOR.ADD: 2, OPERATOR.ARG_MAX: 2, OPERATOR.AVERAGE_POOL_2D: 2, OPERATOR.CONCATENATION: 2,
    OPERATOR.CONV_2D: 3, OPERATOR.CUSTOM: 1, OPERATOR.DEPTHWISE_CONV_2D: 3, OPERATOR.DEQUANTIZE: 2,
    OPERATOR.FULLY_CONNECTED: 4, OPERATOR.L2_NORMALIZATION: 2, OPERATOR.LOGISTIC: 2,
    OPERATOR.MAX_POOL_2D: 2, OPERATOR.PAD: 2, OPERATOR.QUANTIZE: 2, OPERATOR.RESHAPE: 1,
    OPERATOR.RESIZE_BILINEAR: 2, OPERATOR.SOFTMAX: 2, OPERATOR.SQUEEZE: 1,
}  # fmt: skip
"""The operators there is a rule for, and the first version of each that takes int8."""

TAKES_FLOATS = ("TFLite_Detection_PostProcess",)
"""Custom operators that take floats where they would not take int8."""

MIXED = (OPERATOR.ARG_MAX, OPERATOR.CUSTOM, OPERATOR.DEQUANTIZE, OPERATOR.QUANTIZE)
"""Operators one side of which need not be uint8."""


def rewrite(
    data: bytes, *, int8_inputs: bool = False, files: Mapping[str, bytes] | None = None
) -> bytes:
    """Return a quantized TFLite file as CPUs run it faster, with the metadata that it has.

    A uint8 file becomes int8; in an int8 file, PReLU of one slope becomes LeakyReLU.

    Args:
        data: The whole file.
        int8_inputs: Of a uint8 file: take int8 instead, the same numbers, less 128.
        files: More associated files, by name.

    Raises:
        ModelFileError: It is damaged, not a quantized model, has an operator without a rule, or is
            int8 already without such a PReLU.
    """
    graph = Graph(data)
    if make_leaky(graph):
        return graph.packed(files)
    _check(graph)
    _rewrite_weights(graph)
    kept = list(dict.fromkeys(graph.outputs + ([] if int8_inputs else graph.inputs)))
    before, after = _keep_ends(graph, kept)
    for index, tensor in enumerate(graph.tensors):
        if tensor.type == TYPE.UINT8 and index not in kept:
            _to_int8(graph, index)
    inner: list[Any] = []
    for operator in graph.operators:
        inner += [*_conversions(graph, operator), operator]
    graph.operators = [*before, *inner, *after]
    graph.raise_versions(VERSIONS)
    return graph.packed(files)


def rewrite_file(
    source: Path,
    target: Path,
    *,
    int8_inputs: bool = False,
    files: Mapping[str, bytes] | None = None,
) -> Agreement:
    """Write a quantized TFLite file as CPUs run it faster once both have been run and agree.

    Args:
        source: A .tflite file.
        target: The file to be; one that is there is replaced.
        int8_inputs: Of a uint8 file: take int8 instead.
        files: More associated files, by name.

    Returns:
        How far the outputs of the two are apart.

    Raises:
        ModelFileError: The source cannot be rewritten, or the two do not agree.
        OutputError: The target cannot be written.
    """
    with atomic_path(target) as temporary:
        try:
            data = source.read_bytes()
        except OSError as error:
            raise ModelFileError(f"cannot read {source}: {error.strerror or error}") from error
        try:
            temporary.write_bytes(rewrite(data, int8_inputs=int8_inputs, files=files))
            return check_parity(data, partial(rewrite, int8_inputs=int8_inputs), temporary)
        except ModelFileError as error:
            raise ModelFileError(f"{source.name} is not rewritten to int8: {error}") from error


def _check(graph: Graph) -> None:
    """Refuse what there is no rule for."""
    types = {tensor.type for tensor in graph.tensors}
    if any(graph.name(operator) == EDGETPU_OPERATOR for operator in graph.operators):
        raise ModelFileError("it is compiled for the Edge TPU; give the file it was compiled from")
    if TYPE.INT8 in types:
        raise ModelFileError("it is int8 already, and has no PReLU of one slope for all channels")
    if TYPE.UINT8 not in types:
        raise ModelFileError("it is no quantized model: wanted tensors of uint8")
    unknown = sorted({graph.name(o) for o in graph.operators if not _has_rule(graph, o)})
    if unknown:
        raise ModelFileError(f"there is no rule for the operators {', '.join(unknown)}")
    for operator in graph.operators:
        _check_types(graph, operator)


def _has_rule(graph: Graph, operator: Any) -> bool:
    code = graph.code(operator)
    return code in VERSIONS and (code != OPERATOR.CUSTOM or graph.name(operator) in TAKES_FLOATS)


def _check_types(graph: Graph, operator: Any) -> None:
    """Refuse an operator of a quantized model that works on other than uint8."""
    code, name = graph.code(operator), graph.name(operator)
    if code in MIXED:
        return
    ends = [graph.tensors[index] for index in (operator.inputs[0], operator.outputs[0])]
    if any(tensor.type != TYPE.UINT8 for tensor in ends):
        raise ModelFileError(f"the operator {name} is not uint8 in and out")
    _check_quant(code, name, _quant(ends[0]), _quant(ends[1]))


def _check_quant(code: int, name: str, given: tuple[float, int], made: tuple[float, int]) -> None:
    """Refuse an output whose scale int8 kernels do not have."""
    wanted = given if code in KEEPS_SCALE else OUTPUT_QUANT.get(code, made)
    if not (np.isclose(made[0], wanted[0], rtol=1e-6) and made[1] == wanted[1]):
        raise ModelFileError(
            f"the operator {name} gives scale {made[0]:.6g} and zero point {made[1]}, which are "
            f"{wanted[0]:.6g} and {wanted[1]} in int8 kernels"
        )


def _quant(tensor: Any) -> tuple[float, int]:
    """Return a tensor's one scale and zero point."""
    quant = tensor.quantization
    if quant is None or quant.scale is None or len(quant.scale) != 1:
        raise ModelFileError(f"the tensor {name_of(tensor)} has no scale, or more than one")
    zero = quant.zeroPoint
    return float(quant.scale[0]), int(zero[0]) if zero is not None and len(zero) else 0


def _set_quant(tensor: Any, scales: Array, zero: int, axis: int | None = None) -> None:
    quant = tensor.quantization
    quant.scale = scales.astype(np.float32)
    quant.zeroPoint = np.full(len(scales), zero, np.int64)
    quant.quantizedDimension = axis or 0
    quant.min = quant.max = None


def _rewrite_weights(graph: Graph) -> None:
    """Make the weights of all layers symmetric int8, and put biases on the new scales."""
    done: set[int] = set()
    for operator in graph.operators:
        code = graph.code(operator)
        if code not in WEIGHT_AXIS:
            continue
        source, weights, *rest = operator.inputs
        constants = [weights, *(index for index in rest if index >= 0)]
        if done & set(constants):
            raise ModelFileError(f"two operators {graph.name(operator)} share their weights")
        done.update(constants)
        scale, scales = _symmetric(graph, weights, WEIGHT_AXIS[code])
        for bias in constants[1:]:
            _rescale_bias(graph, bias, scale, scales, _quant(graph.tensors[source])[0])


def _symmetric(graph: Graph, index: int, axis: int | None) -> tuple[float, Array]:
    """Make weights symmetric; return their old scale and the new ones.

    A channel whose values lie within 127 steps of zero stays exactly as it is; the others get a
    coarser step, at most twice as large. One scale for all weights obeys the same rule.
    """
    tensor, values = graph.tensors[index], graph.values(index)
    if values is None or tensor.type != TYPE.UINT8:
        raise ModelFileError(f"the weights {name_of(tensor)} are not constants of uint8")
    scale, zero = _quant(tensor)
    steps = values.astype(np.float64) - zero
    others = tuple(side for side in range(steps.ndim) if side != axis)
    largest = np.abs(steps).max(axis=others, keepdims=True)
    factors = np.maximum(largest / 127, 1.0)
    graph.set_values(index, np.rint(steps / factors).astype(np.int8))
    tensor.type = TYPE.INT8
    scales = scale * factors.ravel()
    _set_quant(tensor, scales, 0, axis)
    return scale, scales


def _rescale_bias(graph: Graph, index: int, old: float, new: Array, input_scale: float) -> None:
    """Put a bias on the scale of its sums: input scale x weight scale."""
    tensor, values = graph.tensors[index], graph.values(index)
    if values is None or tensor.type != TYPE.INT32:
        raise ModelFileError(f"the bias {name_of(tensor)} is not a constant of int32")
    graph.set_values(index, np.rint(values * (old / new)).astype(np.int32))
    _set_quant(tensor, new * input_scale, 0)


def _keep_ends(graph: Graph, kept: list[int]) -> tuple[list[Any], list[Any]]:
    """Leave inputs and outputs uint8; return the operators that convert from and to them.

    The tensors keep their indices, which metadata and signatures refer to.
    """
    before, after = [], []
    for index in kept:
        if graph.tensors[index].type != TYPE.UINT8:
            continue
        inner = graph.add_like(index, "_int8")
        for operator in graph.operators:
            operator.inputs = [inner if i == index else i for i in operator.inputs]
            operator.outputs = [inner if i == index else i for i in operator.outputs]
        if index in graph.inputs:
            before.append(_convert(graph, OPERATOR.QUANTIZE, index, inner))
        else:
            after.append(_convert(graph, OPERATOR.QUANTIZE, inner, index))
    return before, after


def _convert(graph: Graph, code: int, source: int, target: int) -> Any:
    return graph.operator(code, VERSIONS[code], source, target)


def _to_int8(graph: Graph, index: int) -> None:
    """Move a tensor's integers by 128: they stand for the same numbers."""
    tensor, values = graph.tensors[index], graph.values(index)
    scale, zero = _quant(tensor)
    if values is not None:
        graph.set_values(index, values ^ np.uint8(128))
    tensor.type = TYPE.INT8
    _set_quant(tensor, np.array([scale]), zero - 128)


def _conversions(graph: Graph, operator: Any) -> list[Any]:
    """Give an operator inputs that its int8 kernel takes; return what computes them."""
    code = graph.code(operator)
    if code not in (OPERATOR.CUSTOM, OPERATOR.CONCATENATION):
        return []
    made = []
    for place, index in enumerate(operator.inputs):
        if graph.tensors[index].type != TYPE.INT8:
            continue
        if code == OPERATOR.CUSTOM:
            new, operators = _as_floats(graph, index)
        else:
            new, operators = _on_scale_of(graph, index, operator.outputs[0])
        operator.inputs[place] = new
        made += operators
    return made


def _as_floats(graph: Graph, index: int) -> tuple[int, list[Any]]:
    """Return a tensor of the same numbers in float32, and the operators that compute it."""
    values, (scale, zero) = graph.values(index), _quant(graph.tensors[index])
    new = graph.add_like(index, "_float")
    graph.tensors[new].type, graph.tensors[new].quantization = TYPE.FLOAT32, None
    if values is None:
        return new, [_convert(graph, OPERATOR.DEQUANTIZE, index, new)]
    graph.set_values(new, (values.astype(np.float32) - zero) * np.float32(scale))
    return new, []


def _on_scale_of(graph: Graph, index: int, other: int) -> tuple[int, list[Any]]:
    """Return the tensor with the scale and zero point of another, and what computes it."""
    wanted = _quant(graph.tensors[other])
    if _quant(graph.tensors[index]) == wanted:
        return index, []
    new = graph.add_like(index, "_rescaled")
    _set_quant(graph.tensors[new], np.array(wanted[:1]), wanted[1])
    return new, [_convert(graph, OPERATOR.QUANTIZE, index, new)]
