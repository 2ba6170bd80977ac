"""The virtual Edge TPU for processes of their own: what it computes is in the library, too.

`VirtualEdgeTpu` calls a function of this process, which no other can. Here the library sets the
address of a function of its own when it is loaded: it fills the outputs with zeros, and puts a 255
first.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import virtual_edgetpu
from tiny_models import compiled_tflite

CODE = """
#include "{source}"

static int fill(int n_inputs, void **inputs, size_t *input_bytes, int n_outputs, void **outputs,
                size_t *output_bytes) {{
  (void)n_inputs, (void)inputs, (void)input_bytes;
  for (int i = 0; i < n_outputs; i++) {{
    memset(outputs[i], 0, output_bytes[i]);
    if (output_bytes[i]) *(unsigned char *)outputs[i] = 255;
  }}
  return 0;
}}

__attribute__((constructor)) static void set_callback(void) {{
  char address[32];
  snprintf(address, sizeof address, "%llu", (unsigned long long)(uintptr_t)&fill);
  setenv("VIRTUAL_EDGETPU_CALLBACK", address, 1);
}}
"""


def build(folder: Path) -> Path:
    """Compile the library into a folder and return it."""
    code, library = folder / "child.c", folder / "libchildedgetpu.so"
    code.write_text(CODE.format(source=virtual_edgetpu.SOURCE))
    flags = ["-shared", "-fPIC", "-O2", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"]
    line = [str(virtual_edgetpu.compiler()), *flags, "-o", str(library), str(code)]
    subprocess.run(line, check=True)
    return library


def variables(
    library: Path, *, latency_us: int = 0, fail_after: int | None = None, gone: Path | None = None
) -> dict[str, str]:
    """Return the environment of a process before which the device is plugged in.

    Args:
        library: What `build` returned.
        latency_us: How long each run takes at least, in microseconds.
        fail_after: How many runs of each opened model succeed; None for all.
        gone: While there is such a file, the device is unplugged.
    """
    return {
        "EDGECV_EDGETPU_LIB": str(library),
        "VIRTUAL_EDGETPU_DEVICES": "usb:0",
        "VIRTUAL_EDGETPU_LATENCY_US": str(latency_us),
        "VIRTUAL_EDGETPU_FAIL_AFTER": "" if fail_after is None else str(fail_after),
        "VIRTUAL_EDGETPU_GONE_FILE": str(gone or ""),
    }


def plug(monkeypatch, library: Path, **how) -> None:
    """Plug it in before this process and those that it starts, until the test ends."""
    for name, value in variables(library, **how).items():
        monkeypatch.setenv(name, value)
    # the library sets this one in the processes that load it, this one included
    monkeypatch.setenv("VIRTUAL_EDGETPU_CALLBACK", os.environ.get("VIRTUAL_EDGETPU_CALLBACK", ""))


def classifier(path: Path) -> Path:
    """Write a compiled model of 192 classes and its spec."""
    write_place_spec(compiled_tflite(path))
    return path


def write_place_spec(model: Path) -> Path:
    """Say beside a model of one 8x8 picture that the place of its brightest byte is the class."""
    spec = {
        "name": model.stem, "task": "classification", "decoder": "classifier",
        "labels": [f"place {i}" for i in range(192)], "input": {"color": "bgr", "std": 255},
    }  # fmt: skip
    model.with_name(model.name + ".json").write_text(json.dumps(spec))
    return model
