"""TFLite files compiled for the Edge TPU: the TFLite session with libedgetpu as its delegate."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from edgecv import modelfile
from edgecv.errors import DeviceError, DeviceLostError
from edgecv.types import Device

from .edgetpu import LIBRARY_VARIABLE, library, library_problem, plugged_in
from .guards import one_line
from .tflite import TfliteSession, interpreter_module
from .threads import thread_count


def open_session(path: Path, device: str, *, threads: int | None) -> TfliteSession:
    """Open a compiled .tflite file on an Edge TPU; see `edgecv.session.Runtime`.

    Args:
        path: The file.
        device: "coral" for any, "coral:1" for the second of all, "coral:usb", "coral:pci:0".
        threads: CPU threads for the operators that the compiler left on the CPU.
    """
    if not modelfile.needs_edgetpu(path):
        raise DeviceError(
            f"{path.name} is not compiled for the Edge TPU and would run on the CPU entirely: "
            "compile it first with Google's edgetpu_compiler, or use --device cpu"
        )
    delegate = _delegate(device)
    return TfliteSession(path, threads=thread_count(threads), delegates=[delegate], failure=_lost)


def _lost(text: str) -> DeviceLostError:
    return DeviceLostError(
        f"the Edge TPU stopped answering ({text}): it was unplugged, or its USB port gives too "
        "little power; plug it in again and load the model again"
    )


def _delegate(device: str) -> Any:
    """Return libedgetpu's delegate for one Edge TPU."""
    wanted = device.partition(":")[2]
    if wanted.isdecimal():
        wanted = f":{wanted}"  # libedgetpu's way to count over both buses
    file = library()  # loads it: LiteRT's own failure to do so leaves a half-made object behind
    try:
        return interpreter_module().load_delegate(file, {"device": wanted} if wanted else {})
    except (ValueError, OSError, RuntimeError) as error:
        raise DeviceError(
            f"no Edge TPU answers as {device!r} ({one_line(error)}): it is not plugged in, another "
            "program holds it, or this user may not open it (see `edgecv devices`)"
        ) from error


def list_devices(root: Path = Path("/")) -> list[Device]:
    """Return the Edge TPUs of this machine.

    Only Linux lists them. Elsewhere, and where EDGECV_EDGETPU_LIB names the library, one that it
    may find is taken for present.

    Args:
        root: The folder that holds `sys` and `dev`.
    """
    interpreter_module()  # without the package there is no session either
    found = plugged_in(root)
    if found:
        missing = library_problem()
        return [
            Device(f"coral:{tpu.name}", "coral", tpu.description, tpu.problem or missing)
            for tpu in found
        ]
    given = os.environ.get(LIBRARY_VARIABLE)
    if given:
        return [Device("coral", "coral", f"Edge TPU through {given}", library_problem())]
    if not sys.platform.startswith("linux") and not library_problem():
        return [Device("coral", "coral", "Edge TPU, if one is plugged in")]
    return []
