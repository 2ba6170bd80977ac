"""Small galleries of directions drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgecv.gallery import Gallery, ModelId
from edgecv.types import FloatArray

MODEL = ModelId("made_up", "ab" * 32)
DIMENSION = 16


def directions(count: int, seed: int = 0, dimension: int = DIMENSION) -> FloatArray:
    """Return float32 (count, dimension), rows of length 1."""
    rows = np.random.default_rng(seed).standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people" / "gallery.db"


@pytest.fixture
def gallery(path: Path) -> Iterator[Gallery]:
    with Gallery(path, model_id=MODEL, dimension=DIMENSION) as opened:
        yield opened


def everything(path: Path) -> bytes:
    """Return all bytes of a gallery: its file, the write-ahead log and the log's index."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))
