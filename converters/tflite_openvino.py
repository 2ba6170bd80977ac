"""TFLite to OpenVINO's IR; TensorFlow is not needed for it."""

from __future__ import annotations

from pathlib import Path

from . import openvino_file
from .between import check_tflite


def convert(source: Path, target: Path, *, precision: str = "fp32") -> None:
    """Write an IR whose inputs and outputs have the names of the TFLite file's.

    Args:
        source: A .tflite file.
        target: The .xml file to be, with a .bin beside it; ones that are there are replaced.
        precision: "fp32" or "fp16" (weights).

    Raises:
        ModelFileError: The source is damaged, or has a batch or sides that are open.
        InferenceError: OpenVINO has no operator for a part of it; all of them are named.
        OutputError: The target cannot be written.
    """
    check_tflite(source)
    openvino_file.save(openvino_file.read(source), target, precision=precision)
