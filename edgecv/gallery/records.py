"""Single records of a gallery, read and written inside a transaction of the caller's."""

from __future__ import annotations

import sqlite3
import unicodedata
import zlib
from collections.abc import Iterable
from datetime import datetime, timezone
from difflib import get_close_matches
from typing import NamedTuple
from uuid import uuid4

import cv2
import numpy as np

from edgecv.errors import UnknownNameError
from edgecv.types import Image

LONGEST_NAME = 200
PURGE = "purge"
"""The metadata that says: something was deleted, and the file was not yet rewritten without it."""
HINTS = 1000
"""Among how many people a name like a wrong one is looked for."""


class Person(NamedTuple):
    """Somebody who is enrolled.

    Attributes:
        name: Unique in the gallery.
        embeddings: How many there are.
        created: When the person was first enrolled, UTC, as in "2026-11-20T12:00:00+00:00".
    """

    name: str
    embeddings: int
    created: str


class Entry(NamedTuple):
    """One embedding and where it comes from.

    Attributes:
        vector: Its values, little-endian float32.
        created: When it was enrolled, UTC.
        source: The name of the picture file; may be empty.
        thumbnail: A JPEG file; None for none.
    """

    vector: bytes
    created: str
    source: str = ""
    thumbnail: bytes | None = None


class Added(NamedTuple):
    """What was added to a gallery.

    Attributes:
        people: How many people are new.
        embeddings: How many embeddings are new.
        known: How many were there already, and were left out.
    """

    people: int
    embeddings: int
    known: int


def checked_name(name: str) -> str:
    """Return a name in one form (Unicode NFC), without space around it.

    Raises:
        ValueError: It is empty, too long, or has characters that cannot be shown.
    """
    clean = unicodedata.normalize("NFC", name).strip()
    if not clean or len(clean) > LONGEST_NAME or not clean.isprintable():
        raise ValueError(
            f"wanted a name of 1 to {LONGEST_NAME} characters that can be shown, got {name!r:.99}"
        )
    return clean


def now() -> str:
    """Return the time, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def encode(picture: Image) -> bytes:
    """Return a picture, uint8 (H, W, 3) BGR, as a JPEG file.

    Raises:
        ValueError: It is no picture.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(f"wanted uint8 (H, W, 3), got {picture.dtype} {picture.shape}")
    return bytes(cv2.imencode(".jpg", picture)[1])


def people(connection: sqlite3.Connection) -> list[Person]:
    """Return everybody, by name."""
    query = (
        "SELECT name, count(*), people.created FROM people "
        "JOIN embeddings ON person = people.id GROUP BY people.id ORDER BY name"
    )
    return [Person(*row) for row in connection.execute(query)]


def find(connection: sqlite3.Connection, name: str) -> int:
    """Return a person's number.

    Raises:
        UnknownNameError: Nobody has the name.
    """
    query = "SELECT id FROM people WHERE name = ?"
    row = connection.execute(query, (checked_name(name),)).fetchone()
    if row is None:
        known = connection.execute("SELECT name FROM people LIMIT ?", (HINTS,)).fetchall()
        near = get_close_matches(name, [other for (other,) in known], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UnknownNameError(f"nobody is enrolled as {name!r}{hint}")
    return int(row[0])


def add(connection: sqlite3.Connection, name: str, created: str, entries: Iterable[Entry]) -> Added:
    """Add embeddings to a person, who need not be known before; none that is there already."""
    sql = "INSERT INTO people (name, created) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
    new = connection.execute(sql, (name, created)).rowcount
    query = "SELECT vector FROM embeddings WHERE person = ?"
    person = find(connection, name)
    known = {vector for (vector,) in connection.execute(query, (person,))}
    added = left_out = 0
    for entry in entries:
        if entry.vector in known:
            left_out += 1
            continue
        known.add(entry.vector)
        crc = zlib.crc32(entry.vector)
        connection.execute(
            "INSERT INTO embeddings (person, vector, crc, created, source, thumbnail) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (person, entry.vector, crc, entry.created, entry.source, entry.thumbnail),
        )
        added += 1
    return Added(new, added, left_out)


def thumbnail(connection: sqlite3.Connection, person: int) -> bytes | None:
    """Return a person's newest thumbnail, a JPEG file; None where there is none."""
    query = (
        "SELECT thumbnail FROM embeddings WHERE person = ? AND thumbnail IS NOT NULL "
        "ORDER BY id DESC LIMIT 1"
    )
    row = connection.execute(query, (person,)).fetchone()
    return None if row is None else bytes(row[0])


def get(connection: sqlite3.Connection, key: str) -> str | None:
    """Return a value of the metadata; None where there is none."""
    row = connection.execute("SELECT value FROM metadata WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def put(connection: sqlite3.Connection, key: str, value: str | None) -> None:
    """Set a value of the metadata, or remove it by None."""
    connection.execute("DELETE FROM metadata WHERE key = ?", (key,))
    if value is not None:
        connection.execute("INSERT INTO metadata VALUES (?, ?)", (key, value))


def mark_for_purge(connection: sqlite3.Connection) -> None:
    """Note that something is deleted in this transaction; every mark is another one."""
    put(connection, PURGE, uuid4().hex)


def threshold(connection: sqlite3.Connection) -> float | None:
    """Return the gallery's threshold; None where there is none."""
    text = get(connection, "threshold")
    return None if text is None else float(text)
