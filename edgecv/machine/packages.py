"""Which of the packages that edgecv works with are installed, without importing them."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

KNOWN = (
    "ai-edge-litert",
    "edgecv",
    "keras",
    "nncf",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
    "opencv-python",
    "opencv-python-headless",
    "openvino",
    "picamera2",
    "pycoral",
    "rknn-toolkit-lite2",
    "simplejpeg",
    "tensorflow",
    "tflite-runtime",
)


def packages(wanted: Sequence[str] = KNOWN) -> dict[str, str]:
    """Return the versions of those packages that this Python sees."""
    found: dict[str, str] = {}
    for name in wanted:
        try:
            version: str | None = metadata.version(name)
        except (metadata.PackageNotFoundError, KeyError):
            continue
        if version:  # what a broken uninstall leaves has none
            found[name] = version
    return found
