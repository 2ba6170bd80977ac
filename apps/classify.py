"""`edgecv classify`: what pictures show."""

from __future__ import annotations

import argparse
from functools import partial

from .common import DEFAULTS, one_model, run_pictures
from .options import add_picture_options

TASK = "classification"
EPILOG = """\
examples:
  edgecv classify cat.jpg                           the likeliest of 1000 things
  edgecv classify photos/ --json classes.jsonl
  edgecv classify desk.jpg --model vww_mobilenet_v1_0.25_96_int8
  edgecv classify part.jpg --model mine.tflite --decoder classifier --labels parts.txt \\
      --mean 127.5 --std 127.5
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    add_picture_options(parser, DEFAULTS[TASK])


def run(args: argparse.Namespace) -> int:
    """Classify the pictures that the command line names."""
    return run_pictures(args, partial(one_model, task=TASK))
