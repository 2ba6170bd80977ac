"""`edgecv face`: faces, and whose they are."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from edgecv.faces import identify
from edgecv.gallery import Gallery, default_path
from edgecv.model import Model
from edgecv.pipeline import Call
from edgecv.types import FloatArray

from . import people
from .common import DEFAULTS, UsageError, controls_of, open_model
from .faceid import FaceId, LivePeople, Who, open_embedder, read_known
from .options import add_source_options, cosine
from .outputs import has_page
from .people import Action
from .run import Plan, run_sources, threshold
from .steps import Emit

TASK = "face_detection"
EPILOG = """\
Faces are compared with the gallery of people you have enrolled: --gallery FILE, or else your own,
~/.local/share/edgecv/gallery.db (EDGECV_GALLERY), where there is one. Who is not near enough to
anybody is unknown. With --known, faces are compared with a folder that has a picture NAME.jpg or a
folder NAME/ of pictures for each person instead; the largest face of a picture counts.

actions (`edgecv face ACTION --help` explains one; a source of such a name needs a ./ before it):
{actions}

examples:
  edgecv face party.jpg --out drawn/                boxes and the five points drawn
  edgecv face enroll Ada ada1.jpg ada2.jpg          from now on Ada is known
  edgecv face identify party.jpg                    who is there
  edgecv face 0 --web                               live; enrol, rename and delete on the page
  edgecv face calibrate --far 1e-3                  a threshold for one false accept in a thousand
  edgecv face party.jpg --known people/             who is there, without a gallery
  edgecv face album/ --known people/ --embedder face-reidentification-retail-0095_int8 \\
      --threshold 0.5 --json -                      (default embedder: {embedder})
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    actions = "\n".join(f"  {name:10} {action.help}" for name, action in ACTIONS.items())
    parser.epilog = EPILOG.format(actions=actions, embedder=DEFAULTS["face_embedding"])
    add_source_options(parser, DEFAULTS[TASK])
    add_who_options(parser)
    parser.set_defaults(action=find, must_know=False)


def configure_identify(parser: argparse.ArgumentParser) -> None:
    """Add the options of `edgecv face identify`."""
    configure(parser)
    parser.epilog = "example: edgecv face identify party.jpg --json -"
    parser.set_defaults(must_know=True)


ACTIONS = {
    **people.ACTIONS,
    "identify": Action(configure_identify, "say whose faces they are, in pictures, films or live"),
}


def add_who_options(parser: argparse.ArgumentParser) -> None:
    """Add whom faces are compared with."""
    group = parser.add_argument_group("whose faces they are")
    known = group.add_mutually_exclusive_group()
    known.add_argument("--known", type=Path, metavar="DIR", help="pictures of the people you know")
    known.add_argument(
        "--gallery",
        type=Path,
        metavar="FILE",
        help="the people who are enrolled (default: the user's own, where there is one)",
    )
    group.add_argument("--embedder", metavar="NAME|FILE", help="the model that compares faces")
    group.add_argument(
        "--threshold",
        type=cosine,
        metavar="T",
        help="the least cosine to a known face, -1..1 (default: the gallery's calibrated one, else "
        "the embedder's own)",
    )
    group.add_argument(
        "--detector", dest="model", metavar="NAME|FILE", help="another name of --model"
    )


def run(args: argparse.Namespace) -> int:
    """Find faces, or do what the action says."""
    action: Callable[[argparse.Namespace], int] = args.action
    return action(args)


def find(args: argparse.Namespace) -> int:
    """Find the faces in what the command line names, and say whose they are."""
    if args.known is None and args.gallery is None:
        args.gallery = gallery_to_use(args)
    alone = args.known is None and args.gallery is None
    if alone and (args.embedder or args.threshold is not None):
        raise UsageError(
            "--embedder and --threshold need --known, a folder of people you know, or --gallery"
        )
    return run_sources(args, opened, plan)


def gallery_to_use(args: argparse.Namespace) -> Path | None:
    """Return the user's own gallery, where it is wanted or there: on a page one can be begun."""
    path = default_path()
    return path if args.must_know or path.exists() or has_page(args) else None


def opened(args: argparse.Namespace) -> Call:
    """Open the face detector; with what names faces, where somebody is known."""
    detector = open_model(args, TASK)
    try:
        if args.known is None and args.gallery is None:
            return detector
        embedder = open_embedder(args, people.embedder_name(args.embedder, args.gallery))
        try:
            who, gallery = known_people(args, detector, embedder)
            return FaceId(detector, embedder, who, gallery)
        except BaseException:
            embedder.close()
            raise
    except BaseException:
        detector.close()
        raise


def known_people(
    args: argparse.Namespace, detector: Model, embedder: Model
) -> tuple[Who, Gallery | None]:
    """Return what tells whose faces they are, and the gallery that it is from.

    Raises:
        GalleryError: The gallery is not there, damaged, or of another model.
        DataError: The folder of people is not there, or has no faces.
    """
    if args.known is not None:
        known = read_known(args.known, detector, embedder)
        least = embedder.spec.score if args.threshold is None else args.threshold

        def named(faces: FloatArray) -> tuple[tuple[str | None, ...], FloatArray]:
            return identify(faces, *known, threshold=least)

        return named, None
    gallery = people.open_people(args.gallery, embedder, begin=has_page(args))
    return people.who_in(gallery, embedder, args.threshold), gallery


def plan(args: argparse.Namespace, current: Callable[[], Call], emit: Emit) -> Plan:
    """Return what is done with faces: a page may change the people who are known."""
    known = args.gallery is not None
    controls = controls_of(args, TASK, LivePeople(current) if known else None)
    return Plan(threshold(controls), controls)
