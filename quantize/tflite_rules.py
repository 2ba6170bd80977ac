"""What TFLite's integer kernels ask of each operator's tensors.

From "TFLite 8-bit quantization specification"
(https://ai.google.dev/edge/litert/models/quantization_spec) and, for which tensors have to have
the same scale, from what the kernels' `Prepare` functions check.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from edgecv.tflitegraph import OPERATOR, TYPE, Graph
from edgecv.types import Array, Quant

TYPES = {"int8": TYPE.INT8, "int16": TYPE.INT16, "uint8": TYPE.UINT8, "float32": TYPE.FLOAT32}


class Layer(NamedTuple):
    """An operator with weights.

    Attributes:
        data: Which of its inputs is computed.
        weights: Which are the weights.
        bias: Which is the bias.
        axis: Along which axis of the weights each channel has a scale; None for one scale.
    """

    data: int
    weights: int
    bias: int
    axis: int | None


LAYERS = {
    OPERATOR.CONV_2D: Layer(0, 1, 2, 0),
    OPERATOR.DEPTHWISE_CONV_2D: Layer(0, 1, 2, 3),
    OPERATOR.FULLY_CONNECTED: Layer(0, 1, 2, 0),
    OPERATOR.TRANSPOSE_CONV: Layer(2, 1, 3, 0),
}

SAME_SCALE = {
    OPERATOR.AVERAGE_POOL_2D, OPERATOR.BATCH_TO_SPACE_ND, OPERATOR.CONCATENATION,
    OPERATOR.DEPTH_TO_SPACE, OPERATOR.EXPAND_DIMS, OPERATOR.GATHER, OPERATOR.MAXIMUM,
    OPERATOR.MAX_POOL_2D, OPERATOR.MINIMUM, OPERATOR.MIRROR_PAD, OPERATOR.PACK, OPERATOR.PAD,
    OPERATOR.PADV2, OPERATOR.RESHAPE, OPERATOR.RESIZE_BILINEAR, OPERATOR.RESIZE_NEAREST_NEIGHBOR,
    OPERATOR.SLICE, OPERATOR.SPACE_TO_BATCH_ND, OPERATOR.SPACE_TO_DEPTH, OPERATOR.SPLIT,
    OPERATOR.SPLIT_V, OPERATOR.SQUEEZE, OPERATOR.STRIDED_SLICE, OPERATOR.TILE, OPERATOR.TRANSPOSE,
    OPERATOR.UNPACK,
}  # fmt: skip
"""Operators all of whose floats have to have one scale, because the kernel copies or compares."""

FREE = {
    OPERATOR.ABS, OPERATOR.ADD, OPERATOR.ELU, OPERATOR.GELU, OPERATOR.HARD_SWISH,
    OPERATOR.LEAKY_RELU, OPERATOR.MEAN, OPERATOR.MUL, OPERATOR.PRELU, OPERATOR.REDUCE_MAX,
    OPERATOR.RELU, OPERATOR.RELU6, OPERATOR.RELU_0_TO_1, OPERATOR.RELU_N1_TO_1,
    OPERATOR.SQUARED_DIFFERENCE, OPERATOR.SUB, OPERATOR.SUM,
}  # fmt: skip
"""Operators whose kernels go from any scale to any other."""

FIXED = {
    OPERATOR.L2_NORMALIZATION: Quant(1 / 128, 0),
    OPERATOR.LOGISTIC: Quant(1 / 256, -128),
    OPERATOR.SOFTMAX: Quant(1 / 256, -128),
    OPERATOR.TANH: Quant(1 / 128, 0),
}
"""Operators whose output has one scale and zero point, whatever comes in."""

INDEXING = {OPERATOR.ARG_MAX, OPERATOR.ARG_MIN}
"""Operators of integers in and indices out."""

FLOATS = {OPERATOR.CUSTOM}
"""Operators that have no integer kernel and take what comes before in floats."""

TAKES_FLOATS = ("TFLite_Detection_PostProcess",)
"""Custom operators that are known to take floats."""

INT8_VERSIONS = {
    OPERATOR.ARG_MAX: 2, OPERATOR.ARG_MIN: 2, OPERATOR.CONV_2D: 3, OPERATOR.DEPTHWISE_CONV_2D: 3,
    OPERATOR.EXPAND_DIMS: 1, OPERATOR.FULLY_CONNECTED: 4, OPERATOR.GELU: 2, OPERATOR.GATHER: 2,
    OPERATOR.HARD_SWISH: 1, OPERATOR.PRELU: 1, OPERATOR.RESHAPE: 1, OPERATOR.QUANTIZE: 1,
    OPERATOR.DEQUANTIZE: 2, OPERATOR.SQUEEZE: 1, OPERATOR.CUSTOM: 1, OPERATOR.ELU: 1,
    OPERATOR.TRANSPOSE_CONV: 3, OPERATOR.ABS: 2, OPERATOR.RELU_0_TO_1: 1, OPERATOR.RELU_N1_TO_1: 1,
    OPERATOR.SPACE_TO_BATCH_ND: 2, OPERATOR.TILE: 1, OPERATOR.CAST: 1, OPERATOR.SHAPE: 1,
}  # fmt: skip
"""The first version of an operator that takes int8; 2 where it is not listed."""

INT16_VERSIONS = {
    OPERATOR.ADD: 4, OPERATOR.AVERAGE_POOL_2D: 3, OPERATOR.CONCATENATION: 3, OPERATOR.CONV_2D: 4,
    OPERATOR.DEPTHWISE_CONV_2D: 5, OPERATOR.DEQUANTIZE: 3, OPERATOR.FULLY_CONNECTED: 7,
    OPERATOR.LEAKY_RELU: 2, OPERATOR.LOGISTIC: 3, OPERATOR.MAXIMUM: 3, OPERATOR.MAX_POOL_2D: 3,
    OPERATOR.MEAN: 3, OPERATOR.MINIMUM: 3, OPERATOR.MUL: 4, OPERATOR.PAD: 3, OPERATOR.QUANTIZE: 2,
    OPERATOR.RELU: 3, OPERATOR.RELU6: 3, OPERATOR.SOFTMAX: 3, OPERATOR.SUB: 5,
    OPERATOR.STRIDED_SLICE: 4, OPERATOR.TANH: 3, OPERATOR.TRANSPOSE_CONV: 4,
}  # fmt: skip
"""The first version that takes int16, where that is another one than for int8."""


def versions(graph: Graph, activations: str) -> dict[int, int]:
    """Return the versions that take int8, or int16, of those operators that have to."""
    integers = (TYPE.INT8, TYPE.INT16)
    codes = {
        graph.code(operator)
        for operator in graph.operators
        if any(graph.tensors[i].type in integers for i in (*operator.inputs, *operator.outputs))
    }
    least = {code: INT8_VERSIONS.get(code, 2) for code in codes}
    if activations == "int16":
        least |= {code: INT16_VERSIONS[code] for code in codes & set(INT16_VERSIONS)}
    return least


def has_rule(graph: Graph, operator: Any) -> bool:
    """Tell whether an operator can be quantized, or is known to want floats."""
    code = graph.code(operator)
    if code == OPERATOR.CUSTOM:
        return graph.name(operator) in TAKES_FLOATS
    return code in LAYERS or code in SAME_SCALE or code in FREE or code in FIXED or code in INDEXING


def fixed_quant(code: int, activations: str) -> Quant | None:
    """Return the scale and zero point of an operator's output; None where they are free."""
    quant = FIXED.get(code)
    return Quant(1 / 32768, 0) if quant is not None and activations == "int16" else quant


def range_to_quant(low: float, high: float, activations: str) -> Quant:
    """Return the scale and zero point for a range of numbers, which always includes zero."""
    low, high = min(low, 0.0), max(high, 0.0)
    if activations == "int16":
        scale = np.float32(max(-low, high, 1e-9) / 32767)
        return Quant(float(scale), 0)
    scale = np.float32(max(high - low, 1e-9) / 255)
    zero = int(np.clip(np.rint(-128 - low / scale), -128, 127))
    return Quant(float(scale), zero)


def to_integers(values: Array, quant: Quant, activations: str) -> Array:
    """Return numbers as integers of a scale and zero point."""
    limits = np.iinfo(activations)
    steps = np.rint(values.astype(np.float64) / quant.scale) + quant.zero_point
    return np.asarray(np.clip(steps, limits.min, limits.max), activations)
