"""The runtime seam: how a model file is opened and run, and on which device."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgecv import modelfile
from edgecv.errors import (
    DeviceError,
    InferenceError,
    ModelFileError,
    PackageMissingError,
    unknown_name,
)
from edgecv.registry import Registry
from edgecv.types import Array, Device, TensorSpec

log = logging.getLogger(__name__)


class Session(Protocol):
    """An opened model: raw tensors in, raw tensors out. One thread at a time."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What goes in."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What comes out."""

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run once: input name -> array, giving output name -> array that the caller may keep."""

    def close(self) -> None:
        """Give the device back; the session cannot run after this."""


class Runtime(Protocol):
    """What a runtime's module exports."""

    def open_session(self, path: Path, device: str, *, threads: int | None) -> Session:
        """Open a model file on a device.

        Raises:
            DeviceError: The device is not there or cannot be used.
            ModelFileError: The file cannot be read.
            InferenceError: The runtime refuses the model.
        """

    def list_devices(self) -> list[Device]:
        """Return what this machine has for this runtime, the best first."""


RUNTIMES = Registry(
    "runtime",
    {
        "coral": "edgecv.runtimes.coral",
        "onnx": "edgecv.runtimes.onnx",
        "openvino": "edgecv.runtimes.openvino",
        "qnn": "edgecv.runtimes.qnn",
        "tflite": "edgecv.runtimes.tflite",
    },
)

FORMATS: Mapping[str, tuple[str, ...]] = {
    ".onnx": ("onnx", "openvino", "qnn"),
    ".tflite": ("tflite", "coral", "openvino"),
    ".xml": ("openvino",),
}
"""Which runtimes read a kind of file, the first choice first."""

DEVICE_KINDS = ("auto", "cpu", "gpu", "npu", "coral", "cuda", "tensorrt", "AUTO", "HETERO", "MULTI")

AUTO_KINDS = ("coral", "cuda", "cpu")
"""What "auto" may choose. GPUs and NPUs round differently and may compile for minutes: by name only."""


@dataclass(frozen=True)
class Opened:
    """A session, and what it turned out to run on."""

    session: Session
    runtime: str
    device: str
    fallback: str = ""


def open_session(
    path: Path, *, device: str = "auto", runtime: str | None = None, threads: int | None = None
) -> Opened:
    """Open a model file on the best fitting device.

    Args:
        path: A .tflite, .onnx or OpenVINO .xml file.
        device: "auto", or what `edgecv.devices()` names: "cpu", "gpu", "npu", "coral", "coral:1".
        runtime: The only runtime to try; None for any that reads the file.
        threads: CPU threads; None leaves the choice to the runtime's module.

    Raises:
        ModelFileError: The file is missing or damaged.
        UnknownNameError: There is no such runtime or device.
        DeviceError: No device of that name can run the file here; the text lists those there are.
        PackageMissingError: No runtime that reads the file is installed.
        InferenceError: The runtime refuses the model.
    """
    modelfile.check(path)
    kind = device.partition(":")[0]
    if kind not in DEVICE_KINDS:
        raise unknown_name("device", device, DEVICE_KINDS)
    if threads is not None and threads < 1:
        raise ValueError(f"threads counts from 1, got {threads}")
    names = _runtimes_for(path, runtime)
    compiled = modelfile.needs_edgetpu(path)
    if compiled and kind not in ("auto", "coral"):
        raise DeviceError(_compiled_text(path, f"{device} cannot run it"))
    wanted = ("coral",) if compiled else AUTO_KINDS if kind == "auto" else (kind,)
    passed_over: list[str] = []
    for found in _candidates(names, wanted, passed_over):
        name = found.name if kind == "auto" else device
        try:
            session = RUNTIMES.load(found.runtime).open_session(path, name, threads=threads)
        except (DeviceError, InferenceError) as error:
            if kind != "auto":
                raise
            log.warning("%s: %s refuses %s: %s", name, found.runtime, path.name, error)
            passed_over.append(f"{found.runtime} on {name}: {error}")
            continue
        return Opened(session, found.runtime, name, "; ".join(passed_over))
    raise _no_device(path, device, names, passed_over, compiled=compiled)


def _runtimes_for(path: Path, runtime: str | None) -> tuple[str, ...]:
    names = FORMATS[path.suffix]
    if runtime is None:
        return names
    RUNTIMES[runtime]  # raises for a name that is no runtime's
    if runtime not in names:
        raise ModelFileError(
            f"the runtime {runtime!r} does not read {path.suffix} files; {', '.join(names)} do"
        )
    return (runtime,)


def _candidates(
    names: Sequence[str], kinds: Sequence[str], passed_over: list[str]
) -> Iterator[Device]:
    """Yield the usable devices of some kinds, noting the unusable ones with their reasons."""
    for name in names:
        try:
            found = RUNTIMES.load(name).list_devices()
        except PackageMissingError as error:
            passed_over.append(f"{name}: {error}")
            continue
        seen: set[str] = set()
        for device in found:
            if device.kind not in kinds or (len(kinds) == 1 and device.kind in seen):
                continue
            if device.problem:
                if len(kinds) == 1:
                    passed_over.append(f"{name} on {device.name}: {device.problem}")
                continue
            seen.add(device.kind)
            yield device


def _no_device(
    path: Path, device: str, names: Sequence[str], reasons: Sequence[str], *, compiled: bool
) -> DeviceError | PackageMissingError:
    why = "; ".join(reasons)
    if compiled:
        return DeviceError(_compiled_text(path, why or "no Edge TPU was found"))
    if len(reasons) == len(names) and all("pip install" in reason for reason in reasons):
        return PackageMissingError(f"nothing here runs {path.name}: {why}")
    known = []
    for name in names:
        try:
            usable = [d for d in RUNTIMES.load(name).list_devices() if not d.problem]
        except PackageMissingError:
            continue
        known += [f"{d.name} ({name})" for d in usable]
    return DeviceError(
        f"no device {device!r} here can run {path.name}"
        + (f" ({why})" if why else "")
        + f"; there are: {', '.join(known) or 'none'}"
    )


def _compiled_text(path: Path, why: str) -> str:
    return (
        f"{path.name} was compiled for the Edge TPU (its operator is "
        f"{modelfile.EDGETPU_OPERATOR.decode()}): {why}. Plug in a Coral and use --device coral, or "
        "give the .tflite file it was compiled from"
    )


def devices() -> list[Device]:
    """Return every device of this machine as each installed runtime sees it.

    What is present but unusable is listed too, with the reason in `Device.problem`; a runtime whose
    package is missing is listed once, with the line that installs it.
    """
    found: list[Device] = []
    for name in RUNTIMES:
        try:
            found += RUNTIMES.load(name).list_devices()
        except PackageMissingError as error:
            found.append(Device("-", name, "not installed", str(error)))
    return found
