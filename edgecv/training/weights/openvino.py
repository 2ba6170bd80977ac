"""The graph of an OpenVINO file (IR, version 10 and later), its weights as real numbers.

The .xml names layers and their connections, the .bin holds the constants
(https://docs.openvino.ai: "Intermediate Representation"), so that no runtime is needed to read it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

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

TYPES = {
    **{f"f{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{f"i{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"u{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    "boolean": np.dtype("bool"),
}
HANDED_ON = ("Convert", "FakeQuantize", "Pad", "Transpose")
PRODUCTS = ("Convolution", "GroupConvolution", "MatMul")
ARITHMETIC = {"Add": SHIFT, "Subtract": SHIFT, "Multiply": SCALE, "Divide": SCALE}
ON_CONSTANTS: Mapping[str, Callable[..., Array]] = {
    "Add": np.add,
    "Convert": lambda values: values,
    "Divide": np.divide,
    "Multiply": np.multiply,
    "Reshape": lambda values, shape: values.reshape(shape.astype(int)),
    "Subtract": np.subtract,
    "Transpose": lambda values, order: values.transpose(order.astype(int)),
    "Unsqueeze": lambda values, axes: np.expand_dims(values, tuple(axes.reshape(-1).astype(int))),
}


def read_openvino(path: Path) -> Graph:
    """Read the graph of an OpenVINO file.

    Raises:
        ModelFileError: The file is damaged, older than version 10, or has no picture as its input.
    """
    try:
        root = ElementTree.parse(path).getroot()
        weights = path.with_suffix(".bin").read_bytes()
        return _Reader(path.name, root, weights).graph()
    except (ElementTree.ParseError, KeyError, ValueError, AttributeError, OSError) as error:
        raise ModelFileError(f"{path} is damaged or cut short: {error}") from error


class _Reader:
    """The layers of a file, and which of them are constants."""

    def __init__(self, name: str, root: ElementTree.Element, weights: bytes) -> None:
        self._file, self._weights = name, weights
        self._layers = {layer.attrib["id"]: layer for layer in root.iterfind("layers/layer")}
        self._feeds: dict[str, list[str]] = {key: [] for key in self._layers}
        edges = [edge.attrib for edge in root.iterfind("edges/edge")]
        for edge in sorted(edges, key=lambda edge: int(edge["to-port"])):
            self._feeds[edge["to-layer"]].append(edge["from-layer"])
        self._constants: dict[str, Array] = {}
        self._quantized = False

    def graph(self) -> Graph:
        """Return the graph."""
        operators: list[Operator] = []
        for key in self._order():
            operators += self._operators(key)
        entrances = [k for k, layer in self._layers.items() if layer.attrib["type"] == "Parameter"]
        sides = [int(side.text or 0) for side in self._layers[entrances[0]].iter("dim")]
        size = picture_size(self._file, sides if len(entrances) == 1 else ())
        return Graph(self._file, tuple(operators), entrances[0], size, self._quantized)

    def _order(self) -> Iterator[str]:
        """Yield the layers' ids so that each comes after those that feed it."""
        done: set[str] = set()
        waiting = list(reversed(self._layers))
        while waiting:
            key = waiting[-1]
            missing = [feed for feed in self._feeds[key] if feed not in done]
            waiting += missing
            if not missing:
                waiting.pop()
                if key not in done:
                    done.add(key)
                    yield key

    def _operators(self, key: str) -> list[Operator]:
        layer, feeds = self._layers[key], self._feeds[key]
        kind = layer.attrib["type"]
        data = layer.find("data")
        settings = {} if data is None else data.attrib
        if kind == "Const":
            self._constants[key] = self._constant(settings)
            return []
        constants = [self._constants[feed] for feed in feeds if feed in self._constants]
        given = tuple(feed for feed in feeds if feed not in self._constants)
        if not given:
            if feeds:
                self._keep(key, kind, constants, settings)
            return []
        made = Operator(kind, layer.attrib.get("name", ""), given, (key,))
        return [_meaning(made, constants, settings)]

    def _constant(self, settings: Mapping[str, str]) -> Array:
        kind = TYPES.get(settings["element_type"])
        if kind is None:
            return np.zeros(0, np.float32)
        shape = [int(side) for side in settings["shape"].split(",") if side.strip()]
        count, offset = int(np.prod(shape)), int(settings["offset"])
        values = np.frombuffer(self._weights, kind, count, offset).reshape(shape)
        self._quantized |= kind.itemsize == 1 and values.ndim > 1
        return values.astype(np.float32) if kind.kind == "f" else values

    def _keep(
        self, key: str, kind: str, constants: Sequence[Array], settings: Mapping[str, str]
    ) -> None:
        """Note what an operator makes of constants, where that is known."""
        if kind == "FakeQuantize":
            self._quantized = True
            self._constants[key] = _fake_quantized(constants, int(settings["levels"]))
        elif kind in ON_CONSTANTS:
            real = [np.asarray(values, np.float64) for values in constants]
            self._constants[key] = ON_CONSTANTS[kind](*real).astype(np.float32)


def _fake_quantized(constants: Sequence[Array], levels: int) -> FloatArray:
    """Return constants rounded to levels, by the formula of OpenVINO's FakeQuantize-1."""
    x, low, high, out_low, out_high = (np.asarray(values, np.float64) for values in constants)
    steps = np.round((np.clip(x, low, high) - low) / (high - low) * (levels - 1))
    out: FloatArray = (steps / (levels - 1) * (out_high - out_low) + out_low).astype(np.float32)
    return out


def _meaning(made: Operator, constants: Sequence[Array], settings: Mapping[str, str]) -> Operator:
    """Return an operator of the kinds that matter for one of OpenVINO's."""
    kind = made.kind
    one = replace(made, inputs=made.inputs[:1])
    if kind in HANDED_ON:
        return replace(one, kind=SAME)
    if kind in PRODUCTS and constants:
        kernel, groups = _kernel(kind, constants[0], settings)
        return replace(one, kind=LINEAR, kernel=kernel, groups=groups)
    if kind in ARITHMETIC and constants:
        values: FloatArray = np.asarray(constants[0], np.float32).reshape(-1)
        if kind == "Subtract":
            values = -values
        if kind == "Divide":
            values = np.reciprocal(values)
        return replace(one, kind=ARITHMETIC[kind], values=values)
    if kind == "PReLU" and constants:
        values = np.asarray(constants[0], np.float32).reshape(-1)
        return replace(one, kind=PRELU, values=values)
    if kind == "Clamp":
        limits = float(settings["min"]), float(settings["max"])
        return replace(one, kind="relu6" if limits == (0, 6) else "clamp")
    return replace(made, kind=kind.lower())


def _kernel(kind: str, values: Array, settings: Mapping[str, str]) -> tuple[FloatArray, int]:
    """Return a kernel as (height, width, inputs of a group, outputs), and the groups."""
    values = np.asarray(values, np.float32)
    if kind == "MatMul":
        transposed = settings.get("transpose_b", "false") in ("true", "1")
        return np.ascontiguousarray((values.T if transposed else values)[None, None]), 1
    groups = 1
    if kind == "GroupConvolution":  # (groups, outputs, inputs, height, width)
        groups = values.shape[0]
        values = values.reshape(-1, *values.shape[2:])
    return np.ascontiguousarray(values.transpose(2, 3, 1, 0)), groups
