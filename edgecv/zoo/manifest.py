"""The list of models: files with checksums, licence and spec, as data in JSON.

The public ones are in `manifest.json`, those that ship with the package in `edgecv/assets`.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from edgecv.errors import UnknownNameError, unknown_name

ASSETS = Path(__file__).parent.parent / "assets"
"""The folder of the models that ship with the package."""

_MORE = ("edgetpu_twin", "int8_rewrite", "figure")


class File(NamedTuple):
    """One file of a model.

    Attributes:
        file: Its name.
        url: Where it is published, at a pinned version; empty where it ships with the package.
        sha256: Its checksum, 64 hexadecimal digits.
        bytes: Its size.
    """

    file: str
    url: str
    sha256: str
    bytes: int

    @property
    def bundled(self) -> bool:
        """Whether it ships with the package."""
        return not self.url


class Entry(NamedTuple):
    """One model of the list.

    Attributes:
        name: What `load` takes.
        files: The model file first, then its weights and labels.
        spec: The values of its `ModelSpec`.
        edgetpu_twin: Name of the same model compiled for the Edge TPU; empty for none.
        int8_rewrite: Whether CPUs run it rewritten (`edgecv.rewritten`): only where figures of
            merit, or the agreement of the best class with a better model's, stayed what they were.
        figure: What it reached on our own pictures (README, "Models"); empty where nobody measured.
    """

    name: str
    files: tuple[File, ...]
    spec: dict[str, Any]
    edgetpu_twin: str = ""
    int8_rewrite: bool = False
    figure: str = ""

    @property
    def bundled(self) -> bool:
        """Whether it ships with the package."""
        return all(file.bundled for file in self.files)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.bytes for file in self.files)

    @property
    def task(self) -> str:
        """What the model does: one of `edgecv.spec.TASKS`."""
        return str(self.spec["task"])

    @property
    def labels(self) -> File | None:
        """The file that holds the class names; None where the spec itself does."""
        given = self.spec.get("labels")
        named = given.get("file") if isinstance(given, dict) else given
        return next((file for file in self.files[1:] if file.file == named), None)


LISTS = (Path(__file__).with_name("manifest.json"), ASSETS / "assets.json")


@lru_cache(maxsize=1)
def table() -> dict[str, Entry]:
    """Return all models by name."""
    found = {}
    for path in LISTS:
        for model in json.loads(path.read_text(encoding="utf-8"))["models"]:
            files = tuple(File(**file) for file in model["files"])
            more = {key: model[key] for key in _MORE if key in model}
            found[model["name"]] = Entry(model["name"], files, model["spec"], **more)
    return found


def names(task: str | None = None) -> tuple[str, ...]:
    """Return the names of all models, or of those for one task, sorted."""
    return tuple(sorted(name for name, e in table().items() if task in (None, e.task)))


def entry(name: str) -> Entry:
    """Return one model's entry.

    Raises:
        UnknownNameError: There is no such model; the text names the nearest.
    """
    if name in table():
        return table()[name]
    longer = [known for known in names() if name and name.lower() in known]
    if longer:
        raise UnknownNameError(f"no model {name!r}; did you mean {' or '.join(map(repr, longer))}?")
    raise unknown_name("model", name, table())
