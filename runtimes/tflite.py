"""TFLite on the CPU, through LiteRT's interpreter and its XNNPACK kernels.

LiteRT writes "INFO: Created TensorFlow Lite XNNPACK delegate for CPU." to stderr once per process.
Its Python package has no switch for that line (2.3.0: neither an argument nor a variable of the
environment), and turning file descriptors round under other threads is not worth it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module, metadata
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

import numpy as np

from edgecv.errors import DeviceError, InferenceError, ModelFileError, PackageMissingError
from edgecv.registry import package_missing
from edgecv.types import Array, Device, Quant, TensorSpec

from .guards import check_inputs, closed, one_line, unique
from .threads import thread_count

PACKAGES = {
    "ai_edge_litert.interpreter": "ai-edge-litert",
    "tflite_runtime.interpreter": "tflite-runtime",
    "tensorflow.lite.python.interpreter": "tensorflow",
}
"""Where the interpreter may be, and the distribution that brings it; the first choice first."""


@lru_cache(maxsize=1)
def interpreter_module() -> ModuleType:
    """Return the module that has `Interpreter` and `load_delegate`.

    Raises:
        PackageMissingError: No package brings one, or none of those here can be imported.
    """
    broken: list[str] = []
    for name, distribution in PACKAGES.items():
        try:
            return import_module(name)
        except ImportError as error:
            if (error.name or "") not in (name, name.partition(".")[0]):
                broken.append(f"{distribution} is installed but cannot be imported: {error}")
    if not broken:
        raise package_missing("ai-edge-litert", "tflite")
    raise PackageMissingError(
        f"{'; '.join(broken)}. LiteRT replaces it: pip install 'edgecv[tflite]'"
    )


def package() -> str:
    """Return the package that runs TFLite files, with its version: "ai-edge-litert 2.3.0"."""
    distribution = PACKAGES.get(interpreter_module().__name__, "")
    try:
        return f"{distribution} {metadata.version(distribution)}"
    except (metadata.PackageNotFoundError, ValueError):  # built from source, or under another name
        return interpreter_module().__name__.partition(".")[0]


class TfliteSession:
    """A TFLite file in an interpreter. Runs from several threads take turns.

    Args:
        path: The file.
        threads: How many threads the CPU kernels use.
        delegates: What `load_delegate` gave, for other devices than the CPU.
        failure: Makes the error that a failing run raises from its text.

    Raises:
        ModelFileError: The file is damaged or cut short.
        InferenceError: The interpreter refuses the model.
        PackageMissingError: The package with the interpreter does not work here.
    """

    def __init__(
        self,
        path: Path,
        *,
        threads: int,
        delegates: Sequence[Any] = (),
        failure: Callable[[str], InferenceError] = InferenceError,
    ) -> None:
        self._interpreter = _interpreter(path, threads, delegates)
        self._name, self._failure, self._lock = path.name, failure, Lock()
        given, out = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        self.inputs, self.outputs = _specs(given, "input"), _specs(out, "output")
        self._in = {t.name: d["index"] for t, d in zip(self.inputs, given, strict=True)}
        self._out = {t.name: d["index"] for t, d in zip(self.outputs, out, strict=True)}
        self._shapes = {
            t.name: tuple(map(int, d["shape"])) for t, d in zip(self.inputs, given, strict=True)
        }

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `edgecv.session.Session`."""
        check_inputs(self.inputs, tensors)
        with self._lock:
            if self._interpreter is None:
                raise closed()
            try:
                return self._invoke(self._interpreter, tensors)
            except (RuntimeError, ValueError) as error:
                raise self._failure(f"{self._name}: {one_line(error)}") from error

    def _invoke(self, interpreter: Any, tensors: Mapping[str, Array]) -> dict[str, Array]:
        if any(tensor.shape != self._shapes[name] for name, tensor in tensors.items()):
            for name, tensor in tensors.items():
                interpreter.resize_tensor_input(self._in[name], tensor.shape)
                self._shapes[name] = tensor.shape
            interpreter.allocate_tensors()
        for name, tensor in tensors.items():
            interpreter.set_tensor(self._in[name], tensor)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in self._out.items()}

    def close(self) -> None:
        """Drop the interpreter."""
        with self._lock:
            self._interpreter = None


def _interpreter(path: Path, threads: int, delegates: Sequence[Any]) -> Any:
    module = interpreter_module()
    try:
        interpreter = module.Interpreter(
            model_path=str(path),
            num_threads=threads,
            experimental_delegates=list(delegates) or None,
        )
    except (ImportError, SystemError) as error:  # tflite_runtime 2.14 under numpy 2
        raise PackageMissingError(
            f"{package()} does not work with numpy {np.__version__} ({one_line(error)}). LiteRT "
            "replaces it: pip install 'edgecv[tflite]'"
        ) from error
    except (ValueError, OSError) as error:
        raise ModelFileError(f"{path} is damaged or cut short: {one_line(error)}") from error
    except RuntimeError as error:  # a delegate that refuses the model
        raise InferenceError(f"{path.name}: {one_line(error)}") from error
    try:
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise InferenceError(f"{path.name}: {one_line(error)}") from error
    return interpreter


def _specs(details: Sequence[Mapping[str, Any]], kind: str) -> tuple[TensorSpec, ...]:
    names = unique((d["name"] for d in details), kind)
    return tuple(_spec(name, d) for name, d in zip(names, details, strict=True))


def _spec(name: str, details: Mapping[str, Any]) -> TensorSpec:
    scale, zero_point = details["quantization"]
    signature = details.get("shape_signature", ())
    sides = signature if len(signature) else details["shape"]  # no signature: all sides are fixed
    shape = tuple(None if side < 0 else int(side) for side in sides)
    quant = Quant(float(scale), int(zero_point)) if scale else None
    return TensorSpec(name, shape, np.dtype(details["dtype"]), quant)


def open_session(path: Path, device: str, *, threads: int | None) -> TfliteSession:
    """Open a .tflite file on the CPU; see `edgecv.session.Runtime`."""
    if device != "cpu":
        raise DeviceError(f"the runtime tflite has the device 'cpu', not {device!r}")
    return TfliteSession(path, threads=thread_count(threads))


def list_devices() -> list[Device]:
    """Return the CPU, naming the package that drives it."""
    return [Device("cpu", "tflite", f"XNNPACK, {thread_count(None)} threads, {package()}")]
