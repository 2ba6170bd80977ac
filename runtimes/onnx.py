"""ONNX files through ONNX Runtime: CPU, CUDA, TensorRT and OpenVINO, as its wheel brings them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from edgecv.cache import cache_dir
from edgecv.errors import DeviceError, EdgeCVError, InferenceError, ModelFileError
from edgecv.types import Array, Device, TensorSpec

from .guards import check_inputs, closed, one_line
from .threads import thread_count

PROVIDERS = {
    "tensorrt": "TensorrtExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "cpu": "CPUExecutionProvider",
}
"""Device -> what ONNX Runtime calls it. Its packages bring one or a few each."""

TYPES = {"float": "float32", "double": "float64"}
"""Element types whose ONNX name is not numpy's."""

UNREADABLE = ("InvalidProtobuf", "NoSuchFile", "NoModel")
INCOMPLETE = ("No graph was found", "does not have a graph", "Missing opset")
"""Classes and texts of ONNX Runtime's errors that are the file's fault."""

NOISE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .*? failed:"
    r"|/onnxruntime_src/\S+ .*?\) (?=[A-Z])"
)
"""What its errors say besides: codes, the file's path again, C++ signatures."""


class OnnxSession:
    """An ONNX file in an inference session, which several threads may run at once."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session: ort.InferenceSession | None = session
        self.inputs = tuple(map(_spec, session.get_inputs()))
        self.outputs = tuple(map(_spec, session.get_outputs()))
        self._names = [tensor.name for tensor in self.outputs]

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `edgecv.session.Session`."""
        check_inputs(self.inputs, tensors)
        session = self._session
        if session is None:
            raise closed()
        try:
            values = session.run(self._names, tensors)
        except Exception as error:  # ONNX Runtime's errors share no base but this
            raise InferenceError(_plain(error)) from error
        return dict(zip(self._names, values, strict=True))

    def close(self) -> None:
        """Drop the session; runs in other threads end first."""
        self._session = None


def _spec(argument: Any) -> TensorSpec:
    kind = argument.type[len("tensor(") : -1]
    shape = tuple(side if isinstance(side, int) else None for side in argument.shape)
    try:
        return TensorSpec(argument.name, shape, np.dtype(TYPES.get(kind, kind)))
    except TypeError as error:
        raise InferenceError(f"{argument.name}: numpy has no type for {argument.type}") from error


def session_options(threads: int | None) -> ort.SessionOptions:
    """Return options that every session of this project has.

    ONNX Runtime's threads spin while they wait for work. Within a run that is worth 10 to 40 % of
    the time; between runs it only burns the processor and starves other sessions. So spinning ends
    with each run: two sessions that alternate take 4.3 ms instead of 9.5 (YuNet 320 and
    MobileFaceNet, 2 cores, onnxruntime 1.31), a camera at 30 frames/s costs a seventh of the
    processor time, and a single session is as fast as before.

    On x86 without VNNI the fast kernels for uint8 by int8 add pairs of products in 16 bits, which
    overflow without a word; the slower ones that do not are taken, so that results are the same
    everywhere. Other processors are not concerned.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors; those of opening and running are raised besides
    options.intra_op_num_threads = thread_count(threads)
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options


def open_session(path: Path, device: str, *, threads: int | None) -> OnnxSession:
    """Open an .onnx file; see `edgecv.session.Runtime`."""
    provider = PROVIDERS.get(device)
    if provider is None or provider not in ort.get_available_providers():
        names = ", ".join(found.name for found in list_devices())
        raise DeviceError(f"onnxruntime {ort.__version__} has no device {device!r}; it has {names}")
    if device in ("cuda", "tensorrt") and find_spec("nvidia") is not None:
        ort.preload_dlls()  # CUDA's libraries where pip has put them
    options = session_options(threads)
    try:
        session = ort.InferenceSession(str(path), options, providers=_providers(device))
    except Exception as error:
        raise refusal(path, error) from error
    if session.get_providers()[0] != provider:
        raise DeviceError(
            f"onnxruntime fell back to {session.get_providers()[0]}: {provider} does not start "
            f"here. The log above says why, most often a library is missing; --device cpu works"
        )
    return OnnxSession(session)


def _providers(device: str) -> list[Any]:
    if device != "tensorrt":
        return [PROVIDERS[device]]
    engines = {
        "trt_engine_cache_enable": True,  # building an engine takes minutes
        "trt_engine_cache_path": str(cache_dir() / "tensorrt"),
    }
    return [(PROVIDERS["tensorrt"], engines), PROVIDERS["cuda"]]


def refusal(path: Path, error: Exception) -> EdgeCVError:
    """Return the error for a file that ONNX Runtime does not open: the file's fault, or its own."""
    text = _plain(error)
    if type(error).__name__ in UNREADABLE or any(part in text for part in INCOMPLETE):
        return ModelFileError(f"{path} is damaged or cut short: {text}")
    return InferenceError(f"{path.name}: onnxruntime {ort.__version__} refuses it: {text}")


def _plain(error: Exception) -> str:
    return NOISE.sub("", one_line(error))


def list_devices() -> list[Device]:
    """Return the execution providers that this build of ONNX Runtime has."""
    have = ort.get_available_providers()
    return [
        Device(name, "onnx", f"{provider}, onnxruntime {ort.__version__}")
        for name, provider in PROVIDERS.items()
        if provider in have
    ]
