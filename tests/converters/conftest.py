"""Networks and what they are converted to, made once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tiny_keras
from edgecv.converters import CONVERTERS, SUFFIXES
from edgecv.converters.embed import embed

from edgecv import modelfile
from edgecv.types import Image


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Give the .keras file of one of `tiny_keras.NETWORKS`."""
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("networks")

    @cache
    def written(name: str) -> Path:
        return tiny_keras.write(name, folder / f"{name}.keras")

    return written


@pytest.fixture(scope="session")
def converted(
    network: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str, str], Path]:
    """Give a network in a format and a precision, with spec and card inside."""
    folder = tmp_path_factory.mktemp("converted")

    @cache
    def made(name: str, target: str, precision: str = "fp32") -> Path:
        source = network(name)
        path = folder / f"{name}_{precision}{SUFFIXES[target]}"
        if target == "tflite":
            CONVERTERS.load("keras>tflite")(source, path, precision=precision)
        else:  # what keras>onnx and keras>openvino do too, without reading the model again
            CONVERTERS.load(f"tflite>{target}")(made(name, "tflite"), path, precision=precision)
        embed(path, spec=modelfile.embedded_spec(source), card=modelfile.embedded_card(source))
        return path

    return made


@pytest.fixture(scope="session")
def photos() -> tuple[Image, ...]:
    """Made-up pictures, not square."""
    from edgecv.converters.parity import picture

    from edgecv.types import TensorSpec

    wanted = TensorSpec("x", (1, 90, 120, 3), np.dtype(np.uint8), None)
    return tuple(picture(wanted, seed)[0] for seed in range(6))


@pytest.fixture
def broken_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the last step of every atomic write fail."""

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(Path, "replace", fail)
