"""ONNX files from float32 to 8 bits: QuantizeLinear and DequantizeLinear around each operator.

ONNX Runtime's own tools write the operators; ranges and biases are those of this package, which
has the same methods for every format. Activations are uint8 and weights int8: on CPUs, int8 for
both takes nearly twice the time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.cache import write_atomic
from edgecv.errors import ModelFileError
from edgecv.progress import Report, silent
from edgecv.training.errors import RecipeError
from edgecv.types import Array

from .names import matching
from .onnx_bias import correct_biases
from .onnx_equalize import equalize
from .onnx_run import Taps, float_names, inputs, load
from .ranges import Range, find_ranges
from .recipe import QuantRecipe
from .samples import check_tensors


def quantize(
    source: Path,
    target: Path,
    tensors: Sequence[Array],
    recipe: QuantRecipe,
    *,
    report: Report | None = None,
) -> None:
    """Write a float32 ONNX file with 8 bits, and run it once. Inputs and outputs stay float.

    Args:
        source: The float32 file, of fixed shapes and one input.
        target: The file to be; one that is there is replaced.
        tensors: Calibration tensors, float32, each of a batch of one.
        recipe: How; activations of int16 are not to be had.
        report: Told how far it is.

    Raises:
        ModelFileError: The file cannot be quantized.
        RecipeError: The recipe asks for what there is not for ONNX.
        DataError: There are too few tensors, or they are not what the model takes.
        InferenceError: The runtime refuses what was made.
        OutputError: The target cannot be written.
        PackageMissingError: onnx or onnxruntime is not installed.
    """
    if recipe.activations != "int8":
        raise RecipeError("ONNX files have activations of 8 bits: wanted activations = 'int8'")
    model = load(source)
    check_tensors(source, tensors, _shape(model))
    tell = report or silent
    if recipe.equalize:
        equalize(model, recipe, tensors)
    names = float_names(model, tensors[0])
    ranges = find_ranges(Taps(model, names), tensors, recipe, report=tell)
    made = _quantized(model, ranges, recipe)
    if recipe.bias_correction:
        made = correct_biases(model, made, tensors, report=tell)
    del made.metadata_props[:]
    made.metadata_props.extend(model.metadata_props)
    Taps(made)(tensors[0])
    write_atomic(target, made.SerializeToString(deterministic=True))


def _shape(model: Any) -> list[int]:
    return [side.dim_value for side in inputs(model)[0].type.tensor_type.shape.dim]


def _quantized(model: Any, ranges: Mapping[str, Range], recipe: QuantRecipe) -> Any:
    """Return a model with quantized operators, by ranges that are known."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    layers = {node.name: [node.name, *node.output] for node in model.graph.node}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    ends = {
        name: (np.array(min(span.low, 0.0), np.float32), np.array(max(span.high, 0.0), np.float32))
        for name, span in ranges.items()
    }
    with _quiet():
        try:
            quantizer = QDQQuantizer(
                copy,
                recipe.per_channel,
                recipe.weight_bits == 7,
                QuantType.QInt8,
                QuantType.QUInt8,
                TensorsData(CalibrationMethod.MinMax, ends),
                [],
                matching(layers, recipe.keep_float),
                sorted({*QDQRegistry, *QLinearOpsRegistry}),
                {},
            )
            quantizer.quantize_model()
            quantizer.model.topological_sort()
        except (ValueError, RuntimeError) as error:
            raise ModelFileError(f"ONNX Runtime cannot quantize the model: {error}") from error
    return quantizer.model.model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the tools' advice, which is written to the root logger, from the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
