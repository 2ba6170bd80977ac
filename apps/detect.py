"""`edgecv detect`: objects in pictures, films and before cameras."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from edgecv.model import Model
from edgecv.pipeline import Call
from edgecv.tracking import Tracker
from edgecv.zones import parse_line, parse_zone

from .common import DEFAULTS, LOWEST_SCORE, UsageError, controls_of, open_model
from .options import add_source_options, checked, names
from .run import Plan, run_sources, threshold
from .steps import Emit, Only, Step, Track, Zones

TASK = "detection"
HIGH_SCORE = 0.5
"""What is at least as sure as this starts a track, where no score is given."""
EPILOG = """\
The model that ships with edgecv finds people, and vehicles and animals, though fewer of those than
ssd_mobilenet_v1_coco_int8, which knows 80 kinds of objects. yolox_nano_416 finds more of them still
(edgecv models); both are fetched once.

examples:
  edgecv detect street.jpg                          one line that says who and what is there
  edgecv detect street.jpg --model ssd_mobilenet_v1_coco_int8      ... of 80 kinds of objects
  edgecv detect photos/ --out drawn/                boxes drawn on every picture of a folder
  edgecv detect 'photos/**' --json - | jq .         JSON lines, also of the subfolders
  edgecv detect 0 --web                             the camera, on a page for any browser
  edgecv detect street.mp4 --model yolox_nano_416 --only person,car --track --out drawn.mp4
  edgecv detect rtsp://user:pass@host/1 --zone 'door:0.4,0.2;0.6,0.2;0.6,0.9;0.4,0.9' \\
      --snapshot seen/ --json -                     who comes in, with a picture of it
  edgecv detect 0 --device coral,cpu --show         goes on when the Coral is pulled out
  edgecv detect street.jpg --model mine.tflite --decoder ssd_postprocess --labels mine.txt
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    add_source_options(parser, DEFAULTS[TASK])
    group = parser.add_argument_group("what is done with objects")
    group.add_argument(
        "--only", type=names, metavar="CLASS,...", help="leave out all other classes"
    )
    group.add_argument("--track", action="store_true", help="give each thing an id that it keeps")
    group.add_argument(
        "--zone",
        dest="zones",
        action="append",
        default=[],
        type=checked(parse_zone),
        metavar="NAME:X,Y;X,Y;X,Y",
        help="count who enters and leaves a polygon (parts of the picture, 0..1, or pixels); "
        "tracks; may be given several times",
    )
    group.add_argument(
        "--line",
        dest="zones",
        action="append",
        type=checked(parse_line),
        metavar="NAME:X,Y;X,Y",
        help="count who crosses a line, and which way; tracks; may be given several times",
    )
    group.add_argument(
        "--snapshot",
        type=Path,
        metavar="DIR",
        help="write the picture, drawn on, of each event of a zone or line to this folder",
    )


def run(args: argparse.Namespace) -> int:
    """Find objects in what the command line names."""
    if args.snapshot is not None and not args.zones:
        raise UsageError("--snapshot needs --zone or --line: it writes a picture of their events")
    args.track = args.track or bool(args.zones)
    return run_sources(args, partial(open_model, task=TASK), plan)


def plan(args: argparse.Namespace, current: Callable[[], Call], emit: Emit) -> Plan:
    """Return what is done with objects: left out, tracked, counted."""
    controls = controls_of(args, TASK)
    steps: list[Step] = []
    if args.only:
        steps.append(Only(args.only, cast("Model", current()).spec.labels))
    if args.track:
        high = HIGH_SCORE if args.score is None else args.score
        steps.append(Track(Tracker(high=high, low=min(high, LOWEST_SCORE))))
    steps += threshold(controls)
    if args.zones:
        steps.append(Zones(args.zones, emit))
    return Plan(tuple(steps), controls)
