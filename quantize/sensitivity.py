"""Which layers lose most by quantization: each layer's output in the float and in the int8 file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgecv.errors import DataError, ModelFileError
from edgecv.types import Array

from .samples import check_tensors

HIGHEST = 100.0
"""The signal-to-noise ratio, in dB, of outputs that are the same."""

Run = Callable[[Array], Mapping[str, Array]]


class LayerNoise(NamedTuple):
    """How much of a layer's output is noise of quantization, that of the layers before included.

    Attributes:
        name: Its output tensor, in the float file.
        kind: Its operator.
        sqnr_db: Signal to quantization noise: 10 log10 of the mean squares, in dB; at most 100.
        float_range: The least and the greatest number of its output in the float file.
    """

    name: str
    kind: str
    sqnr_db: float
    float_range: tuple[float, float]


class Pair(NamedTuple):
    """Two files with tensors that stand for the same.

    Attributes:
        kinds: The operator that makes each tensor, by the tensor's name in the float file.
        floats: Runs the float file for these tensors.
        integers: Runs the other for the same ones.
        shape: What goes in.
    """

    kinds: Mapping[str, str]
    floats: Run
    integers: Run
    shape: Sequence[int]


def layer_noise(float_path: Path, int8_path: Path, tensors: Sequence[Array]) -> list[LayerNoise]:
    """Compare the outputs of all layers, the worst first.

    Args:
        float_path: The float32 file: .tflite, .onnx or .xml.
        int8_path: What was made of it, in the same format.
        tensors: What both are run on: float32, each of a batch of one.

    Raises:
        ModelFileError: The files are of different kinds, or share no tensors.
        DataError: There are no tensors, or the models do not take them.
        InferenceError: A runtime refuses a file.
    """
    if float_path.suffix != int8_path.suffix:
        raise ModelFileError(f"{float_path.name} and {int8_path.name} are of different formats")
    if not tensors:
        raise DataError("wanted at least one tensor to compare layers with")
    pair = _opener(float_path.suffix)(float_path, int8_path)
    check_tensors(float_path, tensors, pair.shape, fewest=1)
    if not pair.kinds:
        raise ModelFileError(f"{float_path.name} and {int8_path.name} have no layers in common")
    sums = {name: np.zeros(2) for name in pair.kinds}
    ranges = dict.fromkeys(pair.kinds, (np.inf, -np.inf))
    for tensor in tensors:
        meant, made = pair.floats(tensor), pair.integers(tensor)
        for name in pair.kinds:
            values = meant[name].astype(np.float64)
            sums[name] += (values**2).sum(), ((values - made[name]) ** 2).sum()
            low, high = ranges[name]
            ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))
    found = [LayerNoise(n, k, _sqnr(*sums[n]), ranges[n]) for n, k in pair.kinds.items()]
    return sorted(found, key=lambda layer: layer.sqnr_db)


def _sqnr(signal: float, noise: float) -> float:
    """Return a signal-to-noise ratio in dB."""
    if noise <= 0:
        return HIGHEST
    return float(np.clip(10 * np.log10(max(signal, 1e-30) / noise), -HIGHEST, HIGHEST))


def _opener(suffix: str) -> Callable[[Path, Path], Pair]:
    openers = {".tflite": _tflite, ".onnx": _onnx, ".xml": _openvino}
    if suffix not in openers:
        raise ModelFileError(f"wanted .tflite, .onnx or .xml files, got {suffix or 'none'}")
    return openers[suffix]


def _tflite(float_path: Path, int8_path: Path) -> Pair:
    from edgecv.tflitegraph import TYPE, Graph, name_of

    from .tflite_plan import computed_floats
    from .tflite_run import Taps

    datas = [_bytes(path) for path in (float_path, int8_path)]
    graphs = [Graph(data) for data in datas]
    graph = graphs[0]
    numbers = (TYPE.INT8, TYPE.INT16, TYPE.UINT8, TYPE.FLOAT32)
    places = [  # a tensor that no operator makes, as one before a fused RELU, has no values
        {
            name_of(g.tensors[index]): index
            for operator in g.operators
            for index in operator.outputs
            if g.tensors[index].type in numbers
        }
        for g in graphs
    ]
    kinds = {
        name_of(graph.tensors[i]): graph.name(operator)
        for operator in graph.operators
        for i in computed_floats(graph, operator.outputs)
        if name_of(graph.tensors[i]) in places[1]
    }
    runs = [
        _named(Taps(data, [at[name] for name in kinds]), {name: at[name] for name in kinds})
        for data, at in zip(datas, places, strict=True)
    ]
    shape = [int(side) for side in graph.tensors[graph.inputs[0]].shape]
    return Pair(kinds, runs[0], runs[1], shape)


def _named(run: Callable[[Array], Mapping[int, Array]], places: Mapping[str, int]) -> Run:
    def named(tensor: Array) -> dict[str, Array]:
        values = run(tensor)
        return {name: values[place] for name, place in places.items()}

    return named


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error


def _onnx(float_path: Path, int8_path: Path) -> Pair:
    """Match what nodes give; in the int8 file, after it has been through integers."""
    import onnx

    from .onnx_run import Taps, float_names, inputs, load

    model, made = load(float_path), onnx.load(str(int8_path))
    sides = [side.dim_value for side in inputs(model)[0].type.tensor_type.shape.dim]
    floats = set(float_names(model, np.zeros(sides, np.float32)))
    there = {name for node in made.graph.node for name in node.output}
    twins = {}
    for node in model.graph.node:
        for name in floats & set(node.output):
            through = [n for n in (f"{name}_DequantizeLinear_Output", name) if n in there]
            if through:
                twins[name] = (node.op_type, through[0])
    kinds = {name: kind for name, (kind, _) in twins.items()}
    inner = Taps(made, [twin for _, twin in twins.values()])

    def integers(tensor: Array) -> dict[str, Array]:
        values = inner(tensor)
        return {name: values[twin] for name, (_, twin) in twins.items()}

    return Pair(kinds, Taps(model, kinds), integers, sides)


def _openvino(float_path: Path, int8_path: Path) -> Pair:
    """Match nodes by name; where a FakeQuantize follows one, what it gives counts."""
    from .openvino import read

    models = [read(float_path), read(int8_path, quantized=True)]
    there = [{n.get_friendly_name(): n for n in model.get_ordered_ops()} for model in models]
    kinds = {
        node.get_friendly_name(): node.get_type_name()
        for node in _layers(models[0])
        if node.get_friendly_name() in there[1]
    }
    shape = list(models[0].inputs[0].shape)
    runs = [
        _tapped(model, {name: _through(nodes[name]) for name in kinds})
        for model, nodes in zip(models, there, strict=True)
    ]
    return Pair(kinds, runs[0], runs[1], shape)


def _layers(model: Any) -> list[Any]:
    """Return the nodes that give one tensor of floats which depends on the input."""
    from .openvino import LEFT_OUT

    depend: set[str] = set()
    found = []
    for node in model.get_ordered_ops():
        given = {value.get_node().get_friendly_name() for value in node.input_values()}
        if node.get_type_name() != "Parameter" and not given & depend:
            continue
        depend.add(node.get_friendly_name())
        plain = node.get_type_name() not in LEFT_OUT and len(node.outputs()) == 1
        if plain and node.output(0).get_element_type().is_real():
            found.append(node)
    return found


def _through(node: Any) -> Any:
    users = [target.get_node() for target in node.output(0).get_target_inputs()]
    after = [user for user in users if user.get_type_name() == "FakeQuantize"]
    return after[0].output(0) if after else node.output(0)


def _tapped(model: Any, outputs: Mapping[str, Any]) -> Run:
    import openvino as ov

    from .openvino import run_model

    run = run_model(ov.Model(list(outputs.values()), model.get_parameters()))

    def tapped(tensor: Array) -> dict[str, Array]:
        return dict(zip(outputs, run(tensor), strict=True))

    return tapped
