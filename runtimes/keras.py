"""Keras files (`.keras`) through TensorFlow on the CPU: the ruler for what is trained here.

TensorFlow takes seconds to import, so that it is imported with the first file and not before.
Files are data: only layers of Keras and of edgecv are built, no Python code inside a file is run.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from edgecv.errors import DeviceError, InferenceError
from edgecv.modelfile import check
from edgecv.registry import package_missing
from edgecv.types import Array, Device, TensorSpec

from .guards import check_inputs, closed, one_line
from .threads import thread_count

log = logging.getLogger(__name__)


class KerasSession:
    """A Keras model as one traced function of batches of one. Runs from threads take turns."""

    def __init__(self, model: Any) -> None:
        import tensorflow as tf

        self.inputs = tuple(_spec(tensor.name, tensor) for tensor in model.inputs)
        names = _output_names(model)
        self.outputs = tuple(map(_spec, names, model.outputs))
        self._lock = Lock()
        wanted = [tf.TensorSpec(t.shape, t.dtype, t.name) for t in self.inputs]

        def forward(*tensors: Any) -> list[Any]:
            made = model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
            return list(tf.nest.flatten(made))

        self._run: Any = tf.function(forward, input_signature=wanted).get_concrete_function()
        self._model = model  # the traced function holds its variables weakly

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `edgecv.session.Session`."""
        import tensorflow as tf

        check_inputs(self.inputs, tensors)
        with self._lock:
            if self._run is None:
                raise closed()
            try:
                with tf.device("CPU:0"):
                    given = [tf.constant(tensors[spec.name]) for spec in self.inputs]
                    made = self._run(*given)
            except tf.errors.OpError as error:
                raise InferenceError(f"tensorflow: {one_line(error)}") from error
        return {spec.name: np.array(value) for spec, value in zip(self.outputs, made, strict=True)}

    def close(self) -> None:
        """Drop the function and the model."""
        with self._lock:
            self._run = self._model = None


def _spec(name: str, tensor: Any) -> TensorSpec:
    return TensorSpec(name, (1, *tensor.shape[1:]), np.dtype(tensor.dtype))


def _output_names(model: Any) -> list[str]:
    """Return the keys of a model with a dict of outputs, else the names of its last layers."""
    structure = getattr(model, "_outputs_struct", None)
    if isinstance(structure, Mapping):
        return sorted(structure)  # the order in which tf.nest flattens a dict
    return [str(name) for name in model.output_names]


def open_session(path: Path, device: str, *, threads: int | None) -> KerasSession:
    """Open a `.keras` file; see `edgecv.session.Runtime`.

    Args:
        path: The file.
        device: "cpu".
        threads: CPU threads; the first file that is opened in a process decides.
    """
    if device != "cpu":
        raise DeviceError(f"edgecv runs Keras files on the cpu, not on {device!r}")
    check(path)
    _start(thread_count(threads))
    import tensorflow as tf

    from edgecv.models.loading import load_network

    with tf.device("CPU:0"):
        return KerasSession(load_network(path))


@lru_cache(maxsize=1)
def _start(threads: int) -> None:
    """Import TensorFlow, quietly; leave the GPU alone unless a training uses it already."""
    _needs_tensorflow()
    ours = "tensorflow" not in sys.modules
    if not ours:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors are raised besides
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with _silent_stderr():
        import keras  # noqa: F401
        import tensorflow as tf
    try:
        tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        log.debug("TensorFlow was started before: %s", error)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send what native code writes to stderr nowhere: TensorFlow does before it has a log level."""
    try:
        kept = os.dup(2)
    except OSError:  # closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _needs_tensorflow() -> None:
    if find_spec("tensorflow") is None:
        raise package_missing("tensorflow", "train")


def list_devices() -> list[Device]:
    """Return the CPU, where TensorFlow is installed; it is not imported to tell.

    Raises:
        PackageMissingError: TensorFlow is not installed.
    """
    _needs_tensorflow()
    return [Device("cpu", "keras", "TensorFlow, for files that end in .keras")]
