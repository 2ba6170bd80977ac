"""A model that runs in milliseconds, a picture, and an Edge TPU for other processes."""

from __future__ import annotations

from pathlib import Path

import child_edgetpu
import cv2
import numpy as np
import pytest
import virtual_edgetpu
from tiny_models import relu_tflite


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A classifier of an 8x8 picture: the class is the place of the brightest byte."""
    return child_edgetpu.write_place_spec(relu_tflite(tmp_path / "place.tflite"))


@pytest.fixture
def picture() -> bytes:
    """A PNG file of 8x8 pixels."""
    done, data = cv2.imencode(".png", np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    assert done
    return data.tobytes()


@pytest.fixture(scope="session")
def child_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The virtual Edge TPU for other processes; the test is skipped where no C compiler is."""
    if virtual_edgetpu.compiler() is None:
        pytest.skip("no C compiler (gcc) to build the virtual Edge TPU with")
    return child_edgetpu.build(tmp_path_factory.mktemp("child_edgetpu"))
