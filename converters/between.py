"""A file on the way to another one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol


class Convert(Protocol):
    """What a converter's module exports."""

    def __call__(self, source: Path, target: Path, *, precision: str) -> None:
        """Read `source`, write `target`."""


@contextmanager
def through(source: Path, convert: Convert) -> Iterator[Path]:
    """Give the float32 TFLite file of a source, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="edgecv-") as folder:
        made = Path(folder) / f"{source.stem}.tflite"
        convert(source, made, precision="fp32")
        yield made
