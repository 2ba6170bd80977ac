"""OpenVINO files from float32 to int8, by NNCF."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from edgecv.cache import atomic_path, explained
from edgecv.errors import InferenceError, ModelFileError
from edgecv.progress import Report, silent
from edgecv.registry import package_missing
from edgecv.training.errors import RecipeError
from edgecv.types import Array

from .names import matching
from .recipe import QuantRecipe
from .samples import check_tensors

LEFT_OUT = ("Parameter", "Constant", "Result", "Convert")
"""Kinds of nodes that are no layers."""


def quantize(
    source: Path,
    target: Path,
    tensors: Sequence[Array],
    recipe: QuantRecipe,
    *,
    report: Report | None = None,
) -> None:
    """Write a float32 OpenVINO file with 8 bits, and run it once. Inputs and outputs stay float.

    Biases are corrected layer by layer, not by NNCF's fast estimate, which lost 3.5 points of a
    MobileNet's accuracy that this one kept.

    Args:
        source: The float32 .xml, of fixed shapes and one input.
        target: The .xml to be, with its .bin beside it; files that are there are replaced.
        tensors: Calibration tensors, float32, each of a batch of one.
        recipe: How; "entropy" and activations of int16 are not to be had.
        report: Told how far it is.

    Raises:
        ModelFileError: The file cannot be quantized.
        RecipeError: The recipe asks for what NNCF does not have.
        DataError: There are too few tensors, or they are not what the model takes.
        InferenceError: The runtime refuses what was made.
        OutputError: The target cannot be written.
        PackageMissingError: NNCF is not installed.
    """
    _check(recipe)
    model = read(source)
    check_tensors(source, tensors, list(model.inputs[0].shape))
    tell = report or silent
    seen = iter(range(1, len(tensors) + 1))

    def taken(tensor: Array) -> Array:
        tell(min(next(seen, len(tensors)), len(tensors)), len(tensors))
        return tensor

    made = _quantized(model, tensors, recipe, taken)
    for key, value in model.rt_info.items():
        if key not in made.rt_info:
            made.set_rt_info(value.value, key)
    _rename(made, {node.get_friendly_name() for node in model.get_ops()})
    run_model(made)(tensors[0])
    save(made, target)


def _rename(model: Any, known: set[str]) -> None:
    """Count new nodes from 0: OpenVINO counts all that a process has ever made."""
    for place, node in enumerate(model.get_ordered_ops()):
        name, kind = node.get_friendly_name(), node.get_type_name()
        if name not in known and re.fullmatch(rf"{kind}_\d+", name):
            node.set_friendly_name(f"{kind}_new_{place}")


def _check(recipe: QuantRecipe) -> None:
    if recipe.activations != "int8":
        raise RecipeError("OpenVINO has no activations of int16: wanted activations = 'int8'")
    if recipe.ranges == "entropy":
        raise RecipeError(
            "NNCF has no ranges by entropy: wanted ranges = 'minmax', 'percentile' or 'mse'"
        )


def read(source: Path, *, quantized: bool = False) -> Any:
    """Read an OpenVINO file of one input and fixed shapes.

    Args:
        source: The .xml.
        quantized: It may be quantized already.

    Raises:
        ModelFileError: It cannot be read, or leaves a shape open other than the batch.
        PackageMissingError: OpenVINO is not installed.
    """
    try:
        import openvino as ov
    except ModuleNotFoundError as error:
        raise package_missing("openvino", "convert") from error
    try:
        model = ov.Core().read_model(source)
    except RuntimeError as error:
        raise ModelFileError(f"cannot read {source}: {str(error).splitlines()[-1]}") from error
    if len(model.inputs) != 1:
        raise ModelFileError(f"{source.name} takes {len(model.inputs)} inputs: wanted one")
    shape = model.inputs[0].partial_shape
    if shape.is_dynamic:
        if shape.rank.is_dynamic or any(side.is_dynamic for side in list(shape)[1:]):
            raise ModelFileError(
                f"{source.name} cannot be quantized: its input has the open shape {shape}: "
                "export it with a fixed size"
            )
        model.reshape([1, *(side.get_length() for side in list(shape)[1:])])
    if not quantized and any(node.get_type_name() == "FakeQuantize" for node in model.get_ops()):
        raise ModelFileError(f"{source.name} is quantized already: wanted the float32 file")
    return model


def run_model(model: Any) -> Any:
    """Return a function that runs a model in float32 on one tensor; it returns all outputs.

    Raises:
        InferenceError: The runtime refuses the model.
    """
    import openvino as ov

    settings = {
        "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": 1,
    }  # fmt: skip
    try:
        compiled = ov.Core().compile_model(model, "CPU", settings)
        request = compiled.create_infer_request()
    except RuntimeError as error:
        raise InferenceError(f"OpenVINO refuses the model: {error}") from error

    def run(tensor: Array) -> list[Array]:
        request.infer([tensor])
        return [request.get_output_tensor(i).data.copy() for i in range(len(compiled.outputs))]

    return run


def save(model: Any, target: Path) -> None:
    """Write a model's two files, the weights first.

    Raises:
        OutputError: They cannot be written.
    """
    import openvino as ov

    with atomic_path(target) as temporary:
        weights = temporary.with_suffix(".bin")
        try:
            with explained(target, "OpenVINO"):
                ov.save_model(model, temporary, compress_to_fp16=False)
            weights.replace(target.with_suffix(".bin"))
        finally:
            with suppress(OSError):
                weights.unlink(missing_ok=True)


def _quantized(model: Any, tensors: Sequence[Array], recipe: QuantRecipe, taken: Any) -> Any:
    try:
        import nncf
    except ModuleNotFoundError as error:
        raise package_missing("nncf", "convert") from error
    from nncf.quantization.advanced_parameters import OverflowFix, QuantizationParameters

    kept = matching(_names(model), recipe.keep_float)
    advanced = nncf.AdvancedQuantizationParameters(
        overflow_fix=OverflowFix.ENABLE if recipe.weight_bits == 7 else OverflowFix.FIRST_LAYER,
        disable_bias_correction=not recipe.bias_correction,
        disable_channel_alignment=not recipe.equalize,
        weights_quantization_params=QuantizationParameters(per_channel=recipe.per_channel),
    )
    if (estimator := _estimator(recipe)) is not None:
        advanced.activations_range_estimator_params = estimator
    with _quiet():
        try:
            return nncf.quantize(
                model.clone(),
                nncf.Dataset(list(tensors), taken),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(tensors),
                fast_bias_correction=False,
                ignored_scope=nncf.IgnoredScope(names=kept) if kept else None,
                advanced_parameters=advanced,
            )
        except (nncf.ValidationError, RuntimeError) as error:
            raise ModelFileError(f"NNCF cannot quantize the model: {error}") from error


def _names(model: Any) -> dict[str, list[str]]:
    """Return what layers are called: all names of their outputs, by their own."""
    return {
        node.get_friendly_name(): [
            node.get_friendly_name(), *sorted(n for o in node.outputs() for n in o.get_names())
        ]
        for node in model.get_ordered_ops()
        if node.get_type_name() not in LEFT_OUT
    }  # fmt: skip


def _estimator(recipe: QuantRecipe) -> Any | None:
    """Return NNCF's way to find ranges; None for its own choice, which is near min-max."""
    from nncf.quantization import range_estimator as nncf_ranges

    if recipe.ranges == "mse":
        return nncf_ranges.RangeEstimatorParametersSet.HISTOGRAM
    if recipe.ranges == "percentile":
        ends = [
            nncf_ranges.StatisticsCollectorParameters(
                statistics_type=nncf_ranges.StatisticsType.QUANTILE,
                aggregator_type=nncf_ranges.AggregatorType.MEAN,
                quantile_outlier_prob=(100 - recipe.percentile) / 200,
            )
            for _ in range(2)
        ]
        return nncf_ranges.RangeEstimatorParameters(*ends)
    return None


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep NNCF's own words and bars from the terminal."""
    logger = logging.getLogger("nncf")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
