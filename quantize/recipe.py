"""How a model is to be quantized: a TOML or JSON file, read into a value that is checked once."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgecv.errors import unknown_name
from edgecv.registry import package_missing
from edgecv.training.errors import RecipeError
from edgecv.training.settings import at_least, build, within

ACTIVATIONS = ("int8", "int16")
RANGES = ("minmax", "percentile", "mse", "entropy")
ENDS = ("int8", "uint8", "float32")


@dataclass(frozen=True)
class QuantRecipe:
    """How a model is to be quantized. Weights are of 8 bits and symmetric.

    Attributes:
        activations: "int8", or "int16" where 8 bits are too few (TFLite only).
        per_channel: A scale for each channel of the weights instead of one for all.
        weight_bits: 8, or 7 for x86 processors without VNNI, on which the 16-bit sums of OpenVINO's
            and ONNX Runtime's kernels overflow (not for TFLite, whose sums have room).
        ranges: How the range of an activation is found on the calibration pictures: "minmax",
            "percentile", "mse" (the least squared error) or "entropy" (the least information lost).
        percentile: For "percentile": which part of the values, in percent, lies inside.
        samples: How many calibration pictures are taken.
        bias_correction: Put the mean error of each layer's output right in its bias.
        equalize: Move factors between neighbouring layers until their channels are alike.
        keep_float: Names of layers' output tensors in the float file, or patterns of them such as
            "head/*": these layers stay in float32.
        inputs: What goes into a TFLite file: "int8", "uint8" or "float32".
        outputs: What comes out of a TFLite file, likewise.
        seed: What decides between pictures, where there are more than `samples`.
    """

    activations: str = "int8"
    per_channel: bool = True
    weight_bits: int = 8
    ranges: str = "minmax"
    percentile: float = 99.99
    samples: int = 200
    bias_correction: bool = True
    equalize: bool = False
    keep_float: tuple[str, ...] = ()
    inputs: str = "int8"
    outputs: str = "int8"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what nothing could be quantized by."""
        _one_of("activations", self.activations, ACTIVATIONS)
        _one_of("ranges", self.ranges, RANGES)
        _one_of("inputs", self.inputs, ENDS)
        _one_of("outputs", self.outputs, ENDS)
        within("percentile", self.percentile, 50, 100)
        within("weight_bits", self.weight_bits, 7, 8)
        at_least("samples", self.samples, 1)
        at_least("seed", self.seed, 0)
        if isinstance(self.keep_float, str):
            raise RecipeError(f"keep_float is {self.keep_float!r}: wanted a list of names")
        object.__setattr__(self, "keep_float", tuple(self.keep_float))

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as JSON values that `recipe_from_dict` takes back."""
        return asdict(self) | {"keep_float": list(self.keep_float)}


def recipe_from_dict(values: Mapping[str, Any]) -> QuantRecipe:
    """Build a recipe from the values of a TOML or JSON file.

    Raises:
        RecipeError: A key is unknown, or a value is of a wrong type or out of range.
    """
    return build(QuantRecipe, values, "")


def read_recipe(path: str | Path) -> QuantRecipe:
    """Read a recipe from a .toml or .json file.

    Raises:
        RecipeError: It cannot be read, or what it says is wrong.
    """
    file = Path(path)
    readers: dict[str, Callable[[str], Any]] = {".json": json.loads, ".toml": _toml}
    if file.suffix not in readers:
        raise RecipeError(f"{file} is no recipe: wanted a .toml or .json file")
    try:
        values = readers[file.suffix](file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot read the recipe {file}: {error}") from error
    if not isinstance(values, Mapping):
        raise RecipeError(f"{file}: wanted a table of keys, got {type(values).__name__}")
    try:
        return recipe_from_dict(values)
    except RecipeError as error:
        raise RecipeError(f"{file.name}: {error}") from error


def _one_of(key: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise RecipeError(f"{key}: {unknown_name('choice', value, known)}")


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib

        return tomllib.loads(text)
    try:
        import tomli
    except ModuleNotFoundError as error:
        raise package_missing("tomli", "convert") from error
    values: dict[str, Any] = tomli.loads(text)
    return values
