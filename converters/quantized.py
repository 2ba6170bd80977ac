"""Whether a model file calculates with integers already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgecv.registry import package_missing
from edgecv.tflitegraph import TYPE, Graph

INTEGERS = (TYPE.INT8, TYPE.UINT8, TYPE.INT16)
INTEGER_NODES = (
    "ConvInteger", "DequantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "QGemm",
    "QLinearConv", "QLinearMatMul", "QuantizeLinear",
)  # fmt: skip
"""ONNX's operators on numbers of 8 bits."""


def is_quantized(path: Path) -> bool:
    """Tell whether weights or activations of a .tflite or .onnx file are integers with a scale.

    Other files are taken for floats.

    Raises:
        ModelFileError: A TFLite file is damaged.
        PackageMissingError: The file is ONNX, and the package onnx is not installed.
    """
    if path.suffix == ".tflite":
        return any(_has_scale(tensor) for tensor in Graph(path.read_bytes()).tensors)
    return path.suffix == ".onnx" and _has_integer_nodes(path)


def _has_scale(tensor: Any) -> bool:
    quant = tensor.quantization
    return tensor.type in INTEGERS and quant is not None and quant.scale is not None


def _has_integer_nodes(path: Path) -> bool:
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise package_missing("onnx", "convert") from error
    try:
        nodes = onnx.load(path, load_external_data=False).graph.node
    except Exception:  # protobuf's class; what reads the file next says what is wrong with it
        return False
    return any(node.op_type in INTEGER_NODES for node in nodes)
