"""ONNX files on Qualcomm's Hexagon NPU, through ONNX Runtime and its QNN plugin.

On x86 Linux the same package brings the NPU's compiler and a simulator of it: slow, but what
compiles and agrees there is known to compile for the device. Runs on real NPUs are unverified.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import onnxruntime as ort
import onnxruntime_qnn as qnn

from edgecv.cache import cache_dir, write_atomic
from edgecv.errors import DeviceError, OutputError
from edgecv.types import Device

from .guards import one_line
from .onnx import OnnxSession, refusal, session_options

log = logging.getLogger(__name__)

PROVIDER = "QNNExecutionProvider"
DIGEST = hashlib.sha256
SIMULATED = platform.machine().lower() in ("x86_64", "amd64")


def open_session(path: Path, device: str, *, threads: int | None) -> OnnxSession:
    """Open an .onnx file on the NPU; see `edgecv.session.Runtime`.

    All of the model has to run there: an operator that the NPU lacks is an error, and not left to
    the CPU. What the compiler makes is kept in the cache, by the file's checksum and the versions.
    """
    if device != "npu":
        raise DeviceError(f"the runtime qnn has the device 'npu', not {device!r}")
    devices = _npu()
    cached = _cache_file(path)
    compiled = _read(cached)
    if compiled is not None:
        try:
            return OnnxSession(_session(compiled, devices, threads))
        except Exception as error:  # ONNX Runtime's errors share no base but this
            log.warning("compiling %s anew: %s: %s", path.name, cached, one_line(error))
    return OnnxSession(_compile(path, cached, devices, threads))


def _session(
    model: str | bytes, devices: list[Any], threads: int | None, **entries: str
) -> ort.InferenceSession:
    options = session_options(threads)
    options.add_provider_for_devices(devices, {"backend_path": qnn.get_qnn_htp_path()})
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    for name, value in entries.items():
        options.add_session_config_entry(f"ep.{name}", value)
    return ort.InferenceSession(model, options)


def _compile(
    path: Path, cached: Path, devices: list[Any], threads: int | None
) -> ort.InferenceSession:
    with tempfile.TemporaryDirectory(prefix="edgecv-") as folder:
        made = Path(folder) / "context.onnx"
        try:
            session = _session(
                str(path), devices, threads, context_enable="1", context_embed_mode="1",
                context_file_path=str(made),
            )  # fmt: skip
        except Exception as error:
            raise refusal(path, error) from error
        if made.is_file():
            _write(cached, made.read_bytes())
    return session


def _cache_file(path: Path) -> Path:
    parts = (path.read_bytes(), ort.__version__.encode(), qnn.__version__.encode())
    name = DIGEST(b"".join(DIGEST(part).digest() for part in parts)).hexdigest()
    return cache_dir() / "qnn" / f"{name}.bin"


def _write(file: Path, compiled: bytes) -> None:
    """Keep a compiled model behind its checksum: the native loader is not given damaged ones."""
    try:
        write_atomic(file, DIGEST(compiled).digest() + compiled)
    except OutputError as error:
        log.warning("the compiled model is not kept: %s", error)


def _read(file: Path) -> bytes | None:
    """Return a compiled model; None where there is none, or a damaged one."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    size = DIGEST().digest_size
    digest, compiled = data[:size], data[size:]
    if DIGEST(compiled).digest() == digest:
        return compiled
    log.warning("%s is damaged: compiling anew", file)
    return None


@lru_cache(maxsize=1)
def _npu() -> list[Any]:
    """Register the plugin, once for the process, and return the devices that it found.

    Raises:
        DeviceError: It does not load, or there is no NPU.
    """
    try:
        ort.register_execution_provider_library(PROVIDER, qnn.get_library_path())
    except Exception as error:
        if "already registered" not in str(error):
            raise DeviceError(f"onnxruntime-qnn does not load: {one_line(error)}") from error
    found = [device for device in ort.get_ep_devices() if device.ep_name == PROVIDER]
    if not SIMULATED:
        found = [d for d in found if d.device.type == ort.OrtHardwareDeviceType.NPU]
    if not found:
        raise DeviceError("onnxruntime-qnn finds no Hexagon NPU here: its driver may be missing")
    return found


def list_devices() -> list[Device]:
    """Return the NPU, or the simulator of it."""
    package = f"onnxruntime-qnn {qnn.__version__}"
    if SIMULATED:
        if not Path(qnn.get_qnn_htp_path()).is_file():
            return []
        return [
            Device(
                "npu",
                "qnn",
                f"Hexagon simulator (x86: for tests, not for speed), {package}",
                simulated=True,
            )
        ]
    try:
        _npu()
    except DeviceError as error:
        return [Device("npu", "qnn", f"Hexagon NPU, {package}", str(error))]
    return [Device("npu", "qnn", f"Hexagon NPU, {package}; unverified on real hardware")]
