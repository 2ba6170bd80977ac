"""ONNX files through ONNX Runtime: CPU, CUDA and TensorRT, as its wheel brings them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from edgecv.errors import InferenceError, ModelFileError
from edgecv.types import Array, Device, TensorSpec

from .threads import thread_count

PROVIDERS = {
    "cuda": "CUDAExecutionProvider",
    "cpu": "CPUExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


class OnnxSession:
    """An ONNX file in an inference session."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self.inputs = tuple(map(_spec, session.get_inputs()))
        self.outputs = tuple(map(_spec, session.get_outputs()))
        self._names = [tensor.name for tensor in self.outputs]

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `edgecv.session.Session`."""
        try:
            values = self._session.run(self._names, dict(tensors))
        except Exception as error:  # ONNX Runtime's errors share no public base
            raise InferenceError(str(error)) from error
        return dict(zip(self._names, values, strict=True))

    def close(self) -> None:
        """Drop the session."""
        del self._session


def _spec(argument: Any) -> TensorSpec:
    kind = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}
    name = kind.get(argument.type, argument.type[7:-1])
    shape = tuple(side if isinstance(side, int) else None for side in argument.shape)
    return TensorSpec(argument.name, shape, np.dtype(name))


def open_session(path: Path, device: str, *, threads: int | None) -> OnnxSession:
    """Open an .onnx file; see `edgecv.session.Runtime`."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = thread_count(threads)
    try:
        session = ort.InferenceSession(str(path), options, providers=[PROVIDERS[device]])
    except Exception as error:
        raise ModelFileError(f"{path}: {error}") from error
    return OnnxSession(session)


def list_devices() -> list[Device]:
    """Return the execution providers that this build of ONNX Runtime has."""
    have = ort.get_available_providers()
    return [
        Device(name, "onnx", f"{provider}, onnxruntime {ort.__version__}")
        for name, provider in PROVIDERS.items()
        if provider in have
    ]
