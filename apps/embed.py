"""`edgecv embed`: faces as vectors, and how alike two of them are."""

from __future__ import annotations

import argparse
from functools import partial
from time import perf_counter

from edgecv.errors import ImageError
from edgecv.faces import embed_faces
from edgecv.model import Model
from edgecv.pipeline import Call
from edgecv.results import Embedding
from edgecv.types import Image

from .common import DEFAULTS, open_model, open_second, with_total_run
from .faceid import check_embedder, largest_face
from .options import add_source_options
from .run import run_sources

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
    add_source_options(parser, DEFAULTS[TASK], drawn=False)
    parser.add_argument(
        "--detector",
        metavar="NAME|FILE",
        help=f"the model that finds the faces (default: {DEFAULTS['face_detection']})",
    )


def run(args: argparse.Namespace) -> int:
    """Embed the faces in the pictures that the command line names."""
    made: list[Embedding] = []
    code = run_sources(args, partial(opened, made=made))
    if len(made) == 2 and args.json != "-":
        print(f"similarity {made[0].similarity(made[1]):.3f}")
    return code


def opened(args: argparse.Namespace, made: list[Embedding]) -> Call:
    """Open what embeds a picture's largest face; `made` collects all that it makes."""
    embedder = open_model(args, TASK)
    try:
        check_embedder(embedder)
        return MainFace(open_second(args, args.detector, "face_detection"), embedder, made)
    except BaseException:
        embedder.close()
        raise


class MainFace:
    """What embeds the largest face of a picture, used like one model.

    Args:
        detector: Finds faces and their five points.
        embedder: Embeds aligned faces.
        made: Is given all that it makes.
    """

    def __init__(self, detector: Model, embedder: Model, made: list[Embedding]) -> None:
        self._detector, self._embedder, self._made = detector, embedder, made

    def __call__(self, image: Image) -> Embedding:
        """Embed the largest face of a picture, uint8 (H, W, 3) BGR.

        Raises:
            ImageError: There is no face.
        """
        start = perf_counter()
        face = largest_face(image, self._detector)
        if face is None:
            raise ImageError("no face found")
        vector = embed_faces(image, face, self._embedder)[0]
        embedding = Embedding(frame=face.frame, vector=vector)
        self._made.append(with_total_run(embedding, self._embedder, [face], start))
        return self._made[-1]

    def close(self) -> None:
        """Give the devices back."""
        self._detector.close()
        self._embedder.close()
