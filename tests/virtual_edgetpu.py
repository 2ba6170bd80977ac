"""A virtual Edge TPU for tests: the delegate of `virtual_edgetpu.c`, computing on the CPU.

with VirtualEdgeTpu(build(folder), twin="mobilenet_quant.tflite") as tpu:
    model = edgecv.load("mobilenet_quant_edgetpu.tflite", device="coral")
    tpu.unplug()
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("virtual_edgetpu.c")
PREFIX = "VIRTUAL_EDGETPU_"
SIZES, POINTERS = ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_void_p)
CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_int, POINTERS, SIZES, ctypes.c_int, POINTERS, SIZES
)


def compiler() -> str | None:
    """Return the C compiler's path; None where there is none."""
    return shutil.which("gcc") or shutil.which("cc")


def build(folder: Path) -> Path:
    """Compile the delegate into a folder and return the library."""
    library = folder / "libvirtualedgetpu.so"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([str(compiler()), *flags, "-o", str(library), str(SOURCE)], check=True)
    return library


class VirtualEdgeTpu:
    """An Edge TPU that is plugged in while the block runs.

    Args:
        library: What `build` returned.
        twin: The TFLite file that computes what compiled models ask of the device: the file that
            the model was compiled from. Its inputs and outputs are taken in order.
        latency_us: How long each run takes at least, in microseconds.
        fail_after: How many runs of each opened model succeed before all others fail; None for
            no end.
        devices: What is plugged in.

    Attributes:
        calls: How many runs the twin has computed.
    """

    def __init__(
        self,
        library: Path,
        twin: str | os.PathLike[str],
        *,
        latency_us: int = 0,
        fail_after: int | None = None,
        devices: Sequence[str] = ("usb:0",),
    ) -> None:
        self.calls = 0
        self._twin = _Twin(Path(twin))
        self._callback = CALLBACK(self._compute)
        self._gone = library.with_name(f"gone-{len(_KEPT)}")
        self._variables = {
            "EDGECV_EDGETPU_LIB": str(library),
            PREFIX + "CALLBACK": str(ctypes.cast(self._callback, ctypes.c_void_p).value),
            PREFIX + "DEVICES": ",".join(devices),
            PREFIX + "FAIL_AFTER": "" if fail_after is None else str(fail_after),
            PREFIX + "GONE_FILE": str(self._gone),
            PREFIX + "LATENCY_US": str(latency_us),
        }
        self._before: dict[str, str | None] = {}
        _KEPT.append(self)

    def unplug(self) -> None:
        """Pull it out: runs fail, and no model can be opened on it."""
        self._gone.touch()

    def plug(self) -> None:
        """Put it back."""
        self._gone.unlink(missing_ok=True)

    def __enter__(self) -> VirtualEdgeTpu:
        self._before = {name: os.environ.get(name) for name in self._variables}
        os.environ.update(self._variables)
        self.plug()
        return self

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        self.unplug()

    def _compute(self, *arguments: Any) -> int:
        try:
            self._twin(*arguments)
        except Exception:  # nothing may fly through the C code that called
            return 1
        self.calls += 1
        return 0


_KEPT: list[VirtualEdgeTpu] = []
"""All that were made: a model that outlives its block still holds the address of a callback."""


class _Twin:
    """A TFLite model that reads and writes memory of others."""

    def __init__(self, path: Path) -> None:
        from edgecv.runtimes.tflite import interpreter_module

        self._interpreter = interpreter_module().Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()

    def __call__(
        self,
        n_inputs: int,
        inputs: Any,
        in_bytes: Any,
        n_outputs: int,
        outputs: Any,
        out_bytes: Any,
    ) -> None:
        wanted, given = self._interpreter.get_input_details(), range(n_inputs)
        for details, i in zip(wanted, given, strict=True):
            tensor = self._interpreter.get_tensor(details["index"])
            _same_size(tensor.nbytes, in_bytes[i])
            ctypes.memmove(tensor.ctypes.data, inputs[i], tensor.nbytes)
            self._interpreter.set_tensor(details["index"], tensor)
        self._interpreter.invoke()
        made, asked = self._interpreter.get_output_details(), range(n_outputs)
        for details, i in zip(made, asked, strict=True):
            tensor = self._interpreter.get_tensor(details["index"])
            _same_size(tensor.nbytes, out_bytes[i])
            ctypes.memmove(outputs[i], tensor.ctypes.data, tensor.nbytes)


def _same_size(twin: int, model: int) -> None:
    if twin != model:
        raise ValueError(f"the twin's tensor has {twin} bytes, the compiled model's {model}")
