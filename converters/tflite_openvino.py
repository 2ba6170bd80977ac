"""TFLite to OpenVINO's IR; TensorFlow is not needed for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgecv import tflitefile
from edgecv.types import Quant

from . import openvino_file
from .between import check_tflite


def convert(source: Path, target: Path, *, precision: str = "fp32") -> None:
    """Write an IR whose inputs and outputs have the names of the TFLite file's.

    Integers that stand for real numbers become float32 at both ends: an IR has no place for their
    scales and zero points. In between, all is calculated with integers where the source does so.

    Args:
        source: A .tflite file.
        target: The .xml file to be, with a .bin beside it; ones that are there are replaced.
        precision: "fp32" or "fp16" (weights).

    Raises:
        ModelFileError: The source is damaged, or has a batch or sides that are open.
        InferenceError: OpenVINO has no operator for a part of it; all of them are named.
        OutputError: The target cannot be written.
    """
    check_tflite(source)
    model = _with_float_ends(openvino_file.read(source), tflitefile.quantization(source))
    openvino_file.save(model, target, precision=precision)


def _with_float_ends(model: Any, quants: Mapping[str, Quant]) -> Any:
    """Let a model take and give the real numbers that integers with a scale stand for."""
    from openvino import Type
    from openvino.preprocess import PrePostProcessor

    steps = PrePostProcessor(model)
    for number, port in enumerate(model.inputs):
        if (quant := _quant(port, quants)) is not None:
            steps.input(number).tensor().set_element_type(Type.f32)
            steps.input(number).preprocess().custom(_rounding(quant, port.get_element_type()))
    for number, port in enumerate(model.outputs):
        if (quant := _quant(port, quants)) is not None:
            steps.output(number).tensor().set_element_type(Type.f32)
            steps.output(number).postprocess().custom(_restoring(quant))
    return steps.build()


def _quant(port: Any, quants: Mapping[str, Quant]) -> Quant | None:
    """Return what the integers of an input or output stand for; None where it has floats."""
    found = [quants[name] for name in sorted(port.get_names()) if name in quants]
    return found[0] if found and port.get_element_type().is_integral() else None


def _rounding(quant: Quant, kind: Any) -> Callable[[Any], Any]:
    """Return what adds the way from real numbers to integers: rounded, and kept in their range."""
    from openvino import opset8 as ops

    ends = np.iinfo(kind.to_dtype())

    def add(node: Any) -> Any:
        whole = [np.float32(end) for end in (ends.min, ends.max)]
        real = [(end - np.float32(quant.zero_point)) * np.float32(quant.scale) for end in whole]
        limits = [ops.constant(value) for value in (*real, *whole)]
        levels = int(ends.max) - int(ends.min) + 1
        return ops.convert(ops.fake_quantize(node, *limits, levels), kind.get_type_name()).output(0)

    return add


def _restoring(quant: Quant) -> Callable[[Any], Any]:
    """Return what adds the way from integers to real numbers."""
    from openvino import opset8 as ops

    def add(node: Any) -> Any:
        zero, scale = np.float32(quant.zero_point), np.float32(quant.scale)
        moved = ops.subtract(ops.convert(node, "f32"), ops.constant(zero))
        return ops.multiply(moved, ops.constant(scale)).output(0)

    return add
