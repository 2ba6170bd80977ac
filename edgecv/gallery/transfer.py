"""A gallery as a text file: JSON lines, the first about the gallery, then one for each person.

Nothing in it can run code, and a file that was cut short is told by its number of people.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from edgecv.cache import atomic_path
from edgecv.errors import GalleryError, OutputError
from edgecv.gallery.identity import ModelId
from edgecv.gallery.records import Entry, checked_name
from edgecv.gallery.templates import LITTLE, checked

FORMAT, VERSION = "edgecv-gallery", 1


class Head(NamedTuple):
    """The first line.

    Attributes:
        model_id: The model that made the embeddings.
        dimension: How many values an embedding has.
        people: How many lines follow.
        threshold: The gallery's; None for none.
    """

    model_id: ModelId
    dimension: int
    people: int
    threshold: float | None


class Line(NamedTuple):
    """One person, with all embeddings."""

    name: str
    created: str
    entries: list[Entry]


def write(path: Path, head: Head, connection: sqlite3.Connection) -> None:
    """Write a whole gallery to a new file that only its owner can read.

    Raises:
        OutputError: The file exists, or cannot be written.
    """
    if path.exists():
        raise OutputError(f"{path} exists already: remove it, or give another name")
    with (
        atomic_path(path, private=True) as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        values = {"format": FORMAT, "version": VERSION, **head._asdict()}
        values["model_id"] = head.model_id._asdict()
        file.write(json.dumps(values) + "\n")
        for person, name, created in connection.execute("SELECT id, name, created FROM people"):
            entries = connection.execute(
                "SELECT vector, created, source, thumbnail FROM embeddings WHERE person = ?",
                (person,),
            )
            rows = [_to_json(Entry(*row)) for row in entries]
            line = {"name": name, "created": created, "embeddings": rows}
            file.write(json.dumps(line) + "\n")


def read_head(path: Path, file: TextIO) -> Head:
    """Read the first line.

    Raises:
        GalleryError: It is not that of an export, or of a newer version.
    """
    values = _json(path, 1, _line(path, 1, file))
    if values.get("format") != FORMAT:
        raise GalleryError(f"{path} is no export of a gallery")
    try:
        if values["version"] > VERSION:
            raise GalleryError(
                f"{path} was written by a newer edgecv (its version is {values['version']}, this "
                f"edgecv reads {VERSION}): upgrade edgecv"
            )
        model = ModelId(str(values["model_id"]["name"]), str(values["model_id"]["sha256"]))
        threshold = values["threshold"]
        if threshold is not None and not -1 <= threshold <= 1:
            raise ValueError(f"the threshold is a cosine, -1..1, got {threshold}")
        return Head(model, int(values["dimension"]), int(values["people"]), threshold)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, 1, error) from error


def read_people(path: Path, file: TextIO, head: Head) -> Iterator[Line]:
    """Yield the people who follow the first line.

    Raises:
        GalleryError: A line is damaged, or lines are missing or too many.
    """
    for number in range(2, head.people + 2):
        values = _json(path, number, _line(path, number, file))
        try:
            entries = [_from_json(entry, head.dimension) for entry in values["embeddings"]]
            if not entries:
                raise ValueError("no embeddings")
            yield Line(checked_name(values["name"]), _time(values["created"]), entries)
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(path, number, error) from error
    if file.read(1):
        raise GalleryError(f"{path} has more lines than the {head.people} people it speaks of")


def _to_json(entry: Entry) -> dict[str, str]:
    values = {
        "vector": b64encode(entry.vector).decode(),
        "created": entry.created,
        "source": entry.source,
    }
    if entry.thumbnail is not None:
        values["thumbnail"] = b64encode(entry.thumbnail).decode()
    return values


def _from_json(values: dict[str, str], dimension: int) -> Entry:
    vector = b64decode(values["vector"], validate=True)
    checked(np.frombuffer(vector, LITTLE), dimension)
    picture = values.get("thumbnail")
    return Entry(
        vector,
        _time(values["created"]),
        str(values["source"]),
        None if picture is None else b64decode(picture, validate=True),
    )


def _time(text: str) -> str:
    return datetime.fromisoformat(text).isoformat()


def _line(path: Path, number: int, file: TextIO) -> str:
    try:
        line = file.readline()
    except UnicodeDecodeError as error:
        raise _damaged(path, number, error) from error
    if not line.endswith("\n"):
        raise GalleryError(f"{path} is cut short in line {number}: copy it again")
    return line


def _json(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise _damaged(path, number, error) from error
    if not isinstance(values, dict):
        raise _damaged(path, number, TypeError("wanted a JSON object"))
    return values


def _damaged(path: Path, number: int, error: Exception) -> GalleryError:
    return GalleryError(f"{path} is damaged, or no export of a gallery: line {number}: {error}")
