"""In what numbers most of a model file's weights are kept."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from edgecv import tflitefile

_TFLITE = {"float32": "fp32", "float16": "fp16", "int8": "int8", "uint8": "int8"}
_OPENVINO = {"f32": "fp32", "f16": "fp16", "i8": "int8", "u8": "int8"}
_CONSTANT = re.compile(r'<data element_type="(\w+)" shape="[^"]*" offset="\d+" size="(\d+)"')


def precision_of(path: Path) -> str:
    """Return "fp32", "fp16" or "int8"; what most of the bytes of constants are.

    A TFLite file without constants, as the Edge TPU's compiler makes them, is what its tensors are.

    Raises:
        ModelFileError: The file is damaged.
        OSError: It cannot be read.
    """
    if path.suffix == ".tflite":
        found = _most(tflitefile.weight_bytes(path), _TFLITE)
        return found or ("int8" if tflitefile.quantization(path) else "fp32")
    if path.suffix == ".xml":
        return _most(_openvino_bytes(path.read_text(encoding="utf-8")), _OPENVINO) or "fp32"
    if path.suffix == ".onnx":
        return "int8" if b"DequantizeLinear" in path.read_bytes() else "fp32"
    with zipfile.ZipFile(path) as archive:
        text = json.dumps(json.loads(archive.read("config.json")))
    return "fp16" if '"float16"' in text else "fp32"


def _most(sizes: dict[str, int], names: dict[str, str]) -> str:
    sums: dict[str, int] = {}
    for kind, size in sizes.items():
        if kind in names:
            sums[names[kind]] = sums.get(names[kind], 0) + size
    return max(sums, key=lambda name: sums[name]) if sums else ""


def _openvino_bytes(text: str) -> dict[str, int]:
    """Return the bytes of constants in an IR, by their type."""
    sizes: dict[str, int] = {}
    for kind, size in _CONSTANT.findall(text):
        sizes[kind] = sizes.get(kind, 0) + int(size)
    return sizes
