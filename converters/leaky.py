"""PReLU of one slope as LeakyReLU in INT8 TFLite files, for which CPUs have fast kernels.

XNNPACK, which runs TFLite files on CPUs, takes no quantized PReLU: each is computed number by
number by the reference kernel, and cuts the graph in two. Its LeakyReLU takes slopes of -127 to
128. The Edge TPU is the other way round: PReLU is on its list, LeakyReLU is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgecv.tflitegraph import OPERATOR, TYPE, Graph

VERSION = 2
"""Of LeakyReLU: the first that takes int8."""


def make_leaky(graph: Graph) -> int:
    """Replace every int8 PReLU that has the same slope for all channels; return how many."""
    count = 0
    for place, operator in enumerate(graph.operators):
        slope = _slope(graph, operator)
        if slope is not None:
            graph.operators[place] = _leaky(graph, operator, slope)
            count += 1
    return count


def _leaky(graph: Graph, operator: Any, slope: float) -> Any:
    made = graph.operator(OPERATOR.LEAKY_RELU, VERSION, operator.inputs[0], operator.outputs[0])
    made.builtinOptionsType = schema.BuiltinOptions.LeakyReluOptions
    made.builtinOptions = schema.LeakyReluOptionsT()
    made.builtinOptions.alpha = slope
    return made


def _slope(graph: Graph, operator: Any) -> float | None:
    """Return the one slope of a PReLU of int8; None for anything else."""
    if graph.code(operator) != OPERATOR.PRELU:
        return None
    source, slopes = operator.inputs
    if graph.tensors[source].type != TYPE.INT8 or graph.tensors[slopes].type != TYPE.INT8:
        return None
    values, quant = graph.values(slopes), graph.tensors[slopes].quantization
    if values is None or len(quant.scale) != 1 or not (values == values.flat[0]).all():
        return None
    zero = int(quant.zeroPoint[0]) if quant.zeroPoint is not None else 0
    return float(np.float32(quant.scale[0])) * (int(values.flat[0]) - zero)
