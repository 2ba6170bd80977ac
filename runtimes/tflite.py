"""TFLite on the CPU, through LiteRT's interpreter and its XNNPACK kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from edgecv.errors import InferenceError, ModelFileError
from edgecv.registry import package_missing
from edgecv.types import Array, Device, Quant, TensorSpec

from .threads import thread_count

PACKAGES = ("ai_edge_litert", "tflite_runtime", "tensorflow.lite.python")
"""Who may bring the interpreter, the first choice first: the last is in TensorFlow."""


@lru_cache(maxsize=1)
def interpreter_module() -> ModuleType:
    """Return the module that has `Interpreter` and `load_delegate`.

    Raises:
        PackageMissingError: No package brings one.
    """
    for package in PACKAGES:
        try:
            return import_module(f"{package}.interpreter")
        except ModuleNotFoundError:
            continue
    raise package_missing("ai-edge-litert", "tflite")


class TfliteSession:
    """A TFLite file in an interpreter."""

    def __init__(self, path: Path, *, threads: int, delegates: Sequence[Any] = ()) -> None:
        module = interpreter_module()
        try:
            self._interpreter = module.Interpreter(
                model_path=str(path),
                num_threads=threads,
                experimental_delegates=list(delegates) or None,
            )
        except (ValueError, OSError) as error:
            raise ModelFileError(f"{path} is damaged or cut short: {error}") from error
        try:
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise InferenceError(f"{path.name}: {error}") from error
        self.inputs = tuple(map(_spec, self._interpreter.get_input_details()))
        self.outputs = tuple(map(_spec, self._interpreter.get_output_details()))
        self._in = {d["name"]: d["index"] for d in self._interpreter.get_input_details()}
        self._out = {d["name"]: d["index"] for d in self._interpreter.get_output_details()}
        self._lock = Lock()

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `edgecv.session.Session`."""
        interpreter = self._interpreter
        try:
            with self._lock:
                for name, tensor in tensors.items():
                    interpreter.set_tensor(self._in[name], tensor)
                interpreter.invoke()
                return {name: interpreter.get_tensor(index) for name, index in self._out.items()}
        except (RuntimeError, ValueError) as error:
            raise InferenceError(str(error)) from error

    def close(self) -> None:
        """Drop the interpreter."""
        del self._interpreter


def _spec(details: Mapping[str, Any]) -> TensorSpec:
    scale, zero_point = details["quantization"]
    signature = details.get("shape_signature", details["shape"])
    shape = tuple(None if side < 0 else int(side) for side in signature)
    quant = Quant(float(scale), int(zero_point)) if scale else None
    return TensorSpec(details["name"], shape, np.dtype(details["dtype"]), quant)


def open_session(path: Path, device: str, *, threads: int | None) -> TfliteSession:
    """Open a .tflite file on the CPU; see `edgecv.session.Runtime`."""
    return TfliteSession(path, threads=thread_count(threads))


def list_devices() -> list[Device]:
    """Return the CPU, naming the package that drives it."""
    module = interpreter_module()
    package = module.__name__.partition(".")[0]
    return [Device("cpu", "tflite", f"XNNPACK, {thread_count(None)} threads, {package}")]
