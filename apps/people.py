"""The gallery of known people on the command line: `edgecv face enroll`, `list`, `delete` ..."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from edgecv import calibration, zoo
from edgecv.datasets import read_pairs
from edgecv.errors import EnrolmentError, GalleryError, ImageError
from edgecv.evaluation import plots, verification
from edgecv.faces import embed_faces
from edgecv.gallery import Gallery, default_path, open_gallery
from edgecv.gallery.transfer import read_head
from edgecv.image import read_image
from edgecv.model import Model
from edgecv.progress import bar
from edgecv.sources import open_source
from edgecv.types import Array, FloatArray

from .common import DEFAULTS, UsageError, open_second, warn
from .faceid import FaceId, Who, largest_face, open_embedder
from .options import add_run_options
from .table import columns


class Action(NamedTuple):
    """One action of `edgecv face`.

    Attributes:
        configure: Adds its arguments, and itself as their default `action`.
        help: What it does, for people.
    """

    configure: Callable[[argparse.ArgumentParser], None]
    help: str


def embedder_name(given: str | None, gallery: Path | None) -> str:
    """Return the embedder to use: the one given, the gallery's own, or the usual one."""
    if given is None and gallery is not None and gallery.expanduser().exists():
        with Gallery(gallery) as opened:
            if opened.model_id.name in zoo.names():
                return opened.model_id.name
    return given or DEFAULTS["face_embedding"]


def open_people(path: Path, embedder: Model, *, begin: bool) -> Gallery:
    """Open a gallery for an embedder.

    Args:
        path: The file.
        embedder: The model that its embeddings have to be from.
        begin: Whether it is made where there is none.

    Raises:
        GalleryError: It is not there, damaged, or of another model.
    """
    if not begin and not path.expanduser().exists():
        raise GalleryError(f"there is no gallery {path}: begin one with `edgecv face enroll`")
    return open_gallery(path, embedder)


def who_in(gallery: Gallery, embedder: Model, threshold: float | None) -> Who:
    """Return what tells whose faces they are: by the threshold given, calibrated, or usual."""

    def who(faces: FloatArray) -> tuple[tuple[str | None, ...], FloatArray]:
        return gallery.identify(faces, least(gallery, embedder, threshold))

    return who


def least(gallery: Gallery | None, embedder: Model, given: float | None = None) -> float:
    """Return the cosine from which on two faces are the same person's."""
    calibrated = None if gallery is None else gallery.threshold
    chosen = given if given is not None else calibrated
    return embedder.spec.score if chosen is None else chosen


# -- who is there ----------------------------------------------------------------------------------


