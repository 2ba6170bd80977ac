"""`edgecv pose`: people and their keypoints."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any, cast

import numpy as np

from edgecv.model import Model
from edgecv.regions import person_region
from edgecv.results import Detections, Poses
from edgecv.types import Image, Size

from .common import (
    DEFAULTS,
    Predict,
    UsageError,
    open_model,
    open_second,
    run_pictures,
    with_total_run,
)
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
            yield lambda image: everybody(image, model, detector)


def everybody(image: Image, model: Model, detector: Model) -> Poses:
    """Find people, and the keypoints of each.

    Args:
        image: uint8 (H, W, 3), BGR.
        model: A pose model, which looks at one person after the other.
        detector: A detection model with a class "person".
    """
    start = perf_counter()
    found = cast("Detections", detector(image))
    boxes = found.boxes[[name == PERSON for name in found.names]]
    each = [cast("Poses", model(image, person_region(box, found.frame))) for box in boxes]
    return with_total_run(merged(each, model, found.frame), model, [found, *each], start)


def merged(each: list[Poses], model: Model, frame: Size) -> Poses:
    """Return the people of several results as one, by falling score."""
    if not each:
        points = len(model.spec.keypoints)
        return Poses(
            frame=frame,
            scores=np.zeros(0, np.float32),
            boxes=np.zeros((0, 4), np.float32),
            keypoints=np.zeros((0, points, 2), np.float32),
            keypoint_scores=np.zeros((0, points), np.float32),
            names=model.spec.keypoints,
            skeleton=model.spec.skeleton,
        )
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(poses, name) for poses in each])
        for name in ("scores", "boxes", "keypoints", "keypoint_scores")
    }
    whole = replace(each[0], **arrays)
    return whole[np.argsort(-whole.scores, kind="stable")]
