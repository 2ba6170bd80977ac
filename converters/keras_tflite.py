"""Keras files and SavedModels to TFLite: as floats, half floats, or with weights of int8."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edgecv.cache import write_atomic
from edgecv.errors import InferenceError
from edgecv.tflitegraph import Graph, name_of

from .keras_source import Source, read_source
from .quiet import quiet

UNSUPPORTED = (
    re.compile(r"'tf\.(\w+)' op is neither a custom op nor a flex op"),
    re.compile(r"^\s*Details:\s*$|^\s*tf\.(\w+)\(", re.MULTILINE),
)
"""Where TensorFlow's converter names an operator that it has no TFLite operator for."""


def convert(source: Path, target: Path, *, precision: str = "fp32") -> None:
    """Write a TFLite file whose tensors have the names of the source's inputs and outputs.

    Args:
        source: A `.keras` or `.h5` file, or the folder of a SavedModel.
        target: The file to be; one that is there is replaced.
        precision: "fp32", "fp16" (weights) or "dynamic" (weights of int8, float arithmetic for
            what has no integer kernel that takes its ranges from the values themselves).

    Raises:
        ModelFileError: The source is damaged.
        InferenceError: TFLite has no operator for a part of it; all of them are named.
        SpecError: A side of the source's input is open.
        OutputError: The target cannot be written.
    """
    write_atomic(target, tflite_bytes(read_source(source), precision=precision, name=source.name))


def tflite_bytes(source: Source, *, precision: str, name: str) -> bytes:
    """Return a TFLite file.

    Args:
        source: What is converted.
        precision: See `convert`.
        name: What the source is called in errors.
    """
    import tensorflow as tf

    with converter_of(source, name) as converter:
        if precision != "fp32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "fp16":
            converter.target_spec.supported_types = [tf.float16]
        return converted(converter, source, name)


@contextmanager
def converter_of(source: Source, name: str) -> Iterator[Any]:
    """Give TensorFlow's converter for a source, with signatures, which keep the outputs' order.

    The function is saved without the gradients that activations such as swish bring along: with
    them it cannot be saved, and the converter would go on without signatures.

    Raises:
        InferenceError: TensorFlow cannot save the function.
    """
    import tensorflow as tf

    holder = tf.Module()
    holder.function = source.function
    options = tf.saved_model.SaveOptions(save_debug_info=True, experimental_custom_gradients=False)
    with tempfile.TemporaryDirectory(prefix="edgecv-") as folder:
        with quiet() as said:
            try:
                tf.saved_model.save(holder, folder, source.function, options)
                converter = tf.lite.TFLiteConverter.from_saved_model(folder)
            except Exception as error:  # of many classes, which TensorFlow does not name
                raise _refusal(name, source, f"{error}\n{said()}") from error
        yield converter


def converted(converter: Any, source: Source, name: str) -> bytes:
    """Run a converter; see `tflite_bytes`."""
    with quiet() as said:
        try:
            made = bytes(converter.convert())
        except Exception as error:  # the converter's own class is not public
            raise _refusal(name, source, f"{error}\n{said()}") from error
    return _named(made, source, name)


def _named(data: bytes, source: Source, name: str) -> bytes:
    """Give inputs and outputs the source's names, and layers short ones."""
    graph = Graph(data)
    order = _order(graph, len(source.outputs), name)
    graph.set_outputs({spec.name: i for spec, i in zip(source.outputs, order, strict=True)})
    names = dict(zip(graph.inputs, (spec.name for spec in source.inputs), strict=True))
    names |= dict(zip(order, (spec.name for spec in source.outputs), strict=True))
    taken = set(names.values())
    for index, tensor in enumerate(graph.tensors):
        if index not in names:
            names[index] = _free(_short(name_of(tensor)), taken)
        tensor.name = names[index].encode()
    return graph.packed()


def _order(graph: Graph, count: int, name: str) -> list[int]:
    """Return the outputs' tensors in the source's order.

    Raises:
        InferenceError: The converter lost an output, or made one of two.
    """
    found = graph.output_names()
    # the converter numbers what a function returns, in its order
    order = [found.get(f"output_{i}", -1) for i in range(count)]
    if -1 in order or len(set(order)) < count:
        raise InferenceError(
            f"{name} does not become TFLite: it has {count} outputs, and of the file that "
            f"TensorFlow made these are known: {', '.join(found) or 'none'}. Let every output be "
            "made by a layer of its own"
        )
    return order


def _short(name: str) -> str:
    """Return the last of the layers that were made one, which the converter all lists."""
    return name.partition(";")[0]


def _free(name: str, taken: set[str]) -> str:
    """Return a name that no other tensor has, and take it."""
    found, number = name, 1
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found)
    return found


def _refusal(name: str, source: Source, text: str) -> InferenceError:
    """Return the error that names all operators without a counterpart, with their layers."""
    missing = {found for pattern in UNSUPPORTED for found in pattern.findall(text) if found}
    if not missing:
        return InferenceError(f"{name} does not become TFLite: {_first_line(text)}")
    nodes = [n for n in source.function.graph.as_graph_def().node if n.op in missing]
    listed = ", ".join(_places(operator, nodes) for operator in sorted(missing))
    return InferenceError(
        f"{name} does not become TFLite, which the other formats are made through: it has no "
        f"operator for {listed}. Build these layers of others"
    )


def _places(operator: str, nodes: Iterable[Any]) -> str:
    layers = sorted({n.name.rpartition("/")[0] or n.name for n in nodes if n.op == operator})
    return f"{operator} (in {', '.join(layers)})" if layers else operator


def _first_line(text: str) -> str:
    return next((" ".join(line.split()) for line in text.splitlines() if line.strip()), "")[:300]
