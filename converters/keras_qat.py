"""Keras files with the rounding of INT8 inside to TFLite: their ranges are those of the file.

No pictures are needed: `edgecv.training.qat.network` has measured, and trained, what a calibration
would guess. The file's outputs are within one step of the network's.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgecv.cache import write_atomic
from edgecv.errors import InferenceError, ModelFileError
from edgecv.tflitegraph import TYPE, Graph, name_of

from .keras_source import Source, read_source
from .keras_tflite import converted, converter_of
from .quiet import quiet

if TYPE_CHECKING:
    import keras

ENDS = {"int8": np.int8, "uint8": np.uint8, "float32": np.float32}
"""What a file can take and give."""


def convert(source: Path, target: Path, *, inputs: str = "int8", outputs: str = "int8") -> None:
    """Write a TFLite file of integers with the ranges of a `.keras` file, and run it once.

    Args:
        source: A `.keras` file of which `edgecv.training.qat.network.is_quantized` is true.
        target: The file to be; one that is there is replaced.
        inputs: What it takes: "int8", "uint8" or "float32".
        outputs: What it gives.

    Raises:
        ModelFileError: The source has no ranges inside, or is damaged.
        InferenceError: TFLite has no operator for a part of it, or would compute it in floats.
        OutputError: The target cannot be written.
    """
    from edgecv.training.qat.network import is_quantized

    if not is_quantized(source):
        raise ModelFileError(f"{source} has no ranges inside: train it with [qat], or calibrate it")
    data = tflite_bytes(read_source(source), source.name, inputs=inputs, outputs=outputs)
    _run_once(data, source.name)
    write_atomic(target, data)


def export_tflite(
    model: keras.Model, target: Path, *, inputs: str = "int8", outputs: str = "int8"
) -> None:
    """Write a network in memory as `convert` writes one in a file.

    Raises:
        ValueError: Ranges in it have seen no value yet.
        InferenceError, OutputError: As `convert`.
    """
    from edgecv.training.kerasfile import save_model
    from edgecv.training.qat.network import empty_ranges

    if empty := empty_ranges(model):
        raise ValueError(f"{model.name}: calibrate it first: {', '.join(empty[:5])} saw no value")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{model.name}.keras")
        save_model(model, None, file)
        convert(file, target, inputs=inputs, outputs=outputs)


def tflite_bytes(source: Source, name: str, *, inputs: str, outputs: str) -> bytes:
    """Return a TFLite file of integers alone, but for its ends where they are wanted so.

    Args:
        source: What is converted.
        name: What it is called in errors.
        inputs: What the file takes.
        outputs: What it gives.

    Raises:
        InferenceError: As `convert`.
    """
    import tensorflow as tf

    with converter_of(source, name) as converter:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.as_dtype(ENDS[inputs])
        converter.inference_output_type = tf.as_dtype(ENDS[outputs])
        data = converted(converter, source, name)
    if floats := _floats(Graph(data)):
        raise InferenceError(f"{name}: TFLite would compute with floats in {', '.join(floats)}")
    return data


def _floats(graph: Graph) -> list[str]:
    """Return the operators that give floats, with their tensors; ends that are wanted so aside."""
    ends = {*graph.inputs, *graph.outputs}
    return [
        f"{graph.name(operator)} ({name_of(graph.tensors[index])})"
        for operator in graph.operators
        for index in operator.outputs
        if graph.tensors[index].type == TYPE.FLOAT32
        and not (index in ends and graph.name(operator) == "DEQUANTIZE")
    ]


def _run_once(data: bytes, name: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    try:
        with quiet():
            interpreter: Any = Interpreter(model_content=data)
            interpreter.allocate_tensors()
            interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        raise InferenceError(f"{name}: TFLite refuses what was made of it: {error}") from error
