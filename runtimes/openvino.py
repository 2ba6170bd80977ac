"""OpenVINO: IR, ONNX and TFLite files on Intel's and ARM's CPUs, GPUs and NPUs.

On CPUs the calculation is float32 although OpenVINO's own default is not: where the processor has
them it takes bfloat16 (x86 with AMX or AVX512-BF16) or float16 (ARM), silently, and results differ
from machine to machine (by 0.003 in a MobileNet's probabilities). The same holds for "AUTO",
"HETERO" and "MULTI", which may end on the CPU. INT8 models stay INT8.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import openvino as ov

from edgecv import tflitefile
from edgecv.cache import cache_dir
from edgecv.errors import DeviceError, EdgeCVError, InferenceError, ModelFileError
from edgecv.session import COMBINED
from edgecv.types import Array, Device, Quant, TensorSpec

from .guards import check_inputs, closed, unique
from .threads import thread_count

log = logging.getLogger(__name__)

PLUGINS = {
    "CPU": "",
    "GPU": "OpenVINO finds no GPU: install Intel's OpenCL runtime (Debian: intel-opencl-icd) and "
    "join the group render; OpenVINO drives Intel GPUs only",
    "NPU": "OpenVINO finds no NPU: it needs an Intel Core Ultra and its driver "
    "(https://github.com/intel/linux-npu-driver), and the user in the group render",
}
"""The plugins in OpenVINO's packages, and what is wrong where one finds no device."""


@lru_cache(maxsize=1)
def core() -> Any:
    """Return OpenVINO's core, made once."""
    return ov.Core()


class OpenvinoSession:
    """A compiled model and one request for it. Runs from several threads take turns.

    The request reads the caller's arrays where they lie and its outputs are copied once, which
    costs 7 microseconds a run over the bare request.
    """

    def __init__(self, compiled: Any, model: Any, quants: Mapping[str, Quant], device: str) -> None:
        self.device = device
        self.inputs = _specs(model.inputs, compiled.inputs, quants, "input")
        self.outputs = _specs(model.outputs, compiled.outputs, quants, "output")
        self._request = compiled.create_infer_request()
        self._lock = Lock()

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; see `edgecv.session.Session`."""
        check_inputs(self.inputs, tensors)
        with self._lock:
            request = self._request
            if request is None:
                raise closed()
            try:
                for i, spec in enumerate(self.inputs):
                    request.set_input_tensor(i, _shared(tensors[spec.name]))
                request.infer(share_outputs=True)
                return {
                    spec.name: request.get_output_tensor(i).data.copy()
                    for i, spec in enumerate(self.outputs)
                }
            except RuntimeError as error:
                raise InferenceError(_plain(error)) from error

    def close(self) -> None:
        """Drop the request and with it the compiled model."""
        with self._lock:
            self._request = None


def _shared(array: Array) -> Any:
    """Return a tensor over an array's own memory, or over a copy where OpenVINO cannot use it."""
    if not (array.flags.c_contiguous and array.flags.writeable):
        array = array.copy(order="C")
    return ov.Tensor(array, shared_memory=True)


def _specs(
    read: Iterable[Any], compiled: Iterable[Any], quants: Mapping[str, Quant], kind: str
) -> tuple[TensorSpec, ...]:
    """Name the ports as the file does: compiling gives the nameless ones a number of its own."""
    names = unique((min(port.get_names(), default="") for port in read), kind)
    return tuple(
        TensorSpec(
            name,
            tuple(d.get_length() if d.is_static else None for d in port.get_partial_shape()),
            np.dtype(port.get_element_type().to_dtype()),
            quants.get(name),
        )
        for name, port in zip(names, compiled, strict=True)
    )


def open_session(path: Path, device: str, *, threads: int | None) -> OpenvinoSession:
    """Open a .xml, .onnx or .tflite file; see `edgecv.session.Runtime`.

    Args:
        path: The file.
        device: "cpu", "gpu", "gpu:1", "npu", or OpenVINO's own "AUTO:GPU,CPU", "HETERO:GPU,CPU".
        threads: CPU threads.
    """
    name = _plugin_name(device)
    _check_device(name)
    try:
        model = core().read_model(path)
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    _fix_batch(model)
    # OpenVINO reads integer tensors of a TFLite file as such, but not what they stand for.
    quants = tflitefile.quantization(path) if path.suffix == ".tflite" else {}
    try:
        compiled = core().compile_model(model, name, _settings(name, threads))
        return OpenvinoSession(compiled, model, quants, _ran_on(compiled, device))
    except RuntimeError as error:
        raise InferenceError(f"{path.name}: {_plain(error)}") from error


