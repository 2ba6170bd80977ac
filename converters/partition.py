"""Which operators of a model OpenVINO and ONNX Runtime would run on a device: asked of themselves.

Nothing is predicted: OpenVINO's `query_model` and ONNX Runtime's record of what it gave to which
execution provider say it, on a machine that has the device. Where it is not there, that is an
error, with what is needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgecv.errors import DeviceError, InferenceError, ModelFileError
from edgecv.registry import package_missing

from .plan import Placed, Plan

UNASKED = ("Parameter", "Result", "Constant")
"""Nodes of OpenVINO's graphs that calculate nothing."""

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "qnn": "QNNExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
"""Target -> what ONNX Runtime calls it."""

FROM = {
    "cuda": "an NVIDIA GPU and the package onnxruntime-gpu in place of onnxruntime",
    "tensorrt": "an NVIDIA GPU, TensorRT and the package onnxruntime-gpu in place of onnxruntime "
    "(on a Jetson, NVIDIA's own build of it)",
    "qnn": "the package onnxruntime-qnn: pip install 'edgecv[qnn]'",
}
"""What has to be there for a provider."""

ASSIGNMENT = "session.record_ep_graph_assignment_info"
"""ONNX Runtime's setting that makes it keep which node went where (from 1.24 on)."""


def openvino_plan(path: Path, device: str) -> Plan:
    """Return what a device would run of a file that OpenVINO reads.

    Args:
        path: An .xml, .onnx or .tflite file.
        device: OpenVINO's name of it: "CPU", "GPU", "GPU.1", "NPU".

    Raises:
        PackageMissingError: OpenVINO is not installed.
        DeviceError: The device is not here.
        ModelFileError: The file cannot be read.
        InferenceError: OpenVINO lacks an operator, or the device cannot be asked.
    """
    try:
        import openvino as ov
    except ModuleNotFoundError as error:
        raise package_missing("openvino", "openvino") from error
    core = ov.Core()
    _need_device(core, device)
    try:
        model = core.read_model(path)
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    try:
        taken = core.query_model(model, device)
    except RuntimeError as error:
        raise InferenceError(f"{path.name}: {device} cannot be asked: {_last(error)}") from error
    nodes = [node for node in model.get_ordered_ops() if node.get_type_name() not in UNASKED]
    return Plan(
        device, tuple(_node(node, device, taken) for node in nodes), notes=tuple(_open(model))
    )


def _need_device(core: Any, device: str) -> None:
    have = core.available_devices
    known = {*have, *(name.partition(".")[0] for name in have)}
    if device not in known:
        raise DeviceError(
            f"OpenVINO finds no {device} on this machine, only {', '.join(have)}, and what a "
            f"device runs has to be asked of it: run this where it is. `edgecv devices` says what "
            "is missing here"
        )


def _node(node: Any, device: str, taken: Any) -> Placed:
    name = node.get_friendly_name()
    on = device if name in taken else "CPU"
    why = "" if on == device else f"{device} does not take it"
    return Placed(node.get_type_name(), name, _shape(node), on, why)


def _shape(node: Any) -> tuple[int | None, ...]:
    if not node.get_output_size():
        return ()
    found = node.output(0).get_partial_shape()
    if found.rank.is_dynamic:
        return ()
    return tuple(side.get_length() if side.is_static else None for side in found)


def _open(model: Any) -> Iterable[str]:
    """Yield what is to be said of inputs whose shapes are open: NPUs want fixed ones."""
    for port in model.inputs:
        shape = port.get_partial_shape()
        if shape.is_dynamic:
            yield f"{port.any_name} is {shape}: devices such as NPUs want fixed shapes"


def _unreadable(path: Path, error: RuntimeError) -> Exception:
    text = " ".join(str(error).split())
    for words in ("No translator found for ", "No conversion rule found for operations: "):
        _, found, rest = text.partition(words)
        if found:
            lacking = rest.removesuffix(".").removesuffix(" node")
            return InferenceError(f"{path.name}: OpenVINO has no operator {lacking}")
    return ModelFileError(f"{path} is damaged, or OpenVINO cannot read it: {_last(error)}")


