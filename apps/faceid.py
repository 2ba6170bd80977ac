"""A face detector and an embedder as one: faces with names, and enrolment from a picture."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import RLock
from time import perf_counter
from typing import NamedTuple, TypeAlias, cast

import numpy as np

from edgecv.boxes import area
from edgecv.enrolment import face_to_enroll
from edgecv.errors import DataError, GalleryError, ImageError
from edgecv.faces import embed_faces
from edgecv.gallery import Gallery
from edgecv.model import Model
from edgecv.pipeline import Call
from edgecv.results import Faces
from edgecv.sources import open_source
from edgecv.types import FloatArray, Image
from edgecv.zoo import names

from .common import DEFAULTS, UsageError, open_second, warn, with_total_run

Who: TypeAlias = Callable[[FloatArray], tuple[tuple[str | None, ...], FloatArray]]
"""Tells whose faces they are: embeddings (N, D) -> N names, None for nobody known, N cosines."""


class Known(NamedTuple):
    """The faces of known people: float32 (M, D), rows of length 1, and the M names."""

    embeddings: FloatArray
    names: tuple[str, ...]


class FaceId:
    """What finds faces and says whose they are, used like one model. Threads may share it.

    Args:
        detector: Finds faces and their five points.
        embedder: Embeds aligned faces.
        who: Tells whose they are.
        gallery: Where people are enrolled; None where that cannot be.
    """

    def __init__(
        self, detector: Model, embedder: Model, who: Who, gallery: Gallery | None = None
    ) -> None:
        self.detector, self.embedder, self.gallery = detector, embedder, gallery
        self._who = who
        self._lock = RLock()

    def __call__(self, image: Image) -> Faces:
        """Return the faces of a picture, uint8 (H, W, 3) BGR, named where they are known."""
        with self._lock:
            start = perf_counter()
            found = named = find_faces(image, self.detector)
            if len(found):
                embeddings = embed_faces(image, found, self.embedder)
                whose, similarity = self._who(embeddings)
                named = replace(found, names=whose, similarity=similarity)
            return with_total_run(named, self.detector, [found], start)

    def enroll(self, name: str, image: Image, *, source: str = "") -> int:
        """Add the one face of a picture that is fit to be enrolled; return how many were new.

        Raises:
            EnrolmentError: There is none; the text says why.
            GalleryError: There is no gallery, or it cannot be written.
            ValueError: The name cannot be used.
        """
        if self.gallery is None:
            raise GalleryError("there is no gallery to enrol anybody in: give --gallery FILE")
        with self._lock:
            faces = find_faces(image, self.detector)
            face = faces[face_to_enroll(image, faces)]
            embedding = embed_faces(image, face, self.embedder)
        return self.gallery.enroll(name, embedding, source=source)

    def close(self) -> None:
        """Give the devices and the gallery back."""
        with self._lock:
            self.detector.close()
            self.embedder.close()
            if self.gallery is not None:
                self.gallery.close()


class LivePeople:
    """The gallery of a run, as a page changes it.

    Args:
        current: Returns what is in use at the moment: another one when a device was lost.
    """

    def __init__(self, current: Callable[[], Call]) -> None:
        self._current = current

    def names(self) -> list[str]:
        """Return everybody's name."""
        return [person.name for person in self._gallery().names()]

    def enroll(self, name: str, image: Image) -> str:
        """Add the face of a picture and return a line that says so."""
        new = self._face_id().enroll(name, image)
        return f"{name} is enrolled" if new else f"{name} was enrolled from this picture before"

    def rename(self, old: str, new: str) -> None:
        """Give somebody another name."""
        self._gallery().rename(old, new)

    def delete(self, name: str) -> None:
        """Forget somebody."""
        self._gallery().delete(name)

    def _face_id(self) -> FaceId:
        return cast("FaceId", self._current())

    def _gallery(self) -> Gallery:
        gallery = self._face_id().gallery
        if gallery is None:
            raise GalleryError("there is no gallery in this run")
        return gallery


def open_embedder(args: argparse.Namespace, name: str) -> Model:
    """Open a model that embeds aligned faces.

    Raises:
        UsageError: The model is for something else.
        EdgeCVError: It could not be opened.
    """
    embedder = open_second(args, name, "face_embedding")
    check_embedder(embedder)
    return embedder


def check_embedder(embedder: Model) -> None:
    """Refuse a model that does not say where a face's five points have to lie.

    Raises:
        UsageError: It does not.
    """
    if not embedder.spec.input.landmarks:
        embedder.close()
        raise UsageError(
            f"{embedder.spec.name} does not say where the five points of a face have to lie: its "
            f"spec lacks input.landmarks; those of {', '.join(names('face_embedding'))} have them"
        )


def find_faces(image: Image, detector: Model) -> Faces:
    """Return all faces of a picture, with the five points that alignment needs.

    Raises:
        UsageError: The detector gives no five points.
    """
    faces = cast("Faces", detector(image))
    if len(faces) and faces.landmarks.shape[1] < 5:
        raise UsageError(
            f"{detector.spec.name} does not give the five points that faces are aligned by: take "
            f"{DEFAULTS['face_detection']}"
        )
    return faces


def largest_face(image: Image, detector: Model) -> Faces | None:
    """Return the largest face of a picture, alone; None where there is none."""
    faces = find_faces(image, detector)
    return faces[int(area(faces.boxes).argmax())] if len(faces) else None


def read_known(folder: Path, detector: Model, embedder: Model) -> Known:
    """Embed the largest face of every picture of a folder of people.

    Args:
        folder: It has a picture NAME.jpg, or a folder NAME of pictures, for each person.
        detector: Finds the faces.
        embedder: Embeds them.

    Raises:
        DataError: There is no such folder, or no face in it.
    """
    if not folder.is_dir():
        raise DataError(f"--known wants a folder with a picture for each person, got {folder}")
    rows: list[FloatArray] = []
    people: list[str] = []
    for name, path in _portraits(folder):
        try:
            image = next(open_source(path)).image
        except ImageError as error:
            warn(str(error))
            continue
        face = largest_face(image, detector)
        if face is None:
            warn(f"no face in {path}: it is left out of the known people")
            continue
        rows.append(embed_faces(image, face, embedder)[0])
        people.append(name)
    if not rows:
        raise DataError(f"no faces in {folder}: NAME.jpg or NAME/ is wanted for each person")
    return Known(np.stack(rows), tuple(people))


def _portraits(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield names and pictures: of NAME.jpg, and of all that lie in NAME/."""
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        try:
            source = open_source(place)
        except ImageError:  # no pictures in it
            continue
        for path in getattr(source, "paths", ()):
            yield (path.stem if place == folder else place.name), path
