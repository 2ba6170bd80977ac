"""`edgecv pose`: people and their keypoints."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from edgecv.people_poses import ManyPoses

from .common import DEFAULTS, Predict, UsageError, open_model, open_second, run_pictures
from .options import add_picture_options

TASK = "pose"
PERSON = "person"
EPILOG = """\
examples:
  edgecv pose dancer.jpg                            one person, who fills most of the picture
  edgecv pose crowd.jpg --detector ssd_mobilenet_v1_coco_int8
                                                    everybody: found, then looked at in turn
  edgecv pose crowd.jpg --model human-pose-estimation-0001_int8
                                                    a model that sees several people at once
  edgecv pose photos/ --out drawn/ --json poses.jsonl
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    add_picture_options(parser, DEFAULTS[TASK])
    parser.add_argument(
        "--detector",
        metavar="NAME|FILE",
        help="find people with this model, and run the pose model on each of them",
    )


def run(args: argparse.Namespace) -> int:
    """Find the keypoints of the people in the pictures that the command line names."""
    return run_pictures(args, opened)


@contextmanager
def opened(args: argparse.Namespace) -> Iterator[Predict]:
    """Give the pose model as a function of a picture, for everybody where there is a detector."""
    with open_model(args, TASK) as model:
        if not args.detector:
            yield model
            return
        with open_second(args, args.detector, "detection") as detector:
            if PERSON not in detector.spec.labels:
                raise UsageError(f"{detector.spec.name} finds no class {PERSON!r}")
            yield ManyPoses(detector, model)
