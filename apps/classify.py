"""`edgecv classify`: what pictures show."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

from edgecv.pipeline import Call

from .common import DEFAULTS, controls_of, open_model
from .options import add_source_options
from .run import Plan, run_sources, threshold
from .steps import Emit

TASK = "classification"
EPILOG = """\
Where no model is named, one of ImageNet's 1000 classes is fetched once. edgecv-classify ships with
edgecv and needs no network: it knows 28 kinds of people, vehicles, animals and things of the house,
and says "other" of the rest.

examples:
  edgecv classify cat.jpg                           the likeliest of 1000 things
  edgecv classify cat.jpg --model edgecv-classify   without a network
  edgecv classify photos/ --json classes.jsonl
  edgecv classify desk.jpg --model vww_mobilenet_v1_0.25_96_int8
  edgecv classify 0 --web                           the camera, on a page
  edgecv classify part.jpg --model mine.tflite --decoder classifier --labels parts.txt \\
      --mean 127.5 --std 127.5
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    add_source_options(parser, DEFAULTS[TASK])


def run(args: argparse.Namespace) -> int:
    """Classify the pictures that the command line names."""
    return run_sources(args, partial(open_model, task=TASK), plan)


def plan(args: argparse.Namespace, current: Callable[[], Call], emit: Emit) -> Plan:
    """Return what is done with classes: those are left out that are not sure enough."""
    controls = controls_of(args, TASK)
    return Plan(threshold(controls), controls)
