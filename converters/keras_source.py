"""What a conversion starts from: a `.keras` or `.h5` file or a SavedModel, as one frozen function.

The function takes one picture, a batch of one, and has its weights inside. Of `.keras` and `.h5`
files data alone is read. A SavedModel is a program: TensorFlow's loader runs what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgecv.errors import EdgeCVError, InferenceError, ModelFileError, SpecError
from edgecv.types import Array, TensorSpec

from .quiet import quiet, start_tensorflow

SIGNATURES = ("serving_default", "serve")
"""The functions of a SavedModel that are looked for, in this order."""

FILE_OPERATORS = {
    "EagerPyFunc", "MatchingFiles", "PyFunc", "PyFuncStateless", "ReadFile", "Save", "SaveSlices",
    "SaveV2", "WriteFile",
}  # fmt: skip
"""Operators that reach out of a model, which no model for a device has any use for."""


class Source(NamedTuple):
    """A network to convert.

    Attributes:
        function: A `tf.ConcreteFunction` without variables: one tensor for each input, one array
            for each output, in these orders.
        inputs: What goes in.
        outputs: What comes out; of a dict of outputs, sorted by its keys.
    """

    function: Any
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class _Callable(NamedTuple):
    """A network before it is frozen: a function, its inputs, and how to name its outputs."""

    call: Any
    inputs: tuple[TensorSpec, ...]
    names: tuple[str, ...]


def is_source(path: Path) -> bool:
    """Tell whether a path looks like something this module reads."""
    return path.suffix in (".keras", ".h5") or (path / "saved_model.pb").is_file()


def read_source(path: Path) -> Source:
    """Read a network and freeze it with a batch of one.

    Raises:
        ModelFileError: The file is missing, damaged or no model.
        InferenceError: Keras or TensorFlow refuses it.
        SpecError: A side of its input is open.
        PackageMissingError: TensorFlow is not installed.
    """
    start_tensorflow()
    with quiet():
        try:
            if path.is_dir():
                return _frozen(_saved_model(path))
            return _frozen(_keras_model(path))
        except EdgeCVError:
            raise
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            text = " ".join(str(error).split())[:300]
            raise InferenceError(f"{path.name} cannot be read: {text}") from error


def _frozen(network: _Callable) -> Source:
    """Trace a network with a batch of one, and put its weights in as constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    wanted = [tf.TensorSpec(t.shape, t.dtype, _plain(t.name)) for t in network.inputs]

    def forward(*tensors: Any) -> list[Any]:
        return list(network.call(*tensors))

    with tf.device("CPU:0"):
        traced = tf.function(forward, input_signature=wanted).get_concrete_function()
        function = convert_variables_to_constants_v2(traced)
    outputs = [
        TensorSpec(name, tuple(tensor.shape), np.dtype(tensor.dtype.as_numpy_dtype))
        for name, tensor in zip(network.names, function.outputs, strict=True)
    ]
    for spec in outputs:
        _check_closed(spec)
    return Source(function, network.inputs, tuple(outputs))


def _check_closed(spec: TensorSpec) -> None:
    """Refuse an output whose shape is not known before the model runs."""
    if None in spec.shape:
        raise SpecError(
            f"the output {spec.name} has shape {_text(spec.shape)} even for one picture of a fixed "
            "size: a file for a device wants every shape to be known"
        )


def _plain(name: str) -> str:
    """Return a name that TensorFlow takes for an argument."""
    return "".join(c if c.isalnum() else "_" for c in name)


def _keras_model(path: Path) -> _Callable:
    import tensorflow as tf

    from edgecv.models.loading import load_network

    with tf.device("CPU:0"):
        model = load_network(path)
    inputs = [_input(t.name, tuple(t.shape), np.dtype(t.dtype), path) for t in model.inputs]
    structure = getattr(model, "_outputs_struct", None)
    names = sorted(structure) if isinstance(structure, Mapping) else model.output_names

    def call(*tensors: Any) -> list[Any]:
        made = model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        return list(tf.nest.flatten(made))  # a dict by its sorted keys

    return _Callable(call, tuple(inputs), tuple(map(str, names)))


def _saved_model(path: Path) -> _Callable:
    import tensorflow as tf

    with tf.device("CPU:0"):
        loaded = tf.saved_model.load(str(path))
    found = next((name for name in SIGNATURES if name in loaded.signatures), None)
    if found is None:
        raise ModelFileError(
            f"{path} has none of the signatures {', '.join(SIGNATURES)}; it has: "
            f"{', '.join(loaded.signatures) or 'none'}"
        )
    function = loaded.signatures[found]
    _check_operators(path, function)
    given = function.structured_input_signature[1]
    inputs = tuple(
        _input(name, tuple(given[name].shape), np.dtype(given[name].dtype.as_numpy_dtype), path)
        for name in sorted(given)
    )
    names = tuple(sorted(function.structured_outputs))

    def call(*tensors: Any, kept: Any = loaded) -> list[Any]:  # the loaded object has the weights
        made = function(**{t.name: value for t, value in zip(inputs, tensors, strict=True)})
        return [made[name] for name in names]

    return _Callable(call, inputs, names)


def _check_operators(path: Path, function: Any) -> None:
    graph = function.graph.as_graph_def()
    nodes = [*graph.node, *(node for inner in graph.library.function for node in inner.node_def)]
    reaching = sorted({node.op for node in nodes} & FILE_OPERATORS)
    if reaching:
        raise ModelFileError(f"{path} reaches out of the model: it has {', '.join(reaching)}")


def _input(
    name: str, shape: tuple[int | None, ...], dtype: np.dtype[Any], path: Path
) -> TensorSpec:
    """Return an input with a batch of one.

    Raises:
        SpecError: Another side of it is open.
    """
    if not shape or None in shape[1:] or shape[0] not in (None, 1):
        raise SpecError(
            f"{path.name} takes {name} of shape {_text(shape)}: a file for a device wants a batch "
            "that is open or 1 and all other sides fixed. Build the model with an input_size, or "
            "call it on keras.Input((HEIGHT, WIDTH, 3)) and save that"
        )
    return TensorSpec(name, (1, *shape[1:]), dtype)


def _text(shape: tuple[int | None, ...]) -> str:
    return " x ".join("any" if side is None else str(side) for side in shape) or "unknown"


class SourceSession:
    """A source as a session, to measure what was made of it against; see `edgecv.session.Session`.

    Args:
        source: What runs.
    """

    def __init__(self, source: Source) -> None:
        self.inputs, self.outputs = source.inputs, source.outputs
        self._function = source.function

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run once."""
        import tensorflow as tf

        with tf.device("CPU:0"):
            made = self._function(*(tf.constant(tensors[spec.name]) for spec in self.inputs))
        values = tf.nest.flatten(made)
        return {spec.name: np.array(v) for spec, v in zip(self.outputs, values, strict=True)}

    def close(self) -> None:
        """Drop the function."""
        self._function = None
