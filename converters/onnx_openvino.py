"""ONNX to OpenVINO's IR."""

from __future__ import annotations

from pathlib import Path

from edgecv import modelfile

from . import openvino_file


def convert(source: Path, target: Path, *, precision: str = "fp32") -> None:
    """Write an IR whose inputs and outputs have the names of the ONNX file's.

    Args:
        source: An .onnx file; a batch that it leaves open becomes one.
        target: The .xml file to be, with a .bin beside it; ones that are there are replaced.
        precision: "fp32" or "fp16" (weights).

    Raises:
        ModelFileError: The source is damaged, or has sides that are open.
        InferenceError: OpenVINO has no operator for a part of it; all of them are named.
        OutputError: The target cannot be written.
    """
    modelfile.check(source)
    openvino_file.save(openvino_file.read(source), target, precision=precision)
