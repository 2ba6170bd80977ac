"""Computer vision on edge devices: one API from a picture to a result, whatever runs the model."""

from __future__ import annotations

__version__ = "0.1.0"

from typing import NoReturn

try:
    import cv2 as _cv2  # noqa: F401
except ImportError as _error:  # `edgecv doctor` runs all the same, and says what OpenCV lacks
    _cause = _error

    def _without_opencv(name: str) -> NoReturn:
        """Raise what the public names lack."""
        if name not in __all__:
            raise AttributeError(f"module 'edgecv' has no attribute {name!r}")
        raise ImportError(
            f"edgecv needs OpenCV, and importing cv2 failed ({_cause}). Install one of: "
            "pip install 'edgecv[cv]' (no windows; servers, Pi OS Lite) or "
            "pip install 'edgecv[gui]' (with windows); never both, they overwrite each other. "
            "`edgecv doctor` says more"
        ) from _cause

    globals()["__getattr__"] = _without_opencv  # hidden from type checkers, which see the names
else:
    from edgecv.align import align_face
    from edgecv.errors import EdgeCVError
    from edgecv.image import read_image
    from edgecv.model import Model, load
    from edgecv.results import Classes, Detections, Embedding, Faces, Mask, Poses
    from edgecv.session import devices
    from edgecv.sources import open_source
    from edgecv.spec import InputSpec, ModelSpec
    from edgecv.streaming import stream
    from edgecv.types import Device, Frame, Quant, Size, TensorSpec

__all__ = [
    "Classes",
    "Detections",
    "Device",
    "EdgeCVError",
    "Embedding",
    "Faces",
    "Frame",
    "InputSpec",
    "Mask",
    "Model",
    "ModelSpec",
    "Poses",
    "Quant",
    "Size",
    "TensorSpec",
    "align_face",
    "devices",
    "load",
    "open_source",
    "read_image",
    "stream",
]
