"""Known people: who they are, what their faces look like, and who a new face is."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from edgecv import faces
from edgecv.errors import GalleryError
from edgecv.gallery import database, records, templates, transfer
from edgecv.gallery.identity import ModelId, check_model, embedding_size
from edgecv.gallery.identity import model_id as id_of
from edgecv.gallery.records import Added, Entry, Person
from edgecv.gallery.templates import Match, Scores
from edgecv.model import Model
from edgecv.types import Array, FloatArray, Image

log = logging.getLogger(__name__)


class _Snapshot(NamedTuple):
    version: tuple[int, int]
    names: tuple[str, ...]
    matrix: FloatArray
    threshold: float | None


class Gallery:
    """A file of known faces. Several processes and threads may use it at the same time.

    The file holds biometric data: only its owner can read it, nobody's picture is kept unless a
    thumbnail is given, and what is deleted is gone from the file. Neither the file nor an export
    is encrypted: on a device that may be stolen, encrypt the disk.

    Args:
        path: The file; it is made where there is none and `model_id` and `dimension` say for what.
        model_id: The model that the embeddings are from; None for whichever made the file.
        dimension: The number of values of an embedding; None for the file's own.
        timeout: Seconds to wait for another process that is writing.

    Raises:
        GalleryError: The file is damaged, no gallery, of another model or of a newer version, and
            was left as it is; or it cannot be made.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        model_id: ModelId | None = None,
        dimension: int | None = None,
        timeout: float = 5.0,
    ) -> None:
        self.path = Path(path).expanduser().absolute()
        if not self.path.exists():
            if model_id is None or dimension is None:
                raise GalleryError(f"there is no gallery {self.path}: enrol somebody first")
            if dimension < 1:
                raise ValueError(f"an embedding has at least one value, got {dimension}")
            values = {"model": model_id.name, "sha256": model_id.sha256}
            database.create(self.path, {**values, "dimension": str(dimension)})
        self._file = database.Database(self.path, timeout=timeout)
        self._cached: _Snapshot | None = None
        try:
            self.model_id, self.dimension = self._made_with()
            if model_id is not None:
                check_model(self.path, self.model_id, model_id, f"{model_id} is loaded")
            if dimension not in (None, self.dimension):
                raise GalleryError(
                    f"{self.path} holds embeddings of {self.dimension} values, not {dimension}"
                )
            self._finish_purge()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        """The number of people."""
        with self._file.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM people").fetchone()
        return int(count)

    def close(self) -> None:
        """Close the file, once or again."""
        self._file.close()
        self._cached = None

    def names(self) -> list[Person]:
        """Return everybody who is enrolled, by name."""
        with self._file.reading() as connection:
            return records.people(connection)

    def enroll(
        self,
        name: str,
        embeddings: Array,
        *,
        thumbnail: Image | None = None,
        source: str | os.PathLike[str] = "",
    ) -> int:
        """Add embeddings to a person, who need not be known before.

        An embedding that the person has already, to the last bit, is not added again.

        Args:
            name: Compared as it is written, upper and lower case apart.
            embeddings: float32 (D,) or (N, D), rows of length 1.
            thumbnail: uint8 (H, W, 3), BGR: a small picture to keep, as JPEG; None for none.
            source: The picture file; only its name is kept, not its folder.

        Returns:
            How many embeddings were new.

        Raises:
            ValueError: The name or the embeddings cannot be used.
            GalleryError: Another process is writing for too long, or the disk is full.
        """
        rows = templates.checked(embeddings, self.dimension)
        jpeg = None if thumbnail is None else records.encode(thumbnail)
        now, file = records.now(), Path(source).name
        entries = [
            Entry(row.tobytes(), now, file, None if at else jpeg) for at, row in enumerate(rows)
        ]
        with self._file.writing() as connection:
            return records.add(connection, records.checked_name(name), now, entries).embeddings

    def rename(self, name: str, new: str) -> None:
        """Give a person another name; the old one is gone from the file.

        Raises:
            UnknownNameError: Nobody has the name.
            ValueError: The new name cannot be used.
            GalleryError: Somebody has the new name, or the file cannot be written.
        """
        new = records.checked_name(new)
        with self._file.writing() as connection:
            person = records.find(connection, name)
            if new == records.checked_name(name):
                return
            if connection.execute("SELECT 1 FROM people WHERE name = ?", (new,)).fetchone():
                raise GalleryError(
                    f"{new!r} is enrolled already: delete one of the two, or take another name"
                )
            connection.execute("UPDATE people SET name = ? WHERE id = ?", (new, person))
            records.mark_for_purge(connection)
        self.purge()

    def delete(self, name: str) -> None:
        """Remove a person: name, embeddings and thumbnails are gone from the file.

        Storage that never overwrites in place (flash, copy-on-write file systems) may keep old
        blocks: against somebody who reads the bare chips only an encrypted disk helps.

        Raises:
            UnknownNameError: Nobody has the name.
            GalleryError: The file cannot be written; or the person is deleted, but another process
                keeps the bytes from being overwritten. `purge`, or opening it again, does that.
        """
        with self._file.writing() as connection:
            person = records.find(connection, name)
            connection.execute("DELETE FROM people WHERE id = ?", (person,))
            records.mark_for_purge(connection)
        self.purge()

    def purge(self) -> None:
        """Overwrite what was deleted, wherever in the file it may be.

        `delete` and `rename` do it by themselves, and a gallery that was interrupted between the
        two steps does it when it is next opened.

        Raises:
            GalleryError: Another process is reading or writing: it is done when next opened.
        """
        mark = self._metadata(records.PURGE)
        self._file.purge()
        with self._file.writing() as connection:
            if records.get(connection, records.PURGE) == mark:  # else more was deleted meanwhile
                records.put(connection, records.PURGE, None)

    def thumbnail(self, name: str) -> Image | None:
        """Return the newest thumbnail of a person, uint8 (H, W, 3) BGR; None where there is none.

        Raises:
            UnknownNameError: Nobody has the name.
        """
        with self._file.reading() as connection:
            jpeg = records.thumbnail(connection, records.find(connection, name))
        if jpeg is None:
            return None
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        if picture is None:
            raise GalleryError(f"{self.path}: the thumbnail of {name!r} is damaged")
        return np.asarray(picture, np.uint8)

    def matrix(self) -> tuple[tuple[str, ...], FloatArray]:
        """Return the names (P,) and one embedding for each, float32 (P, D), rows of length 1.

        A person's embeddings are averaged (`edgecv.gallery.templates` says why). Both are kept
        until the file changes, by whomever; the array is read-only.

        Raises:
            GalleryError: The file is damaged.
        """
        snapshot = self._snapshot()
        return snapshot.names, snapshot.matrix

    def identify(
        self, embeddings: FloatArray, threshold: float | None = None
    ) -> tuple[tuple[str | None, ...], FloatArray]:
        """Return who each face is, and the cosine to the nearest person.

        Args:
            embeddings: float32 (N, D), rows of length 1.
            threshold: Who is nearer to nobody than this cosine is nobody known; None for the
                gallery's own.

        Returns:
            The names (N,), None for nobody known, and the similarity, float32 (N,); it is NaN
            where nobody is enrolled.

        Raises:
            ValueError: There is no threshold, or the shapes do not fit.
            GalleryError: The file is damaged.
        """
        snapshot = self._snapshot()
        chosen = snapshot.threshold if threshold is None else threshold
        if chosen is None:
            raise ValueError(
                "the gallery has no threshold: give one, or calibrate and `set_threshold`"
            )
        return faces.identify(embeddings, snapshot.matrix, snapshot.names, threshold=chosen)

    def search(self, embedding: FloatArray, k: int = 5) -> list[Match]:
        """Return the `k` people nearest to an embedding, float32 (D,), the nearest first.

        Raises:
            ValueError: The embedding cannot be used, or `k` is not positive.
            GalleryError: The file is damaged.
        """
        (row,) = templates.checked(embedding, self.dimension)
        snapshot = self._snapshot()
        return templates.nearest(snapshot.names, snapshot.matrix, row, k)

    @property
    def threshold(self) -> float | None:
        """The cosine from which `identify` takes a face for a known one; None while not set."""
        return self._snapshot().threshold

    @property
    def calibration(self) -> dict[str, Any] | None:
        """What was said about the threshold when it was set; None while it is not set."""
        text = self._metadata("calibration")
        return None if text is None else dict(json.loads(text))

    def set_threshold(
        self, threshold: float | None, *, calibration: Mapping[str, Any] | None = None
    ) -> None:
        """Keep a threshold for `identify`, and where it comes from.

        Args:
            threshold: A cosine, -1..1; None to keep none.
            calibration: JSON values, such as `Calibration.to_dict` gives.

        Raises:
            ValueError: The threshold is out of range.
            GalleryError: The file cannot be written.
        """
        if threshold is not None and not -1 <= threshold <= 1:
            raise ValueError(f"the threshold is a cosine, -1..1, got {threshold}")
        value = None if threshold is None else repr(float(threshold))
        about = None if threshold is None else json.dumps(dict(calibration or {}))
        with self._file.writing() as connection:
            records.put(connection, "threshold", value)
            records.put(connection, "calibration", about)

    def scores(self, *, limit: int = 4_000_000) -> Scores:
        """Return how similar those enrolled are to themselves and to each other.

        It is what `edgecv.calibration.calibrate` takes.

        Args:
            limit: About the most comparisons of different people; from a gallery of more, people
                are drawn at random.

        Raises:
            GalleryError: The file is damaged.
        """
        with self._file.reading() as connection:
            stored = templates.read(connection, self.dimension)
        return templates.scores(stored, limit=limit)

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a new text file that only its owner can read: one person a line.

        Raises:
            OutputError: The file exists already, or cannot be written.
            GalleryError: The gallery is damaged.
        """
        with self._file.reading() as connection:
            (count,) = connection.execute("SELECT count(*) FROM people").fetchone()
            threshold = records.threshold(connection)
            head = transfer.Head(self.model_id, self.dimension, count, threshold)
            transfer.write(Path(path), head, connection)

    def import_(self, path: str | os.PathLike[str]) -> Added:
        """Add everybody of an export: all of it, or nothing when anything is wrong with it.

        People of equal names are taken for the same person, who gets the embeddings of both; an
        embedding that is there already is left out. The threshold comes over where there is none.

        Raises:
            GalleryError: The file is damaged, no export, or made with another model; or the gallery
                cannot be written.
        """
        total, source = Added(0, 0, 0), Path(path)
        try:
            with source.open(encoding="utf-8") as file, self._file.writing() as connection:
                head = transfer.read_head(source, file)
                about = f"{source} was made with {head.model_id}"
                check_model(self.path, self.model_id, head.model_id, about)
                for line in transfer.read_people(source, file, head):
                    added = records.add(connection, *line)
                    total = Added(*(a + b for a, b in zip(total, added, strict=True)))
                if head.threshold is not None and records.threshold(connection) is None:
                    records.put(connection, "threshold", repr(head.threshold))
        except OSError as error:
            raise GalleryError(f"cannot read {source}: {error.strerror or error}") from error
        return total

    def _finish_purge(self) -> None:
        """Overwrite what an interrupted `delete` left behind."""
        if self._metadata(records.PURGE):
            try:
                self.purge()
            except GalleryError as error:
                log.warning("%s", error)

    def _made_with(self) -> tuple[ModelId, int]:
        with self._file.reading() as connection:
            values = dict(connection.execute("SELECT key, value FROM metadata"))
        try:
            return ModelId(values["model"], values["sha256"]), int(values["dimension"])
        except (KeyError, ValueError) as error:
            raise GalleryError(f"{self.path} is damaged: it lacks {error}") from error

    def _snapshot(self) -> _Snapshot:
        cached = self._cached
        if cached is None or cached.version != self._file.version():
            with self._file.reading() as connection:
                version = self._file.version()
                stored = templates.read(connection, self.dimension)
                threshold = records.threshold(connection)
            matrix = templates.templates(stored)
            cached = self._cached = _Snapshot(version, stored.names, matrix, threshold)
        return cached

    def _metadata(self, key: str) -> str | None:
        with self._file.reading() as connection:
            return records.get(connection, key)


def open_gallery(path: str | os.PathLike[str], model: Model) -> Gallery:
    """Open the gallery of an embedding model, or make it.

    Raises:
        GalleryError: As `Gallery` does.
        ModelFileError: The model's file cannot be read any more.
        ValueError: It is no embedding model, or was not loaded from a file.
    """
    return Gallery(path, model_id=id_of(model), dimension=embedding_size(model))
