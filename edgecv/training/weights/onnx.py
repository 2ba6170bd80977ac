"""The graph of an ONNX file, its weights as real numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.errors import ModelFileError
from edgecv.registry import package_missing
from edgecv.training.weights.graph import (
    LINEAR,
    PRELU,
    SAME,
    SCALE,
    SHIFT,
    Graph,
    Operator,
    picture_size,
)
from edgecv.types import Array, FloatArray

try:
    import onnx
    from onnx import numpy_helper
except ModuleNotFoundError as error:
    raise package_missing("onnx", "train") from error

HANDED_ON = (
    "Cast", "DequantizeLinear", "Dropout", "Identity", "Pad", "QuantizeLinear", "Transpose"
)  # fmt: skip
ARITHMETIC = {"Add": SHIFT, "Sub": SHIFT, "Mul": SCALE, "Div": SCALE}


def read_onnx(path: Path) -> Graph:
    """Read the graph of an ONNX file.

    Raises:
        ModelFileError: The file is damaged, or has no picture as its input.
    """
    try:
        model = onnx.load(str(path))
    except Exception as error:  # the errors of protocol buffers share no base but this
        raise ModelFileError(f"{path} is damaged or cut short: {error}") from error
    return _Reader(path.name, model.graph).graph()


class _Reader:
    """A graph, and which of its tensors are constants."""

    def __init__(self, name: str, graph: Any) -> None:
        self._file, self._graph = name, graph
        self._constants = {tensor.name: _array(tensor) for tensor in graph.initializer}
        self._quantized = False

    def graph(self) -> Graph:
        """Return the graph."""
        entrances = [value for value in self._graph.input if value.name not in self._constants]
        sides = [side.dim_value for side in entrances[0].type.tensor_type.shape.dim]
        size = picture_size(self._file, sides if len(entrances) == 1 else ())
        operators: list[Operator] = []
        for node in self._graph.node:
            operators += self._operators(node)
        return Graph(self._file, tuple(operators), entrances[0].name, size, self._quantized)

    def _operators(self, node: Any) -> list[Operator]:
        names = [name for name in node.input if name]
        constants = [self._constants[name] for name in names if name in self._constants]
        given = tuple(name for name in names if name not in self._constants)
        settings = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if not given:
            self._keep(node, constants, settings)
            return []
        plain = Operator(node.op_type, node.name, given, tuple(node.output))
        return _meaning(plain, constants, settings)

    def _keep(self, node: Any, constants: Sequence[Array], settings: dict[str, Any]) -> None:
        """Note what an operator without other inputs than constants gives, where that is known."""
        if node.op_type == "Constant" and "value" in settings:
            self._constants[node.output[0]] = _array(settings["value"])
        elif node.op_type in ("Identity", "Cast"):
            self._constants[node.output[0]] = constants[0]
        elif node.op_type == "DequantizeLinear":
            self._quantized |= constants[0].ndim > 1
            self._constants[node.output[0]] = _real(constants, settings.get("axis", 1))


def _array(tensor: Any) -> Array:
    values: Array = numpy_helper.to_array(tensor)
    return values


def _real(constants: Sequence[Array], axis: int) -> FloatArray:
    """Return what DequantizeLinear makes of integers, a scale and a zero point."""
    values = constants[0].astype(np.float64)
    along = [1] * values.ndim
    if constants[1].size > 1:
        along[axis] = -1
    if len(constants) > 2:
        values = values - constants[2].astype(np.float64).reshape(along)
    return (values * constants[1].reshape(along)).astype(np.float32)


def _meaning(
    made: Operator, constants: Sequence[Array], settings: dict[str, Any]
) -> list[Operator]:
    """Return operators of the kinds that matter for one of ONNX's."""
    kind = made.kind
    one = replace(made, inputs=made.inputs[:1])
    if kind in HANDED_ON:
        return [replace(one, kind=SAME)]
    if kind in ("Conv", "Gemm", "MatMul") and constants:
        return [_product(one, constants, settings)]
    if kind == "BatchNormalization" and len(constants) == 4:
        return _norm(one, constants, settings.get("epsilon", 1e-5))
    if kind in ARITHMETIC and constants:
        return [_arithmetic(one, constants[0])]
    if kind == "PRelu" and constants:
        return [replace(one, kind=PRELU, values=_flat(constants[0]))]
    if kind == "Clip":
        return [replace(one, kind=_clip(constants, settings))]
    return [replace(made, kind=kind.lower())]


def _product(made: Operator, constants: Sequence[Array], settings: dict[str, Any]) -> Operator:
    kernel, groups = np.asarray(constants[0], np.float32), 1
    if made.kind == "Conv":  # (outputs, inputs of a group, height, width)
        kernel, groups = kernel.transpose(2, 3, 1, 0), settings.get("group", 1)
    else:
        kernel = (kernel.T if settings.get("transB") else kernel)[None, None]
    bias = _flat(constants[1]) if len(constants) > 1 else None
    return replace(made, kind=LINEAR, kernel=np.ascontiguousarray(kernel), bias=bias, groups=groups)


def _norm(made: Operator, constants: Sequence[Array], epsilon: float) -> list[Operator]:
    gamma, beta, mean, variance = (np.asarray(values, np.float64) for values in constants)
    scale = gamma / np.sqrt(variance + epsilon)
    between = f"{made.outputs[0]} scaled"
    return [
        replace(made, kind=SCALE, outputs=(between,), values=_flat(scale)),
        replace(made, kind=SHIFT, inputs=(between,), values=_flat(beta - mean * scale)),
    ]


def _arithmetic(made: Operator, constant: Array) -> Operator:
    values = _flat(constant)
    if made.kind == "Sub":
        values = -values
    if made.kind == "Div":
        values = np.reciprocal(values)
    return replace(made, kind=ARITHMETIC[made.kind], values=values)


def _clip(constants: Sequence[Array], settings: dict[str, Any]) -> str:
    """Return the activation that clipping comes down to."""
    limits = [float(value) for value in constants] or [
        settings.get("min", -np.inf), settings.get("max", np.inf)
    ]  # fmt: skip
    return {(0.0, 6.0): "relu6", (0.0,): "relu", (0.0, np.inf): "relu"}.get(tuple(limits), "clip")


def _flat(values: Array) -> FloatArray:
    return np.asarray(values, np.float32).reshape(-1)
