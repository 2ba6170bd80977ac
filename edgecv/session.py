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
    """An opened model: raw tensors in, raw tensors out.

    A session may also have an attribute `device`: what it runs on, where only opening it tells.
    """

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What goes in."""

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What comes out."""

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; runs from several threads take turns.

        Args:
            tensors: Input name -> array, of the shape and dtype that `inputs` says; left unchanged.

        Returns:
            Output name -> array that the caller may keep: later runs do not write to it.

        Raises:
            ValueError: A tensor is missing, or of another shape or dtype.
            InferenceError: The runtime failed, or the session was closed.
        """

    def close(self) -> None:
        """Give the device back, once or again; the session cannot run after this."""


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
        "keras": "edgecv.runtimes.keras",
        "onnx": "edgecv.runtimes.onnx",
        "openvino": "edgecv.runtimes.openvino",
        "qnn": "edgecv.runtimes.qnn",
        "tflite": "edgecv.runtimes.tflite",
    },
)

FORMATS: Mapping[str, tuple[str, ...]] = {
    ".keras": ("keras",),
    ".onnx": ("onnx", "openvino", "qnn"),
    ".tflite": ("tflite", "coral", "openvino"),
    ".xml": ("openvino",),
}
"""Which runtimes read a kind of file, the first choice first."""

DEVICE_KINDS = ("auto", "cpu", "gpu", "npu", "coral", "cuda", "tensorrt", "openvino")

COMBINED: Mapping[str, str] = {"AUTO": "openvino", "HETERO": "openvino", "MULTI": "openvino"}
"""Names for several devices of one runtime, and that runtime: "AUTO:GPU,CPU", "HETERO:NPU,CPU"."""

AUTO_KINDS = ("coral", "cuda", "cpu")
"""What "auto" may choose. GPUs and NPUs round differently and compile for minutes: by name only."""


@dataclass(frozen=True)
class Opened:
    """A session, and what it turned out to run on.

    Attributes:
        session: The session.
        runtime: Its runtime's name.
        device: Its device's name.
        fallback: Why it is not on a device that would have come first; empty when it is.
    """

    session: Session
    runtime: str
    device: str
    fallback: str = ""


def open_session(
    path: Path, *, device: str = "auto", runtime: str | None = None, threads: int | None = None
) -> Opened:
    """Open a model file on the best fitting device.

    Args:
        path: A .tflite, .onnx, .keras or OpenVINO .xml file.
        device: "auto", or what `edgecv.devices()` names: "cpu", "gpu", "npu", "coral", "coral:1".
            "AUTO", "HETERO" and "MULTI" stand for OpenVINO's combinations, as "HETERO:GPU,CPU".
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
    if threads is not None and threads < 1:
        raise ValueError(f"threads counts from 1, got {threads}")
    kind = _kind(device)
    names = _runtimes_for(path, runtime)
    compiled = modelfile.needs_edgetpu(path)
    if compiled and kind not in ("auto", "coral"):
        raise DeviceError(_compiled_text(path, f"{device} cannot run it; use --device coral"))
    wanted = ("coral",) if compiled else AUTO_KINDS if kind == "auto" else (kind,)
    passed_over: list[str] = []
    for found in _candidates(names, wanted, passed_over, each=kind == "auto"):
        name = found.name if kind == "auto" else device
        try:
            return _open(path, found.runtime, name, threads, passed_over if kind == "auto" else ())
        except (DeviceError, InferenceError) as error:
            if kind != "auto":
                raise
            passed_over.append(f"{_label(found)}: {error}")
            log.warning("%s is passed over for %s: %s", _label(found), path.name, error)
    raise _no_device(path, device, names, passed_over, compiled=compiled)


def _kind(device: str) -> str:
    kind = device.partition(":")[0]
    if kind not in DEVICE_KINDS and kind not in COMBINED:
        raise unknown_name("device", device, (*DEVICE_KINDS, *COMBINED))
    return kind


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


def _open(
    path: Path, runtime: str, device: str, threads: int | None, passed_over: Sequence[str]
) -> Opened:
    session: Session = RUNTIMES.load(runtime).open_session(path, device, threads=threads)
    ran_on = getattr(session, "device", device)
    return Opened(session, runtime, ran_on, "; ".join(passed_over))


def _candidates(
    names: Sequence[str], kinds: Sequence[str], passed_over: list[str], *, each: bool
) -> Iterator[Device]:
    """Yield the usable devices of some kinds, noting why the others of a runtime are unusable.

    Each of them, or the first of each runtime: a name that the user gives says which one it is.
    """
    for name in names:
        if COMBINED.get(kinds[0]) == name:
            yield Device(kinds[0], name, "")
            continue
        try:
            found = [d for d in RUNTIMES.load(name).list_devices() if d.kind in kinds]
        except PackageMissingError as error:
            passed_over.append(f"{name}: {error}")
            continue
        usable = [device for device in found if not device.problem]
        if not usable:
            passed_over += [f"{_label(d)}: {d.problem}" for d in found]
        yield from usable if each else usable[:1]


def _label(device: Device) -> str:
    same = device.kind == device.runtime
    return device.name if same else f"{device.runtime} on {device.name}"


def _no_device(
    path: Path, device: str, names: Sequence[str], reasons: Sequence[str], *, compiled: bool
) -> DeviceError | PackageMissingError:
    why = "; ".join(reasons)
    if compiled and why:
        return DeviceError(f"{path.name} was compiled for the Edge TPU: {why}")
    if compiled:
        return DeviceError(_compiled_text(path, "no Edge TPU was found; plug one in"))
    if len(reasons) == len(names) and all("pip install" in reason for reason in reasons):
        return PackageMissingError(f"nothing here runs {path.name}: {why}")
    known = [f"{d.name} ({d.runtime})" for d in devices(names) if not d.problem]
    return DeviceError(
        f"no device {device!r} here can run {path.name}"
        + (f" ({why})" if why else "")
        + f"; there are: {', '.join(known) or 'none'}"
    )


def _compiled_text(path: Path, why: str) -> str:
    return (
        f"{path.name} was compiled for the Edge TPU (its operator is "
        f"{modelfile.EDGETPU_OPERATOR}): {why}, or give the .tflite file it was compiled from"
    )


def devices(runtimes: Sequence[str] = tuple(RUNTIMES)) -> list[Device]:
    """Return every device of this machine as each installed runtime sees it.

    What is present but unusable is listed too, with the reason in `Device.problem`; a runtime whose
    package is missing is listed once, with the line that installs it.

    Args:
        runtimes: The runtimes to ask.
    """
    found: list[Device] = []
    for name in runtimes:
        try:
            found += RUNTIMES.load(name).list_devices()
        except PackageMissingError as error:
            found.append(Device("-", name, "not installed", str(error)))
    return found
