"""The graph of a TFLite file, its weights as real numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from edgecv.errors import ModelFileError
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

NAMES = {
    number: name.lower() for name, number in vars(schema.BuiltinOperator).items() if name.isupper()
}
FUSED = {
    number: "" if name == "NONE" else name.lower()
    for name, number in vars(schema.ActivationFunctionType).items()
    if name.isupper()
}
TYPES = {
    number: np.dtype(name.lower())
    for name, number in vars(schema.TensorType).items()
    if name in ("FLOAT32", "FLOAT16", "FLOAT64", "INT8", "UINT8", "INT16", "INT32", "INT64")
}
HANDED_ON = ("cast", "dequantize", "pad", "padv2", "quantize", "transpose")
ON_CONSTANTS = {"add": SHIFT, "sub": SHIFT, "mul": SCALE, "prelu": PRELU}
PRODUCTS = ("conv_2d", "depthwise_conv_2d", "fully_connected")


def read_tflite(path: Path) -> Graph:
    """Read the graph of a TFLite file.

    Raises:
        ModelFileError: The file is damaged, or has no picture as its input.
    """
    try:
        model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
        return _Reader(path.name, model).graph()
    except (AttributeError, IndexError, TypeError, ValueError, KeyError) as error:
        raise ModelFileError(f"{path} is damaged, or of an unknown version: {error}") from error


class _Reader:
    """The first subgraph of a model, and which of its tensors are constants."""

    def __init__(self, name: str, model: Any) -> None:
        self._file, self._model, self._graph = name, model, model.subgraphs[0]
        self._constants: dict[int, FloatArray] = {}
        self._quantized = False
        for index, tensor in enumerate(self._graph.tensors):
            data = model.buffers[tensor.buffer].data
            if data is not None and len(data) and tensor.type in TYPES:
                self._constants[index] = self._real(tensor, data)

    def _real(self, tensor: Any, data: Array) -> FloatArray:
        """Return a constant as real numbers: float32, of the tensor's shape."""
        kind = TYPES[tensor.type]
        shape = () if tensor.shape is None else tuple(tensor.shape)
        values = np.frombuffer(bytes(data), kind).reshape(shape).astype(np.float64)
        quant = tensor.quantization
        if quant is not None and quant.scale is not None and len(quant.scale):
            self._quantized |= kind.itemsize == 1
            along = [1] * values.ndim
            if len(quant.scale) > 1:
                along[quant.quantizedDimension] = -1
            scale, zero = np.float64(quant.scale), np.float64(quant.zeroPoint)
            values = (values - zero.reshape(along)) * scale.reshape(along)
        return values.astype(np.float32)

    def graph(self) -> Graph:
        """Return the graph."""
        operators = tuple(filter(None, map(self._operator, self._graph.operators)))
        (entrance, *more) = self._graph.inputs
        shape = () if more else tuple(map(int, self._graph.tensors[entrance].shape))
        size = picture_size(self._file, shape)
        return Graph(self._file, operators, self._tensor(entrance), size, self._quantized)

    def _tensor(self, index: int) -> str:
        return str(index)

    def _operator(self, operator: Any) -> Operator | None:
        code = self._model.operatorCodes[operator.opcodeIndex]
        kind = NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
        inputs = [int(index) for index in operator.inputs if index >= 0]
        constants = [self._constants[index] for index in inputs if index in self._constants]
        given = tuple(self._tensor(index) for index in inputs if index not in self._constants)
        outputs = tuple(self._tensor(int(index)) for index in operator.outputs)
        if not given:
            if kind in ("dequantize", "reshape"):  # weights kept as float16
                target = self._graph.tensors[operator.outputs[0]]
                self._constants[int(operator.outputs[0])] = constants[0].reshape(
                    tuple(target.shape)
                )
            return None
        fused = FUSED[getattr(operator.builtinOptions, "fusedActivationFunction", 0)]
        name = self._graph.tensors[operator.outputs[0]].name.decode("utf-8", "replace")
        made = Operator(kind, name, given, outputs, activation=fused)
        return _meaning(made, constants)


def _meaning(made: Operator, constants: list[FloatArray]) -> Operator:
    """Return an operator of the kinds that matter for one of TFLite's."""
    kind = made.kind
    one = replace(made, inputs=made.inputs[:1])
    if kind in PRODUCTS and constants:
        kernel, groups = _kernel(kind, constants[0])
        bias = constants[1] if len(constants) > 1 else None
        return replace(one, kind=LINEAR, kernel=kernel, bias=bias, groups=groups)
    if kind in ON_CONSTANTS and constants:
        values = constants[0].reshape(-1)
        return replace(one, kind=ON_CONSTANTS[kind], values=-values if kind == "sub" else values)
    return replace(made, kind=SAME if kind in HANDED_ON else kind)


def _kernel(kind: str, values: FloatArray) -> tuple[FloatArray, int]:
    """Return a kernel as (height, width, inputs of a group, outputs), and the groups."""
    if kind == "fully_connected":  # (outputs, inputs)
        return np.ascontiguousarray(values.T)[None, None], 1
    if kind == "depthwise_conv_2d":  # (1, height, width, channels)
        return np.ascontiguousarray(values.transpose(1, 2, 0, 3)), values.shape[3]
    return np.ascontiguousarray(values.transpose(1, 2, 3, 0)), 1  # (outputs, height, width, inputs)