def configure_list(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `list`."""
    add_gallery_option(parser)
    parser.add_argument("--json", action="store_true", help="write a JSON array of objects")
    parser.set_defaults(action=list_people)


def list_people(args: argparse.Namespace) -> int:
    """Print a table of everybody."""
    with Gallery(gallery_of(args)) as gallery:
        people = gallery.names()
    if args.json:
        print(json.dumps([person._asdict() for person in people], indent=1, ensure_ascii=False))
        return 0
    rows = [(person.name, str(person.embeddings), person.created) for person in people]
    print(columns([("name", "faces", "since"), *rows], right=[1]))
    return 0


def configure_rename(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `rename`."""
    add_gallery_option(parser)
    parser.add_argument("old", metavar="OLD")
    parser.add_argument("new", metavar="NEW")
    parser.set_defaults(action=rename)


def rename(args: argparse.Namespace) -> int:
    """Give somebody another name."""
    with usable_names(), Gallery(gallery_of(args)) as gallery:
        gallery.rename(args.old, args.new)
    print(f"{args.old} is now {args.new}")
    return 0


def configure_delete(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `delete`."""
    add_gallery_option(parser)
    parser.add_argument("name", metavar="NAME")
    parser.set_defaults(action=delete)


def delete(args: argparse.Namespace) -> int:
    """Forget somebody."""
    with usable_names(), Gallery(gallery_of(args)) as gallery:
        gallery.delete(args.name)
    print(f"{args.name} is forgotten")
    return 0


# -- who looks like whom ---------------------------------------------------------------------------


def configure_enroll(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `enroll`."""
    parser.epilog = "example: edgecv face enroll Ada ada1.jpg ada2.jpg"
    add_model_pair_options(parser)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="a picture with one face, or a folder of them"
    )
    parser.set_defaults(action=enroll)


def enroll(args: argparse.Namespace) -> int:
    """Add the faces of pictures to a person; say why where a face is not fit for it."""
    sources = [open_source(uri) for uri in args.images]
    if not all(hasattr(source, "paths") for source in sources):
        raise UsageError("people are enrolled from pictures; live, from the page of --web")
    paths = [path for source in sources for path in getattr(source, "paths", ())]
    with usable_names(), closing(open_face_id(args)) as face_id:
        outcomes = Counter(enrolled(face_id, args.name, path) for path in paths)
    known = f", {outcomes['known']} known before" if outcomes["known"] else ""
    print(f"{args.name}: {outcomes['new']} enrolled{known}", flush=True)
    return 1 if outcomes["refused"] else 0


def enrolled(face_id: FaceId, name: str, path: Path) -> str:
    """Add the face of one picture; return "new", "known" or, where it says why, "refused"."""
    try:
        new = face_id.enroll(name, read_image(path), source=path.name)
    except ImageError as error:  # says which picture
        warn(str(error))
        return "refused"
    except EnrolmentError as error:
        warn(f"{path}: {error}")
        return "refused"
    return "new" if new else "known"


def configure_verify(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `verify`."""
    parser.epilog = "example: edgecv face verify passport.jpg visitor.jpg"
    add_model_pair_options(parser)
    parser.add_argument("images", nargs=2, metavar="IMAGE")
    parser.add_argument("--json", action="store_true", help="write a JSON object")
    parser.set_defaults(action=verify)


def verify(args: argparse.Namespace) -> int:
    """Say whether the largest faces of two pictures are the same person's."""
    with open_pair(args) as (detector, embedder):
        rows = [embedding_of(Path(path), detector, embedder) for path in args.images]
        path = gallery_of(args)
        threshold = least(None, embedder)
        if args.gallery is not None or path.exists():
            with open_people(path, embedder, begin=False) as gallery:
                threshold = least(gallery, embedder)
    similarity = float(rows[0] @ rows[1])
    same = similarity >= threshold
    if args.json:
        values = {"same": same, "similarity": round(similarity, 4), "threshold": threshold}
        print(json.dumps(values))
    else:
        verdict = "the same person" if same else "different people"
        print(f"{verdict}: similarity {similarity:.3f}, threshold {threshold:.3f}")
    return 0


def embedding_of(path: Path, detector: Model, embedder: Model) -> FloatArray:
    """Return what the largest face of a picture looks like, float32 (D,).

    Raises:
        ImageError: It cannot be read, or shows no face.
    """
    image = read_image(path)
    face = largest_face(image, detector)
    if face is None:
        raise ImageError(f"{path}: no face found")
    row: FloatArray = embed_faces(image, face, embedder)[0]
    return row


def configure_calibrate(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `calibrate`."""
    parser.epilog = "example: edgecv face calibrate --far 1e-3 --plot roc.png"
    add_model_pair_options(parser)
    parser.add_argument(
        "--far", type=rate, default=1e-3, metavar="RATE", help="how often different people may be "
        "taken for the same (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--pairs",
        type=Path,
        metavar="FILE",
        help="pairs.csv of img1,img2,same beside a folder images/ (default: the gallery itself)",
    )
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw the ROC curve")
    parser.set_defaults(action=calibrate)


def calibrate(args: argparse.Namespace) -> int:
    """Set the gallery's threshold for a wanted rate of false accepts."""
    if args.plot is not None:
        plots.tools()  # what is missing is said before the work
    path = gallery_of(args)
    if args.pairs is None:
        with Gallery(path) as gallery:
            genuine, impostor, _ = gallery.scores()
    else:
        genuine, impostor = pair_scores(args)
    found = calibration.calibrate(genuine, impostor, far=args.far)
    with Gallery(path) as gallery:
        gallery.set_threshold(found.threshold, calibration=found.to_dict())
        print(found.statement(people=len(gallery)))
    if args.plot is not None:
        calibration.plot(genuine, impostor, args.plot)
    return 0


def pair_scores(args: argparse.Namespace) -> tuple[Array, Array]:
    """Return the cosines of the same and of different people in a list of pairs."""
    if args.pairs.name != "pairs.csv":
        raise UsageError(f"--pairs wants a file pairs.csv beside images/, got {args.pairs}")
    pairs = read_pairs(args.pairs.parent)
    with open_pair(args) as (detector, embedder), bar(embedder.spec.name) as report:
        open_people(gallery_of(args), embedder, begin=False).close()  # it has to be of this model
        measured = verification.evaluate(embedder, pairs, detector=detector, report=report)
    return measured.similarity[measured.same], measured.similarity[~measured.same]


# -- from machine to machine -----------------------------------------------------------------------


def configure_export(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `export`."""
    add_gallery_option(parser)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.set_defaults(action=export)


def export(args: argparse.Namespace) -> int:
    """Write the whole gallery to a text file."""
    with Gallery(gallery_of(args)) as gallery:
        gallery.export(args.file)
        print(f"{len(gallery)} people are in {args.file}, which anybody who gets it can use")
    return 0


def configure_import(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `import`."""
    add_gallery_option(parser)
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.set_defaults(action=import_)


def import_(args: argparse.Namespace) -> int:
    """Add everybody of an exported file to the gallery, which is made where there is none."""
    try:
        with args.file.open(encoding="utf-8") as file:
            head = read_head(args.file, file)
    except OSError as error:
        raise GalleryError(f"cannot read {args.file}: {error.strerror or error}") from error
    path = gallery_of(args)
    with Gallery(path, model_id=head.model_id, dimension=head.dimension) as gallery:
        added = gallery.import_(args.file)
    print(f"{added.people} new people, {added.embeddings} new faces, {added.known} known before")
    return 0


# -- what the actions share ------------------------------------------------------------------------


def add_gallery_option(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a gallery."""
    parser.add_argument(
        "--gallery", type=Path, metavar="FILE", help="the people (default: the user's own)"
    )


def add_model_pair_options(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a gallery, of the models and of what runs them."""
    add_gallery_option(parser)
    parser.add_argument(
        "--detector",
        metavar="NAME|FILE",
        help=f"the model that finds faces (default: {DEFAULTS['face_detection']})",
    )
    parser.add_argument(
        "--embedder",
        metavar="NAME|FILE",
        help=f"the model that compares faces (default: the gallery's own, or "
        f"{DEFAULTS['face_embedding']})",
    )
    add_run_options(parser)


def gallery_of(args: argparse.Namespace) -> Path:
    """Return the gallery that the command line names, or the user's own."""
    return args.gallery if args.gallery is not None else default_path()


@contextmanager
def open_pair(args: argparse.Namespace) -> Iterator[tuple[Model, Model]]:
    """Give the detector and the embedder."""
    with (
        open_second(args, args.detector, "face_detection") as detector,
        open_embedder(args, embedder_name(args.embedder, gallery_of(args))) as embedder,
    ):
        yield detector, embedder


def open_face_id(args: argparse.Namespace) -> FaceId:
    """Open the detector, the embedder and the gallery, which may be begun, as one."""
    detector = open_second(args, args.detector, "face_detection")
    embedder = open_embedder(args, embedder_name(args.embedder, gallery_of(args)))
    gallery = open_people(gallery_of(args), embedder, begin=True)
    return FaceId(detector, embedder, who_in(gallery, embedder, None), gallery)


@contextmanager
def usable_names() -> Iterator[None]:
    """Turn the refusal of a name into one of the command line.

    Raises:
        UsageError: The name cannot be used.
    """
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from error


def rate(text: str) -> float:
    """Read a rate between 0 and 1."""
    try:
        calibration.comparisons_needed(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return float(text)


ACTIONS = {
    "enroll": Action(configure_enroll, "add the faces of pictures to a person"),
    "list": Action(configure_list, "list everybody who is enrolled"),
    "rename": Action(configure_rename, "give somebody another name"),
    "delete": Action(configure_delete, "forget somebody, without a trace"),
    "verify": Action(configure_verify, "say whether two pictures show the same person"),
    "calibrate": Action(configure_calibrate, "set the threshold for a rate of false accepts"),
    "export": Action(configure_export, "write the gallery to a text file"),
    "import": Action(configure_import, "add everybody of an exported file"),
}
