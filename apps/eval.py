"""Figures of merit of a model on labelled data: `edgecv eval detect`, `edgecv eval pose` ..."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import edgecv
from edgecv import datasets
from edgecv.cache import write_atomic
from edgecv.evaluation import (
    classification,
    detection,
    face_detection,
    plots,
    pose,
    verification,
)
from edgecv.evaluation.record import Evaluation, json_number
from edgecv.model import Model
from edgecv.progress import Report, bar
from edgecv.zoo import checksums

from .common import DEFAULTS, UsageError, open_model, open_second
from .options import add_run_options, add_spec_options, count

LISTED = 8  # classes that a line names before it says how many more there are


class Measure(NamedTuple):
    """One thing that can be measured.

    Attributes:
        task: The task of models that it is for.
        layout: What the data folder holds, a key of `edgecv.datasets.LAYOUTS`.
        help: What is measured, for people.
        configure: Adds the arguments of its own.
        read: Reads the data folder.
        evaluate: Runs the model on the data.
    """

    task: str
    layout: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    read: Callable[[Path], Any]
    evaluate: Callable[[Model, Any, argparse.Namespace, Report], Evaluation]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add a command for each measure, with its arguments."""
    commands = parser.add_subparsers(dest="measure", metavar="MEASURE", required=True)
    for name, measure in MEASURES.items():
        command = commands.add_parser(
            name,
            help=measure.help,
            description=f"Measure {measure.help}.",
            epilog=f"example: edgecv eval {name} --model MODEL --data DIR --json figures.json",
        )
        _add_data(command, measure)
        measure.configure(command)
        add_run_options(command)
        add_spec_options(command)


def run(args: argparse.Namespace) -> int:
    """Evaluate, print a table, write what was asked for; nothing is written before the end."""
    measure = MEASURES[args.measure]
    data = measure.read(args.data)
    if args.plot:
        plots.tools()  # what is missing is said before the work, not after it
    with open_model(args, measure.task) as model:
        start = time.perf_counter()
        with bar(model.spec.name) as report:
            evaluation = measure.evaluate(model, data, args, report)
        origin = provenance(model, time.perf_counter() - start)
    print_table(evaluation, origin, per_class=args.per_class)
    if isinstance(evaluation, verification.VerificationEvaluation) and args.plot:
        plots.roc_plot(evaluation, args.plot)
    if isinstance(evaluation, classification.ClassificationEvaluation) and args.plot:
        plots.confusion_plot(evaluation, args.plot)
    if args.json:
        values = {"measure": args.measure, **evaluation.to_dict(), **details(evaluation), **origin}
        write_atomic(args.json, json.dumps(values, indent=1) + "\n")
    return 0


def provenance(model: Model, seconds: float) -> dict[str, Any]:
    """Return what was measured, on what, by which version, in how many seconds.

    `sha256` is that of the file that was asked for, `rewritten_sha256` that of what was made of it
    for the device and ran in its place; empty where nothing was.
    """
    asked = model.original or model.path
    return {
        "model": model.spec.name,
        "sha256": checksums.compute(asked) if asked else "",
        "rewritten": model.original is not None,
        "rewritten_sha256": checksums.compute(model.path) if model.original and model.path else "",
        "runtime": model.runtime,
        "device": model.device,
        "fallback": model.fallback,
        "seconds": round(seconds, 3),
        "edgecv": edgecv.__version__,
    }


def details(evaluation: Evaluation) -> dict[str, Any]:
    """Return what an evaluation says beyond its figures, as JSON values."""
    values: dict[str, Any] = {"images": evaluation.images}
    if by_class := per_class_of(evaluation):
        values["per_class"] = {name: json_number(value) for name, value in by_class.items()}
    if isinstance(evaluation, detection.DetectionEvaluation):
        values["unknown_classes"] = list(evaluation.unknown)
    return values


def per_class_of(evaluation: Evaluation) -> Mapping[str, float]:
    """Return the main figure by class, where an evaluation has it."""
    if isinstance(
        evaluation,
        (detection.DetectionEvaluation, classification.ClassificationEvaluation),
    ):
        return evaluation.per_class
    return {}


