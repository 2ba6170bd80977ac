"""TFLite files on the way to other formats."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from edgecv import modelfile
from edgecv.errors import ModelFileError
from edgecv.tflitegraph import Graph


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


def check_tflite(source: Path) -> None:
    """Refuse what other tools would choke on.

    Raises:
        ModelFileError: The file is damaged, or compiled for the Edge TPU.
    """
    modelfile.check(source)
    try:
        Graph(source.read_bytes())
    except ModelFileError as error:
        raise ModelFileError(f"{source}: {error}") from error
    if modelfile.needs_edgetpu(source):
        raise ModelFileError(f"{source.name} is compiled for the Edge TPU, and for nothing else")
