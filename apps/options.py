"""The options that the commands for pictures share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecv.errors import unknown_name
from edgecv.labels import KEYPOINTS, LABELS
from edgecv.spec import COLORS, FITS, TASKS


def add_picture_options(
    parser: argparse.ArgumentParser, default: str, *, drawn: bool = True
) -> None:
    """Add what every command takes that turns pictures into results.

    Args:
        parser: The command's parser.
        default: The model that is used where none is named.
        drawn: Whether the results can be drawn.
    """
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="an image file, a folder of them, or a quoted pattern such as 'photos/**/*.jpg'",
    )
    add_model_options(parser, default)
    parser.add_argument(
        "--score", type=probability, metavar="S", help="leave out what scores below this, 0..1"
    )
    outputs = parser.add_argument_group("output (without: one readable line for each picture)")
    outputs.add_argument(
        "--json", metavar="FILE", help="write one JSON object a line to FILE; '-' is stdout"
    )
    if drawn:
        outputs.add_argument(
            "--out", type=Path, metavar="DIR", help="write the pictures, drawn on, to this folder"
        )
    else:
        parser.set_defaults(out=None)
    add_spec_options(parser)


def add_model_options(parser: argparse.ArgumentParser, default: str) -> None:
    """Add the choice of a model and of what runs it."""
    parser.add_argument(
        "--model",
        metavar="NAME|FILE",
        help=f"a name of `edgecv models` or a model file (default: {default})",
    )
    add_run_options(parser)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the choice of what runs a model."""
    parser.add_argument(
        "--device",
        default="auto",
        help="a device of `edgecv devices` (default: auto, the best that rounds as the CPU does)",
    )
    parser.add_argument("--runtime", help="the runtime that has to be used, such as tflite")
    parser.add_argument(
        "--threads", type=count("threads"), metavar="N", help="CPU threads (default: 4 at most)"
    )


def add_spec_options(parser: argparse.ArgumentParser) -> None:
    """Add what a model file of one's own may not say of itself."""
    group = parser.add_argument_group(
        "about a model file of your own", "what the file does not say, or says wrongly"
    )
    group.add_argument(
        "--task",
        choices=TASKS,
        metavar="TASK",
        help=f"{', '.join(TASKS)} (default: this command's)",
    )
    group.add_argument("--decoder", help="what the outputs mean, such as ssd or yolox")
    group.add_argument(
        "--labels",
        type=labels,
        metavar="FILE|SET",
        help=f"class names: a text file with one a line, or one of {', '.join(LABELS)}",
    )
    group.add_argument(
        "--mean", type=numbers, metavar="M", help="subtracted from bytes: 127.5, or 123,117,104"
    )
    group.add_argument("--std", type=numbers, metavar="S", help="what they are then divided by")
    group.add_argument("--color", choices=COLORS, help="the order of the channels")
    group.add_argument("--fit", choices=FITS, help="how a picture is made to fit the input")
    group.add_argument("--keypoints", choices=sorted(KEYPOINTS), help="the names of the keypoints")


def spec_changes(args: argparse.Namespace, task: str) -> dict[str, Any]:
    """Return what the command line says of the model, as the fields of a spec.

    The command's own task is said only together with a decoder, so that a file which knows its
    task is never taken for another.
    """
    changes = {name: getattr(args, name) for name in ("decoder", "labels", "keypoints")}
    changes["task"] = args.task or (task if args.decoder else None)
    changes["input"] = {
        name: getattr(args, name)
        for name in ("mean", "std", "color", "fit")
        if getattr(args, name) is not None
    }
    return {name: value for name, value in changes.items() if value}


def probability(text: str) -> float:
    """Read a number from 0 to 1."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a score lies in 0..1, got {text}")
    return value


def cosine(text: str) -> float:
    """Read a number from -1 to 1."""
    value = _number(text)
    if not -1 <= value <= 1:
        raise argparse.ArgumentTypeError(f"a cosine lies in -1..1, got {text}")
    return value


def count(what: str) -> Callable[[str], int]:
    """Return a reader of whole numbers from 1."""

    def read(text: str) -> int:
        value = int(text) if text.isdecimal() else 0
        if value < 1:
            raise argparse.ArgumentTypeError(f"{what} are a whole number from 1, got {text}")
        return value

    return read


def numbers(text: str) -> list[float]:
    """Read a number, or several with commas between them."""
    return [_number(part) for part in text.split(",")]


def labels(text: str) -> str | dict[str, str]:
    """Read the name of a set of labels, or of a file that has to be there."""
    if text in LABELS:
        return text
    file = Path(text).expanduser()
    if not file.is_file():
        hint = unknown_name("set of labels", text, LABELS)
        raise argparse.ArgumentTypeError(f"no such file: {text}; {hint}")
    return {"file": str(file.resolve())}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"wanted a number, got {text!r}") from None
