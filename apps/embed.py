"""`edgecv embed`: faces as vectors, and how alike two of them are."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter

from edgecv.errors import ImageError
from edgecv.faces import embed_faces
from edgecv.model import Model
from edgecv.results import Embedding
from edgecv.types import Image

from .common import (
    DEFAULTS,
    Predict,
    open_model,
    open_second,
    run_pictures,
    with_total_run,
)
from .face import check_embedder, largest_face
from .options import add_picture_options

TASK = "face_embedding"
EPILOG = """\
The largest face of each picture is found, turned upright by its five points, and embedded. The more
alike two faces are the nearer to 1 is the cosine of their vectors.

examples:
  edgecv embed anna.jpg                             one line
  edgecv embed anna.jpg who.jpg                     also how alike they are
  edgecv embed people/ --json vectors.jsonl         the vectors themselves
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    add_picture_options(parser, DEFAULTS[TASK], drawn=False)
    parser.add_argument(
        "--detector",
        default=DEFAULTS["face_detection"],
        metavar="NAME|FILE",
        help="the model that finds the faces (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Embed the faces in the pictures that the command line names."""
    made: list[Embedding] = []
    code = run_pictures(args, partial(opened, made=made))
    if len(made) == 2 and args.json != "-":
        print(f"similarity {made[0].similarity(made[1]):.3f}")
    return code


@contextmanager
def opened(args: argparse.Namespace, made: list[Embedding]) -> Iterator[Predict]:
    """Give what embeds a picture's largest face; `made` collects all that it makes."""
    with open_model(args, TASK) as embedder:
        check_embedder(embedder)
        with open_second(args, args.detector, "face_detection") as detector:

            def embed(image: Image) -> Embedding:
                made.append(main_embedding(image, detector, embedder))
                return made[-1]

            yield embed


def main_embedding(image: Image, detector: Model, embedder: Model) -> Embedding:
    """Embed the largest face of a picture.

    Args:
        image: uint8 (H, W, 3), BGR.
        detector: Finds faces and their five points.
        embedder: Embeds aligned faces.

    Raises:
        ImageError: There is no face.
    """
    start = perf_counter()
    face = largest_face(image, detector)
    if face is None:
        raise ImageError("no face found")
    vector = embed_faces(image, face, embedder)[0]
    return with_total_run(Embedding(frame=face.frame, vector=vector), embedder, [face], start)
