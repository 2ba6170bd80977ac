"""The list of public models: files with checksums, licence and spec, as data in `manifest.json`."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from edgecv.errors import unknown_name
from edgecv.spec import ModelSpec
from edgecv.zoo.download import fetch, folder_of


class File(NamedTuple):
    """One file of a model.

    Attributes:
        file: Its name.
        url: Where it is published, at a pinned version.
        sha256: Its checksum, 64 hexadecimal digits.
        bytes: Its size.
    """

    file: str
    url: str
    sha256: str
    bytes: int


class Entry(NamedTuple):
    """One model of the list.

    Attributes:
        name: What `load` takes.
        files: The model file first, then its weights and labels.
        spec: The values of its `ModelSpec`.
        edgetpu_twin: Name of the same model compiled for the Edge TPU; empty for none.
    """

    name: str
    files: tuple[File, ...]
    spec: dict[str, Any]
    edgetpu_twin: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.bytes for file in self.files)


@lru_cache(maxsize=1)
def _table() -> dict[str, Entry]:
    text = Path(__file__).with_name("manifest.json").read_text(encoding="utf-8")
    table = {}
    for model in json.loads(text)["models"]:
        files = tuple(File(**file) for file in model["files"])
        name = model["name"]
        table[name] = Entry(name, files, model["spec"], model.get("edgetpu_twin", ""))
    return table


def names() -> tuple[str, ...]:
    """Return the names of all models, sorted."""
    return tuple(sorted(_table()))


def entry(name: str) -> Entry:
    """Return one model's entry.

    Raises:
        UnknownNameError: There is no such model; the text names the nearest.
    """
    if name not in _table():
        raise unknown_name("model", name, _table())
    return _table()[name]


def spec(name: str) -> ModelSpec:
    """Return one model's spec; its files have to be fetched for the labels.

    Raises:
        UnknownNameError: There is no such model.
    """
    found = entry(name)
    values = {"name": name, "source": found.files[0].url, **found.spec}
    return ModelSpec.from_dict(values, folder=folder_of(found))


def spec_of_file(path: Path) -> ModelSpec | None:
    """Return the spec of the listed model that a file is a copy of; None where it is none."""
    found = _entry_of_file(path)
    if found is None:
        return None
    fetch(found.name)
    return spec(found.name)


def edgetpu_twin(path: Path) -> Path | None:
    """Return the file compiled for the Edge TPU from the listed model that `path` is a copy of."""
    found = _entry_of_file(path)
    if found is None or not found.edgetpu_twin:
        return None
    return fetch(found.edgetpu_twin)


def _entry_of_file(path: Path) -> Entry | None:
    size = path.stat().st_size
    alike = [e for e in _table().values() if e.files[0].bytes == size]
    if not alike:
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return next((e for e in alike if e.files[0].sha256 == digest), None)
