"""TFLite files from float32 to int8, or int16, without TensorFlow.

The file is taken apart and written anew (`tflite_plan`, `tflite_write`). What converters leave out
is done here as well: each layer's mean error is put right in its bias (`bias`), and channels of
unlike ranges are made alike before (`equalize`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgecv.cache import atomic_path
from edgecv.errors import ModelFileError
from edgecv.modelfile import embedded_spec
from edgecv.progress import Report, silent
from edgecv.tflitegraph import Graph
from edgecv.training.errors import RecipeError
from edgecv.types import Array

from .bias import Shifts
from .ranges import Range, find_ranges
from .recipe import QuantRecipe
from .samples import check_tensors, span_of_bytes
from .tflite_bias import correct_biases
from .tflite_equalize import equalized
from .tflite_plan import check_graph, make_plan, observed
from .tflite_prepare import prepared
from .tflite_run import Taps
from .tflite_write import write


def quantize(
    source: Path,
    target: Path,
    tensors: Sequence[Array],
    recipe: QuantRecipe,
    *,
    report: Report | None = None,
) -> None:
    """Write a float32 TFLite file with integers, and run it once.

    Args:
        source: The float32 file, of fixed shapes and one input.
        target: The file to be; one that is there is replaced.
        tensors: Calibration tensors, float32, each of a batch of one.
        recipe: How.
        report: Told how far it is.

    Raises:
        ModelFileError: The file cannot be quantized; the text names all operators at fault.
        RecipeError: The recipe asks for what there is not for TFLite.
        DataError: There are too few tensors, or they are not what the model takes.
        InferenceError: The runtime refuses what was made.
        OutputError: The target cannot be written.
    """
    if recipe.weight_bits != 8:
        raise RecipeError("TFLite's sums do not overflow: wanted weight_bits = 8")
    try:
        data = source.read_bytes()
    except OSError as error:
        raise ModelFileError(f"cannot read {source}: {error.strerror or error}") from error
    try:
        data = prepared(data)
        graph = Graph(data)
        check_graph(graph, recipe)
    except ModelFileError as error:
        raise ModelFileError(f"{source.name} cannot be quantized: {error}") from error
    check_tensors(source, tensors, [int(s) for s in graph.tensors[graph.inputs[0]].shape])
    spec = embedded_spec(source)
    span = None if spec is None else Range(*span_of_bytes(spec.input))
    made = quantized(data, tensors, recipe, pictures=span, report=report or silent)
    Taps(made)(tensors[0])
    with atomic_path(target) as temporary:
        temporary.write_bytes(made)


def quantized(
    data: bytes,
    tensors: Sequence[Array],
    recipe: QuantRecipe,
    *,
    pictures: Range | None = None,
    report: Report = silent,
) -> bytes:
    """Return a float TFLite file, once `prepared`, with integers.

    Args:
        data: The file.
        tensors: Calibration tensors.
        recipe: How.
        pictures: What the bytes of pictures become, whatever the tensors hold of it: one step of
            the input is then one step of a byte, which apps that know nothing of scales rely on.
        report: Told how far it is.

    Raises:
        ModelFileError: It cannot be quantized.
    """
    if recipe.equalize:
        data = equalized(data, recipe, tensors)
    graph = Graph(data)
    floats = check_graph(graph, recipe)
    ranges = find_ranges(Taps(data, observed(graph)), tensors, recipe, report=report)
    if pictures is not None:
        ranges[graph.inputs[0]] = pictures
    plan = make_plan(graph, floats, ranges, recipe)
    shifts: Shifts = {}
    if recipe.bias_correction:
        shifts = correct_biases(data, plan, recipe, tensors, report=report).shifts
    return write(graph, plan, recipe, shifts).data
