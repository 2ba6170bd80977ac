"""Keras files and SavedModels to OpenVINO's IR, through TFLite in float32.

TFLite's converter folds batch norm into convolutions, and names stay the same in all formats.
"""

from __future__ import annotations

from pathlib import Path

from . import keras_tflite, tflite_openvino
from .between import through


def convert(source: Path, target: Path, *, precision: str = "fp32") -> None:
    """Write an IR; see `keras_tflite.convert` and `tflite_openvino.convert`."""
    with through(source, keras_tflite.convert) as tflite:
        tflite_openvino.convert(tflite, target, precision=precision)
