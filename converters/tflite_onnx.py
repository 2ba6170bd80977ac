"""TFLite to ONNX, through tf2onnx, with names and an order that do not change from run to run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.cache import write_atomic
from edgecv.errors import InferenceError

from .between import check_tflite
from .quiet import quiet, start_tensorflow

OPSET = 17
"""The newest set of operators that tf2onnx knows well; OpenVINO and ONNX Runtime read all."""

SMALL = 64
"""Constants of fewer numbers are not worth halving, and operators want some of them as float32."""


def convert(source: Path, target: Path, *, precision: str = "fp32") -> None:
    """Write an ONNX file whose inputs and outputs have the names of the TFLite file's.

    Args:
        source: A .tflite file of floats.
        target: The file to be; one that is there is replaced.
        precision: "fp32", or "fp16": weights are stored in half the bytes, and calculated with in
            float32.

    Raises:
        ModelFileError: The source is damaged, or compiled for the Edge TPU.
        InferenceError: ONNX has no operator for a part of it; all of them are named.
        OutputError: The target cannot be written.
    """
    check_tflite(source)
    model = _onnx_model(source)
    _rename(model.graph)
    if precision == "fp16":
        _halve(model.graph)
    write_atomic(target, model.SerializeToString(deterministic=True))


def _onnx_model(source: Path) -> Any:
    start_tensorflow()
    import tf2onnx

    with quiet() as said:
        try:
            model, _ = tf2onnx.convert.from_tflite(str(source), opset=OPSET)
        except Exception as error:  # tf2onnx raises what its parts raise
            raise _refusal(source, f"{said()}\n{error}") from error
        missing = _missing(said())
    if missing:
        raise _refusal(source, missing)
    return model


def _missing(text: str) -> str:
    return ", ".join(sorted(set(re.findall(r"op \[(.+?)\] is not supported", text))))


def _refusal(source: Path, text: str) -> InferenceError:
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    said = _missing(text) or (lines[-1][:300] if lines else "")
    return InferenceError(f"{source.name} does not become ONNX: {said}")


def _rename(graph: Any) -> None:
    """Order the nodes from the outputs backwards, and name values after the layers they come from.

    tf2onnx numbers what it makes by a counter that goes on from file to file.
    """
    ordered = _ordered(graph)
    del graph.node[:]
    graph.node.extend(ordered)
    names = {value.name: value.name for value in (*graph.input, *graph.output)} | {"": ""}
    taken = set(names)
    for node in graph.node:
        for name in node.output:
            if name not in names:
                names[name] = _free(_short(name), taken)
        node.name = names[node.output[0]]
    _name_constants(graph, names, taken)
    for node in graph.node:
        node.input[:] = [names[name] for name in node.input]
        node.output[:] = [names[name] for name in node.output]
    graph.name, graph.doc_string = "edgecv", ""  # which names a file that is gone
    del graph.value_info[:]


def _name_constants(graph: Any, names: dict[str, str], taken: set[str]) -> None:
    """Name constants after the first node that takes them, and put them in that order."""
    constants = {constant.name: constant for constant in graph.initializer}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in constants and name not in names:
                names[name] = _free(f"{node.name}/{place}", taken)
    used = [constants[name] for name in names if name in constants]
    for constant in used:
        constant.name = names[constant.name]
    kept = [type(constant).FromString(constant.SerializeToString()) for constant in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _ordered(graph: Any) -> list[Any]:
    """Return the nodes, each behind those it depends on; outputs and inputs give the order."""
    makers = {name: node for node in graph.node for name in node.output if name}
    done: dict[int, Any] = {}
    stack = [makers[value.name] for value in reversed(graph.output) if value.name in makers]
    while stack:
        node = stack[-1]
        waiting = [makers[n] for n in node.input if n in makers and id(makers[n]) not in done]
        if waiting:
            stack += reversed(waiting)
        else:
            done.setdefault(id(node), node)
            stack.pop()
    return [type(node).FromString(node.SerializeToString()) for node in done.values()]


def _short(name: str) -> str:
    """Return a name without the numbers that tf2onnx puts behind it."""
    return re.sub(r"(__\d+)+(?=:|$)|:0$", "", name.partition(";")[0])


def _free(name: str, taken: set[str]) -> str:
    found, number = name, 1
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found)
    return found


def _halve(graph: Any) -> None:
    """Store large float constants as float16, with an operator that widens them at the start."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for constant in graph.initializer:
        if constant.data_type != TensorProto.FLOAT or _size(constant.dims) < SMALL:
            continue
        name = constant.name
        halved = _within(numpy_helper.to_array(constant))
        constant.CopyFrom(numpy_helper.from_array(halved, f"{name}/fp16"))
        casts.append(helper.make_node("Cast", [f"{name}/fp16"], [name], name, to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _within(values: Any) -> Any:
    """Return values as float16, those beyond its range as its largest."""
    most = float(np.finfo(np.float16).max)
    return np.clip(values, -most, most).astype(np.float16)


def _size(dims: Iterable[int]) -> int:
    return int(np.prod(list(dims), dtype=np.int64))