def _plugin_name(device: str) -> str:
    """Return OpenVINO's name for a device: "GPU.1" for "gpu:1"; its own names stay."""
    kind = device.partition(":")[0]
    return device if kind in COMBINED else device.upper().replace(":", ".")


def _check_device(name: str) -> None:
    """Refuse a device that OpenVINO does not find, or a combination with one."""
    kind, _, listed = name.partition(":")
    wanted = [part.strip("- ") for part in listed.split(",") if part]
    if kind in ("HETERO", "MULTI") and not wanted:
        raise DeviceError(f"{kind} wants devices to combine, such as {kind}:GPU,CPU")
    have = core().available_devices
    known = {*have, *(found.partition(".")[0] for found in have), *(f"{found}.0" for found in have)}
    for part in wanted if kind in COMBINED else [name]:
        part = part.partition("(")[0]
        if part not in known:
            why = PLUGINS.get(part.partition(".")[0]) or f"OpenVINO has no device {part!r}"
            raise DeviceError(f"{name}: {why}; it finds {', '.join(have)}")


def _settings(name: str, threads: int | None) -> dict[str, str]:
    kind = name.partition(":")[0]
    settings = {"PERFORMANCE_HINT": "LATENCY"}
    if kind != "MULTI":  # it confuses the layers' names of kept models (OpenVINO 2026.4)
        settings |= _cache()
    if name == "CPU" or kind in COMBINED:
        settings["INFERENCE_PRECISION_HINT"] = "f32"
        settings["INFERENCE_NUM_THREADS"] = str(thread_count(threads))
    return settings


def _cache() -> dict[str, str]:
    """Return the setting that keeps compiled models; none where the folder cannot be written."""
    folder = cache_dir() / "openvino"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return {"CACHE_DIR": str(folder)}
        why = "it is read-only"
    except OSError as error:
        why = error.strerror or str(error)
    _log_once(f"compiled models are not kept in {folder}: {why}")
    return {}


@lru_cache
def _log_once(text: str) -> None:
    log.warning(text)


def _fix_batch(model: Any) -> None:
    """Set a batch that the file leaves open to one: fixed shapes run faster, and NPUs need them."""
    shapes = {}
    for i, port in enumerate(model.inputs):
        shape = port.get_partial_shape()
        if (
            shape.rank.is_dynamic
            or len(shape) == 0
            or any(side.is_dynamic for side in list(shape)[1:])
        ):
            return
        if shape[0].is_dynamic:
            shapes[i] = ov.PartialShape([1, *list(shape)[1:]])
    if shapes:
        try:
            model.reshape(shapes)
        except RuntimeError as error:  # an operator inside counts on an open batch
            log.info("the batch stays open: %s", _plain(error))


def _ran_on(compiled: Any, device: str) -> str:
    """Return the device with what a combination chose: "AUTO on CPU"."""
    if device.partition(":")[0] not in COMBINED:
        return device
    return f"{device} on {','.join(compiled.get_property('EXECUTION_DEVICES'))}"


def _unreadable(path: Path, error: RuntimeError) -> EdgeCVError:
    text = _plain(error)
    missing = re.search(
        r"No translator found for (\S+) node|No conversion rule found for operations: (.+)", text
    )
    if missing:
        others = {".tflite": "tflite", ".onnx": "onnx"}
        other = others.get(path.suffix, "")
        return InferenceError(
            f"{path.name}: OpenVINO has no operator {missing[1] or missing[2]}; run the file with "
            f"--runtime {other}"
        )
    return ModelFileError(f"{path} is damaged, or OpenVINO cannot read it: {text}")


def _plain(error: RuntimeError) -> str:
    """Return an error's text without the lines that name OpenVINO's source files."""
    lines = [line.strip() for line in str(error).splitlines()]
    noise = ("Exception from ", "Check '", "FrontEnd API failed")
    return " ".join(line for line in lines if line and not line.startswith(noise)) or str(error)


def list_devices() -> list[Device]:
    """Return the devices that OpenVINO finds, and those of its plugins that find none, with why."""
    have = core().available_devices
    version = f"OpenVINO {ov.get_version().partition('-')[0]}"
    found = []
    for name in have:
        description = f"{core().get_property(name, 'FULL_DEVICE_NAME')}, {version}"
        found.append(Device(name.lower().replace(".", ":"), "openvino", description))
    for plugin, problem in PLUGINS.items():
        if _is_installed(plugin) and not any(name.partition(".")[0] == plugin for name in have):
            found.append(Device(plugin.lower(), "openvino", f"OpenVINO's {plugin} plugin", problem))
    return found


def _is_installed(plugin: str) -> bool:
    try:
        core().get_property(plugin, "FULL_DEVICE_NAME")
    except RuntimeError as error:
        return "is not registered" not in str(error)
    return True
