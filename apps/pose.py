"""`edgecv pose`: people and their keypoints."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from edgecv.model import Model
from edgecv.people_poses import ManyPoses
from edgecv.pipeline import Call
from edgecv.posetrack import TORSO, PoseTracker
from edgecv.repetitions import RepetitionCounter

from .common import DEFAULTS, UsageError, controls_of, open_model, open_second
from .options import add_source_options, checked
from .run import Plan, run_sources, threshold
from .steps import Angles, Emit, Repetitions, Step

TASK = "pose"
PERSON = "person"
ONE_PERSON = ("blazepose", "movenet", "heatmap")
"""Decoders of models that see a single person."""
FILLING = "heatmap"
"""The decoder of models for a person who fills the picture: people are found for them first."""
EPILOG = """\
examples:
  edgecv pose crowd.jpg                             everybody: found, then looked at in turn
  edgecv pose crowd.jpg --detector yolox_nano_416   found by another model
  edgecv pose dancer.jpg --single                   one person, who fills the picture
  edgecv pose dancer.jpg --model movenet_lightning_int8
                                                    a model that finds the one person by itself
  edgecv pose crowd.jpg --model human-pose-estimation-0001_int8
                                                    a model that sees several people at once
  edgecv pose photos/ --out drawn/ --json poses.jsonl
  edgecv pose 0 --web                               the camera, on a page for any browser
  edgecv pose squats.mp4 --angles --count knee:100:150 --out counted.mp4
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    add_source_options(parser, DEFAULTS[TASK])
    group = parser.add_argument_group("people").add_mutually_exclusive_group()
    group.add_argument(
        "--detector",
        metavar="NAME|FILE",
        help="find people with this model, and run the pose model on each of them (with models of "
        "the decoder heatmap the usual detector does, unless --single is given)",
    )
    group.add_argument(
        "--single",
        action="store_true",
        help="one person, who is followed from frame to frame (the default for films and cameras, "
        "with models that see one person)",
    )
    parser.add_argument("--angles", action="store_true", help="measure the angles of joints")
    parser.add_argument(
        "--count",
        dest="counts",
        action="append",
        default=[],
        type=checked(count_of),
        metavar="JOINT:LOW:HIGH",
        help="count how often the surest person bends a joint below LOW and stretches it above "
        "HIGH degrees, as in knee:100:150 or left_elbow:60:140; may be given several times",
    )


def run(args: argparse.Namespace) -> int:
    """Find the keypoints of the people in what the command line names."""
    return run_sources(args, opened, plan)


def opened(args: argparse.Namespace) -> Call:
    """Open what makes poses of a picture: of everybody, of one who is followed, or of one."""
    model = open_model(args, TASK)
    try:
        if args.detector or (model.spec.decoder == FILLING and not args.single):
            return everybody(args, model)
        return PoseTracker(model) if follows(args, model) else model
    except BaseException:
        model.close()
        raise


def everybody(args: argparse.Namespace, model: Model) -> Call:
    """Open the detector, and return both as one.

    Raises:
        UsageError: It finds no people.
        EdgeCVError: It cannot be opened.
    """
    detector = open_second(args, args.detector, "detection")
    if PERSON in detector.spec.labels:
        return ManyPoses(detector, model, label=PERSON)
    detector.close()
    raise UsageError(f"{detector.spec.name} finds no class {PERSON!r}")


def follows(args: argparse.Namespace, model: Model) -> bool:
    """Say whether the person is followed from frame to frame.

    Raises:
        UsageError: It was asked for, and the model does not give the points for it.
    """
    lacking = [name for name in TORSO if name not in model.spec.keypoints]
    if args.single and lacking:
        raise UsageError(f"{model.spec.name} lacks what people are followed by: {lacking[0]}")
    one = model.spec.decoder in ONE_PERSON or args.single
    return bool(args.moving and one and not lacking)


def plan(args: argparse.Namespace, current: Callable[[], Call], emit: Emit) -> Plan:
    """Return what is done with poses: angles measured, repetitions counted."""
    controls = controls_of(args, TASK)
    steps: list[Step] = [*threshold(controls)]
    if args.angles:
        steps.append(Angles())
    if args.counts:
        counters = [RepetitionCounter(joint, low, high) for joint, low, high in args.counts]
        steps.append(Repetitions(counters, emit))
    return Plan(tuple(steps), controls)


def count_of(text: str) -> tuple[str, float, float]:
    """Read what is to be counted: "knee:100:150".

    Raises:
        ValueError: It is no joint with two angles.
    """
    joint, *bounds = text.split(":")
    try:
        low, high = (float(bound) for bound in bounds)
    except ValueError:
        raise ValueError(f"wanted JOINT:LOW:HIGH as in knee:100:150, got {text!r}") from None
    RepetitionCounter(joint, low, high)
    return joint, low, high
