"""`edgecv face`: faces, and whose they are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import NamedTuple, cast

import numpy as np

from edgecv.boxes import area
from edgecv.errors import DataError, ImageError
from edgecv.faces import embed_faces, with_identity
from edgecv.model import Model
from edgecv.results import Faces
from edgecv.sources import open_source
from edgecv.types import FloatArray, Image
from edgecv.zoo import names

from .common import (
    DEFAULTS,
    Predict,
    UsageError,
    each,
    open_model,
    open_second,
    run_pictures,
    warn,
    with_total_run,
)
from .options import add_picture_options, cosine

TASK = "face_detection"
EPILOG = f"""\
With --known, every face is compared with those of a folder that has a picture NAME.jpg or a folder
NAME/ of pictures for each person; the largest face of a picture counts. Who is not near enough to
anybody is unknown.

examples:
  edgecv face party.jpg --out drawn/                boxes and the five points drawn
  edgecv face party.jpg --known people/             who is there
  edgecv face album/ --known people/ --embedder face-reidentification-retail-0095_int8 \\
      --threshold 0.5 --json -                      (default embedder: {DEFAULTS["face_embedding"]})
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    add_picture_options(parser, DEFAULTS[TASK])
    group = parser.add_argument_group("whose faces they are")
    group.add_argument("--known", type=Path, metavar="DIR", help="pictures of the people you know")
    group.add_argument("--embedder", metavar="NAME|FILE", help="the model that compares faces")
    group.add_argument(
        "--threshold",
        type=cosine,
        metavar="T",
        help="the least cosine to a known face, -1..1 (default: the embedder's own score)",
    )


def run(args: argparse.Namespace) -> int:
    """Find the faces in the pictures that the command line names."""
    if args.known is None and (args.embedder or args.threshold is not None):
        raise UsageError("--embedder and --threshold need --known, a folder of people you know")
    return run_pictures(args, opened)


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Predict]:
    """Give the face detector as a function of a picture; it names faces where there are known."""
    with open_model(args, TASK) as detector:
        if args.known is None:
            yield detector
            return
        name = args.embedder or DEFAULTS["face_embedding"]
        with open_embedder(args, name) as embedder:
            known = read_known(args.known, detector, embedder)
            threshold = embedder.spec.score if args.threshold is None else args.threshold
            yield lambda image: identified(image, detector, embedder, known, threshold=threshold)


class Known(NamedTuple):
    """The faces of known people: float32 (M, D), rows of length 1, and the M names."""

    embeddings: FloatArray
    names: tuple[str, ...]


def identified(
    image: Image, detector: Model, embedder: Model, known: Known, *, threshold: float
) -> Faces:
    """Find the faces of a picture, and name those that are near enough to a known one."""
    start = perf_counter()
    found = find_faces(image, detector)
    named = found
    if len(found):
        embeddings = embed_faces(image, found, embedder)
        named = with_identity(found, embeddings, *known, threshold=threshold)
    return with_total_run(named, detector, [found], start)


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
        for frame in each(open_source(path), warn):
            face = None if frame is None else largest_face(frame.image, detector)
            if frame is None or face is None:
                warn(f"no face in {path}: it is left out of the known people")
                continue
            rows.append(embed_faces(frame.image, face, embedder)[0])
            people.append(name)
    if not rows:
        raise DataError(f"no faces in {folder}: NAME.jpg or NAME/ is wanted for each person")
    return Known(np.stack(rows), tuple(people))


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
            f"{DEFAULTS[TASK]}"
        )
    return faces


def largest_face(image: Image, detector: Model) -> Faces | None:
    """Return the largest face of a picture, alone; None where there is none."""
    faces = find_faces(image, detector)
    return faces[int(area(faces.boxes).argmax())] if len(faces) else None


def _portraits(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield names and pictures: of NAME.jpg, and of all that lie in NAME/."""
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        try:
            source = open_source(place)
        except ImageError:  # no pictures in it
            continue
        for path in getattr(source, "paths", ()):
            yield (path.stem if place == folder else place.name), path
