"""`edgecv detect`: objects in pictures."""

from __future__ import annotations

import argparse
from functools import partial

from .common import DEFAULTS, one_model, run_pictures
from .options import add_picture_options

TASK = "detection"
EPILOG = """\
examples:
  edgecv detect street.jpg                          one line that says what is there
  edgecv detect photos/ --out drawn/                boxes drawn on every picture of a folder
  edgecv detect 'photos/**' --json - | jq .         JSON lines, also of the subfolders
  edgecv detect street.jpg --model yolox_nano_416 --score 0.5
  edgecv detect street.jpg --model mine.tflite --decoder ssd_postprocess --labels mine.txt
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    add_picture_options(parser, DEFAULTS[TASK])


def run(args: argparse.Namespace) -> int:
    """Find objects in the pictures that the command line names."""
    return run_pictures(args, partial(one_model, task=TASK))