def print_table(evaluation: Evaluation, origin: Mapping[str, Any], *, per_class: bool) -> None:
    """Print the figures, one a line, after what they are of."""
    print(
        f"{origin['model']} on {origin['runtime']} {origin['device']}: {evaluation.images} "
        f"pictures in {origin['seconds']:.1f} s"
    )
    rows = dict(evaluation.figures)
    if per_class:
        rows |= {f"  {name}": value for name, value in per_class_of(evaluation).items()}
    width = max(len(name) for name in rows)
    for name, value in rows.items():
        known = json_number(value)
        text = "-" if known is None else str(known) if isinstance(known, int) else f"{known:.4f}"
        print(f"{name:{width}}  {text:>7}")
    if unknown := details(evaluation).get("unknown_classes"):
        more = f" and {len(unknown) - LISTED} more" if len(unknown) > LISTED else ""
        print(
            f"classes that the model does not know, counted as 0 but in ..._known: "
            f"{', '.join(unknown[:LISTED])}{more}; --classes counts only those it names"
        )


def _add_data(command: argparse.ArgumentParser, measure: Measure) -> None:
    command.set_defaults(score=None, plot=None, per_class=False)
    command.add_argument(
        "--model", metavar="NAME|FILE",
        help=f"a name of `edgecv models`, or a file (default: {DEFAULTS[measure.task]})",
    )  # fmt: skip
    command.add_argument(
        "--data", required=True, type=Path, metavar="DIR", help=datasets.LAYOUTS[measure.layout]
    )
    things = "pairs" if measure.layout == "pairs.csv" else "pictures"
    command.add_argument(
        "--limit", type=count(things), metavar="N",
        help=f"use N {things}, spread evenly over the data",
    )  # fmt: skip
    command.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    command.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
    )


def _configure_detect(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--classes", nargs="+", default=[], metavar="NAME", help="count these classes only"
    )
    _add_per_class(command)


def _configure_pose(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--margin", type=_margin, default=0.0, metavar="PART",
        help="added round a person's box on each side, as a part of its longer side (default: 0)",
    )  # fmt: skip


def _configure_verify(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--detector", metavar="NAME|FILE",
        help="the face detector, one that gives five points (default: "
        f"{DEFAULTS['face_detection']})",
    )  # fmt: skip
    command.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the ROC curve")


def _configure_classify(command: argparse.ArgumentParser) -> None:
    command.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the confusion table")
    _add_per_class(command)


def _add_per_class(command: argparse.ArgumentParser) -> None:
    command.add_argument("--per-class", action="store_true", help="print every class too")


def _no_arguments(command: argparse.ArgumentParser) -> None:
    """Add nothing."""


def _detect(model: Model, data: Any, args: argparse.Namespace, report: Report) -> Evaluation:
    return detection.evaluate(model, data, classes=args.classes, limit=args.limit, report=report)


def _pose(model: Model, data: Any, args: argparse.Namespace, report: Report) -> Evaluation:
    return pose.evaluate(model, data, margin=args.margin, limit=args.limit, report=report)


def _face_detect(model: Model, data: Any, args: argparse.Namespace, report: Report) -> Evaluation:
    return face_detection.evaluate(model, data, limit=args.limit, report=report)


def _face_verify(model: Model, data: Any, args: argparse.Namespace, report: Report) -> Evaluation:
    with open_second(args, args.detector, "face_detection") as detector:
        try:
            return verification.evaluate(
                model, data, detector=detector, limit=args.limit, report=report
            )
        except ValueError as error:  # no five points, or a model that is not for aligned faces
            raise UsageError(str(error)) from error


def _classify(model: Model, data: Any, args: argparse.Namespace, report: Report) -> Evaluation:
    return classification.evaluate(model, data, limit=args.limit, report=report)


MEASURES: Mapping[str, Measure] = {
    "detect": Measure(
        "detection", "instances.json", "object detection by COCO's average precision",
        _configure_detect, datasets.read_objects, _detect,
    ),
    "pose": Measure(
        "pose", "person_keypoints.json", "poses by keypoint similarity and COCO's AP",
        _configure_pose, datasets.read_keypoints, _pose,
    ),
    "face-detect": Measure(
        "face_detection", "boxes.json", "face detection by average precision and recall",
        _no_arguments, datasets.read_boxes, _face_detect,
    ),
    "face-verify": Measure(
        "face_embedding", "pairs.csv", "face verification by accuracy and ROC",
        _configure_verify, datasets.read_pairs, _face_verify,
    ),
    "classify": Measure(
        "classification", "classes", "classification by top-1 and top-5 accuracy",
        _configure_classify, datasets.read_classes, _classify,
    ),
}  # fmt: skip


def _margin(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 10:
        raise argparse.ArgumentTypeError(f"the margin is a part of the box, 0 to 10, got {text}")
    return value
