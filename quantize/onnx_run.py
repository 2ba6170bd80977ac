"""ONNX models made ready for quantization, and run so that tensors within them can be looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.errors import InferenceError, ModelFileError
from edgecv.registry import package_missing
from edgecv.types import Array

FLOAT = 1  # TensorProto.FLOAT
LAYERS = ("Conv", "ConvTranspose", "Gemm")
"""Operators with weights and a bias."""


OPSET = 13
"""The least operator set of what is quantized."""


def load(source: Path) -> Any:
    """Read a float32 ONNX file and make it ready: a batch of one, batch norms folded, all named.

    Raises:
        ModelFileError: It cannot be read, leaves a shape open, or is quantized already.
        PackageMissingError: onnx is not installed.
    """
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise package_missing("onnx", "convert") from error
    try:
        model = onnx.load(str(source))
        _check(model)
        _fix_batch(model)
        ready = _optimized(_modern(model))
    except ModelFileError as error:
        raise ModelFileError(f"{source.name} cannot be quantized: {error}") from error
    except Exception as error:  # protobuf's and the runtime's errors share no base but this
        raise ModelFileError(f"cannot read {source}: {_first_line(error)}") from error
    del ready.metadata_props[:]
    ready.metadata_props.extend(model.metadata_props)
    _name_nodes(ready)
    _add_biases(ready)
    return ready


def _modern(model: Any) -> Any:
    """Return a model of an operator set that knows a scale a channel (DequantizeLinear, 13)."""
    from onnx import version_converter

    own = next((s.version for s in model.opset_import if s.domain in ("", "ai.onnx")), 0)
    return model if own >= OPSET else version_converter.convert_version(model, OPSET)


def _optimized(model: Any) -> Any:
    """Return a model with its batch norms folded and what is constant computed."""
    import onnx
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "ready.onnx"
        options.optimized_model_filepath = str(target)
        ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        return onnx.shape_inference.infer_shapes(onnx.load(str(target)))


def _check(model: Any) -> None:
    kinds = {node.op_type for node in model.graph.node}
    if kinds & {"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger"}:
        raise ModelFileError("it is quantized already: wanted the float32 file")
    if len(inputs(model)) != 1 or inputs(model)[0].type.tensor_type.elem_type != FLOAT:
        raise ModelFileError(f"wanted a model of one float32 input, it has {len(inputs(model))}")


def _fix_batch(model: Any) -> None:
    """Make an open batch one; refuse other open sides."""
    (given,) = inputs(model)
    sides = given.type.tensor_type.shape.dim
    open_ = [not side.HasField("dim_value") or side.dim_value < 1 for side in sides]
    if not sides or any(open_[1:]):
        shape = [side.dim_param or side.dim_value or "any" for side in sides]
        raise ModelFileError(
            f"its input {given.name} has the open shape {shape}: export it with a fixed size"
        )
    if not open_[0]:
        return
    name = sides[0].dim_param
    for value in (given, *model.graph.output, *model.graph.value_info):
        dims = value.type.tensor_type.shape.dim
        if dims and (dims[0].dim_param == name or not dims[0].HasField("dim_value")):
            dims[0].dim_value = 1


def inputs(model: Any) -> list[Any]:
    """Return what goes into a model; old files list their weights among it."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def _name_nodes(model: Any) -> None:
    """Give every node a name of its own."""
    seen: set[str] = set()
    for place, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{place}_{node.output[0]}"
        seen.add(node.name)


def _add_biases(model: Any) -> None:
    """Give layers without a bias one of zeros, for what is to be corrected."""
    from onnx import numpy_helper

    weights = constants(model)
    for node in model.graph.node:
        if node.op_type not in LAYERS or len(node.input) != 2 or node.input[1] not in weights:
            continue
        kind, shape = node.op_type, weights[node.input[1]].dims
        channels = shape[0]
        if kind == "ConvTranspose":
            channels = shape[1] * attribute(node, "group", 1)
        elif kind == "Gemm" and not attribute(node, "transB", 0):
            channels = shape[1]
        name = f"{node.name}_bias"
        zeros = np.zeros(channels, np.float32)
        model.graph.initializer.append(numpy_helper.from_array(zeros, name))
        node.input.append(name)


def constants(model: Any) -> dict[str, Any]:
    """Return a model's weights by name."""
    return {tensor.name: tensor for tensor in model.graph.initializer}


def attribute(node: Any, name: str, default: Any) -> Any:
    """Return a node's attribute; `default` where it has none of that name."""
    from onnx import helper

    found = [a for a in node.attribute if a.name == name]
    return helper.get_attribute_value(found[0]) if found else default


class Taps:
    """An ONNX model that gives chosen tensors.

    Args:
        model: The model; it is left as it is.
        names: Tensors; None for its outputs. Only what they need is run.

    Raises:
        InferenceError: The runtime refuses the model.
    """

    def __init__(self, model: Any, names: Iterable[str] | None = None) -> None:
        import onnxruntime as ort

        wanted = [value.name for value in model.graph.output] if names is None else list(names)
        self._input = inputs(model)[0].name
        self._names = [name for name in dict.fromkeys(wanted) if name != self._input]
        self._echo = self._input in wanted
        options = ort.SessionOptions()
        options.add_session_config_entry("session.x64quantprecision", "1")  # as runtimes/onnx.py
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        part = cut(model, self._names).SerializeToString() if self._names else b""
        providers = ["CPUExecutionProvider"]
        try:
            self._session = ort.InferenceSession(part, options, providers) if part else None
        except Exception as error:  # ONNX Runtime's errors share no base but this
            raise InferenceError(f"ONNX Runtime refuses the model: {_first_line(error)}") from error

    def __call__(self, tensor: Array) -> dict[str, Array]:
        """Run on one float32 tensor; return the wanted tensors by name.

        Raises:
            InferenceError: The runtime failed.
        """
        found = {self._input: tensor} if self._echo else {}
        if self._session is None:
            return found
        try:
            values = self._session.run(self._names, {self._input: tensor})
        except Exception as error:
            raise InferenceError(f"ONNX Runtime failed: {_first_line(error)}") from error
        return found | dict(zip(self._names, values, strict=True))


def cut(model: Any, names: Iterable[str]) -> Any:
    """Return a model of what some tensors need, with these as its outputs."""
    import onnx

    wanted, kept = set(names), []
    for node in reversed(model.graph.node):
        if wanted & set(node.output):
            kept.append(node)
            wanted |= set(node.input)
    part = onnx.ModelProto()
    part.ir_version = model.ir_version
    part.opset_import.extend(model.opset_import)
    part.graph.name = "part"
    part.graph.node.extend(kept[::-1])
    part.graph.input.extend(inputs(model))
    part.graph.initializer.extend(t for t in model.graph.initializer if t.name in wanted)
    ends = {value.name: value for value in model.graph.output}
    part.graph.output.extend(ends.get(name, onnx.ValueInfoProto(name=name)) for name in names)
    return part


def float_names(model: Any, tensor: Array) -> list[str]:
    """Return the tensors of a model that are float32 and not empty, found by running it once."""
    names = [name for node in model.graph.node for name in node.output if name]
    values = Taps(model, [inputs(model)[0].name, *names])(tensor)
    return [name for name, v in values.items() if v.dtype == np.float32 and v.size]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
