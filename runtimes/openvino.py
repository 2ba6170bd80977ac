"""OpenVINO: IR, ONNX and TFLite files on Intel's and ARM's CPUs, GPUs and NPUs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from edgecv.cache import cache_dir
from edgecv.errors import InferenceError, ModelFileError
from edgecv.types import Array, Device, TensorSpec

from .threads import thread_count


@lru_cache(maxsize=1)
def core() -> Any:
    """Return OpenVINO's core, made once."""
    return ov.Core()


class OpenvinoSession:
    """A compiled model and one request for it."""

    def __init__(self, compiled: Any) -> None:
        self._request = compiled.create_infer_request()
        self.inputs = tuple(map(_spec, compiled.inputs))
        self.outputs = tuple(map(_spec, compiled.outputs))

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `edgecv.session.Session`."""
        try:
            self._request.infer(dict(tensors), share_inputs=True)
        except RuntimeError as error:
            raise InferenceError(str(error)) from error
        return {
            tensor.name: self._request.get_output_tensor(i).data.copy()
            for i, tensor in enumerate(self.outputs)
        }

    def close(self) -> None:
        """Drop the request and with it the compiled model."""
        del self._request


def _spec(port: Any) -> TensorSpec:
    shape = tuple(d.get_length() if d.is_static else None for d in port.get_partial_shape())
    return TensorSpec(port.get_any_name(), shape, np.dtype(port.get_element_type().to_dtype()))


def open_session(path: Path, device: str, *, threads: int | None) -> OpenvinoSession:
    """Open a .xml, .onnx or .tflite file; see `edgecv.session.Runtime`."""
    try:
        model = core().read_model(path)
    except RuntimeError as error:
        raise ModelFileError(f"{path}: {error}") from error
    settings = {"PERFORMANCE_HINT": "LATENCY", "CACHE_DIR": str(cache_dir() / "openvino")}
    if device == "cpu":
        settings |= {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": str(thread_count(threads)),
        }
    try:
        return OpenvinoSession(core().compile_model(model, device.upper(), settings))
    except RuntimeError as error:
        raise InferenceError(f"{path.name}: {error}") from error


def list_devices() -> list[Device]:
    """Return the devices whose plugins find their hardware."""
    return [
        Device(name.lower(), "openvino", core().get_property(name, "FULL_DEVICE_NAME"))
        for name in core().available_devices
    ]
