"""What is measured: a model, on a device, by a runtime, with so many threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecv import modelfile, zoo
from edgecv.errors import DeviceError, UnknownNameError, unknown_name
from edgecv.session import FORMATS, devices
from edgecv.types import Device

THREADED = ("tflite", "openvino", "onnx")
"""Runtimes whose CPU devices take a number of threads."""


@dataclass(frozen=True)
class Setting:
    """One way to run a model.

    Attributes:
        model: A listed name or a file, as `edgecv.load` takes it.
        runtime: The runtime's name.
        device: The device's name.
        threads: CPU threads; 0 where the device takes no such number.
    """

    model: str
    runtime: str
    device: str
    threads: int

    @property
    def name(self) -> str:
        """The model without its folder."""
        return Path(self.model).name

    def __str__(self) -> str:
        threads = f", {self.threads} thread{'s' * (self.threads != 1)}" if self.threads else ""
        return f"{self.name} on {self.device} by {self.runtime}{threads}"


def expand(
    model: str,
    path: Path,
    *,
    kinds: Sequence[str],
    runtimes: Sequence[str] = (),
    threads: Sequence[int] = (1,),
    found: Sequence[Device] | None = None,
) -> list[Setting]:
    """Return every setting of a model that this machine has.

    Args:
        model: What `edgecv.load` takes.
        path: Its file.
        kinds: Names of devices; "all" stands for all but simulated ones.
        runtimes: The only runtimes; empty for all that read the file.
        threads: Numbers of CPU threads.
        found: The machine's devices; None to ask for them.

    Raises:
        UnknownNameError: There is no device of such a name here.
        DeviceError: Nothing here runs the file.
    """
    readers = [name for name in FORMATS[path.suffix] if not runtimes or name in runtimes]
    known = [device for device in (devices(readers) if found is None else found)
             if device.runtime in readers]  # fmt: skip
    usable = [device for device in known if not device.problem and _fits(path, device)]
    chosen = [d for d in usable if _named(d, kinds) or ("all" in kinds and not d.simulated)]
    _check_named(kinds, known)
    if not chosen:
        raise DeviceError(_nothing(path, kinds, known))
    return [setting for device in chosen for setting in _threaded(model, device, threads)]


def _threaded(model: str, device: Device, threads: Iterable[int]) -> list[Setting]:
    if device.kind == "cpu" and device.runtime in THREADED:
        return [Setting(model, device.runtime, device.name, number) for number in threads]
    return [Setting(model, device.runtime, device.name, 0)]


def _fits(path: Path, device: Device) -> bool:
    """Whether a device may run a file: the Edge TPU only what was compiled for it, or its twin."""
    compiled = modelfile.needs_edgetpu(path)
    if device.kind == "coral":
        return compiled or zoo.edgetpu_twin(path) is not None
    return not compiled


def _named(device: Device, kinds: Sequence[str]) -> bool:
    return device.name in kinds or device.kind in kinds


def _check_named(kinds: Sequence[str], known: Sequence[Device]) -> None:
    names = {device.name for device in known} | {device.kind for device in known}
    for kind in kinds:
        if kind != "all" and kind not in names:
            raise _unknown(kind, names)


def _unknown(kind: str, names: Iterable[str]) -> UnknownNameError:
    return unknown_name("device", kind, {*names, "all"} - {"-"})


def _nothing(path: Path, kinds: Sequence[str], known: Sequence[Device]) -> str:
    problems = "; ".join(f"{d.runtime} on {d.name}: {d.problem}" for d in known if d.problem)
    return f"nothing here runs {path.name} on {', '.join(kinds)}" + (
        f": {problems}" if problems else ""
    )
