"""Operators at the end of a TFLite graph that make logits probabilities, in the logits' type."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgecv.errors import ModelFileError
from edgecv.tflitegraph import OPERATOR, TYPE, Graph, name_of


class _Fixed(NamedTuple):
    """What an activation's output has to have, and the operator's first version for it."""

    scale: float
    zero_point: int
    version: int


QUANTS = {
    TYPE.INT8: _Fixed(1 / 256, -128, 2),
    TYPE.UINT8: _Fixed(1 / 256, 0, 1),
    TYPE.INT16: _Fixed(1 / 32768, 0, 3),
}
"""Of the outputs of LOGISTIC and SOFTMAX. Source: "LiteRT 8-bit quantization specification" for
int8; `CalculateActivation` of TFLite's kernels for uint8 and int16."""


def append_softmax(graph: Graph, index: int) -> int:
    """Append a softmax over the last axis; return the index of what it gives."""
    operator, made = _appended(graph, OPERATOR.SOFTMAX, index, "_softmax")
    operator.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
    operator.builtinOptions = schema.SoftmaxOptionsT()
    operator.builtinOptions.beta = 1.0
    return made


def append_sigmoid(graph: Graph, index: int) -> int:
    """Append a sigmoid of every number; return the index of what it gives."""
    return _appended(graph, OPERATOR.LOGISTIC, index, "_sigmoid")[1]


def append_floats(graph: Graph, index: int) -> int:
    """Append what makes integers float32; return the index of that, or of what is float32."""
    tensor = graph.tensors[index]
    if tensor.type == TYPE.FLOAT32:
        return index
    _check(tensor)
    made = graph.add_floats(f"{name_of(tensor)}_float", tensor.shape)
    version = {TYPE.UINT8: 1, TYPE.INT8: 2, TYPE.INT16: 3}[tensor.type]
    graph.operators.append(graph.operator(OPERATOR.DEQUANTIZE, version, index, made))
    return made


def _appended(graph: Graph, code: int, index: int, suffix: str) -> tuple[Any, int]:
    _check(graph.tensors[index])
    made = graph.add_like(index, suffix)
    tensor = graph.tensors[made]
    version = 1
    if tensor.type in QUANTS:
        scale, zero_point, version = QUANTS[tensor.type]
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = np.array([scale], np.float32)
        tensor.quantization.zeroPoint = np.array([zero_point], np.int64)
    operator = graph.operator(code, version, index, made)
    graph.operators.append(operator)
    return operator, made


def _check(tensor: Any) -> None:
    """Refuse numbers that none of the operators takes."""
    if tensor.type == TYPE.FLOAT32:
        return
    quant = tensor.quantization
    if tensor.type not in QUANTS or quant is None or quant.scale is None or len(quant.scale) != 1:
        raise ModelFileError(
            f"the output {name_of(tensor)} is neither float32 nor int8, uint8 or int16 with a scale"
        )