def _last(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    plain = [line for line in lines if not line.startswith("Exception from ")]
    return (plain or lines or [type(error).__name__])[-1]


def onnx_plan(path: Path, target: str) -> Plan:
    """Return what an execution provider of ONNX Runtime takes of an .onnx file.

    The graph is the one that the provider is given: simplified, with constants folded.

    Args:
        path: An .onnx file.
        target: One of `PROVIDERS`.

    Raises:
        PackageMissingError: ONNX Runtime is not installed.
        DeviceError: This build of it has no such provider, or it does not start here.
        InferenceError: The file is refused.
    """
    try:
        import onnxruntime as ort
    except ModuleNotFoundError as error:
        raise package_missing("onnxruntime", "onnx") from error
    if not hasattr(ort.InferenceSession, "get_provider_graph_assignment_info"):
        raise DeviceError(f"onnxruntime {ort.__version__} does not tell: 1.24 at least does")
    provider = PROVIDERS[target]
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry(ASSIGNMENT, "1")
    given = _choose(ort, target, options)
    try:
        session = ort.InferenceSession(str(path), options, providers=given)
    except Exception as error:  # ONNX Runtime's errors share no base but this
        raise _refused(path, error) from error
    if provider not in session.get_providers():
        raise DeviceError(f"{provider} does not start here; it needs {FROM[target]}")
    return Plan(provider, tuple(_assigned(session, provider)), notes=tuple(_open_inputs(session)))


def _refused(path: Path, error: Exception) -> Exception:
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : \w+ : ", "", _last(error))
    if type(error).__name__ in ("InvalidProtobuf", "NoModel"):
        return ModelFileError(f"{path} is damaged or cut short: {text}")
    return InferenceError(f"{path.name}: onnxruntime refuses it: {text}")


def _choose(ort: Any, target: str, options: Any) -> list[str] | None:
    """Set the options for a provider, and return the list to open a session with.

    Raises:
        DeviceError: There is no such provider here.
    """
    provider = PROVIDERS[target]
    if target == "qnn":
        _add_qnn(ort, options)
        return None
    if provider not in ort.get_available_providers():
        have = ", ".join(ort.get_available_providers())
        raise DeviceError(
            f"onnxruntime {ort.__version__} has no {provider}, only {have}; run this on a machine "
            f"with {FROM[target]}"
        )
    return list(dict.fromkeys([provider, PROVIDERS["cpu"]]))


def _add_qnn(ort: Any, options: Any) -> None:
    try:
        import onnxruntime_qnn as qnn
    except ModuleNotFoundError as error:
        raise package_missing("onnxruntime-qnn", "qnn") from error
    try:
        ort.register_execution_provider_library(PROVIDERS["qnn"], qnn.get_library_path())
    except Exception as error:
        if "already registered" not in str(error):
            raise DeviceError(f"onnxruntime-qnn does not load: {_last(error)}") from error
    devices = [found for found in ort.get_ep_devices() if found.ep_name == PROVIDERS["qnn"]]
    if not devices:
        raise DeviceError("onnxruntime-qnn finds no Hexagon NPU here: its driver may be missing")
    options.add_provider_for_devices(devices, {"backend_path": qnn.get_qnn_htp_path()})


def _assigned(session: Any, provider: str) -> Iterable[Placed]:
    for part in session.get_provider_graph_assignment_info():
        why = "" if part.ep_name == provider else f"{provider} does not take it"
        for node in part.get_nodes():
            yield Placed(node.op_type, node.name, (), part.ep_name, why)


def _open_inputs(session: Any) -> Iterable[str]:
    for port in session.get_inputs():
        if not all(isinstance(side, int) for side in port.shape):
            sides = "x".join(str(side) if isinstance(side, int) else "?" for side in port.shape)
            yield f"{port.name} is {sides}: accelerators want fixed shapes"
