"""`edgecv segment`: what every pixel of a picture belongs to."""

from __future__ import annotations

import argparse
from functools import partial

from .common import DEFAULTS, open_model
from .options import add_source_options
from .run import run_sources

TASK = "segmentation"
EPILOG = """\
examples:
  edgecv segment room.jpg                           how much of the picture is what
  edgecv segment photos/ --out drawn/               every class in its own colour
  edgecv segment room.jpg --json -
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    add_source_options(parser, DEFAULTS[TASK])


def run(args: argparse.Namespace) -> int:
    """Segment the pictures that the command line names."""
    return run_sources(args, partial(open_model, task=TASK))
