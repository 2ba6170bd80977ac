"""The options that the commands share."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgecv.errors import unknown_name
from edgecv.labels import KEYPOINTS, LABELS
from edgecv.spec import COLORS, FITS, TASKS


def add_source_options(
    parser: argparse.ArgumentParser, default: str, *, drawn: bool = True
) -> None:
    """Add what every command takes that turns pictures, videos or cameras into results.

    Args:
        parser: The command's parser.
        default: The model that is used where none is named.
        drawn: Whether the results can be drawn.
    """
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="an image, a video, a folder or a quoted pattern such as 'photos/**/*.jpg'; a camera "
        "(0, csi:0, picamera2:0), rtsp://..., http://..., screen or test:pattern; with options "
        "behind a ?, as in 'clip.mp4?realtime=1' or '0?width=1280'",
    )
    add_model_options(parser, default, several=True)
    parser.add_argument(
        "--score", type=probability, metavar="S", help="leave out what scores below this, 0..1"
    )
    parser.add_argument(
        "--max-frames", type=count("frames"), default=0, metavar="N", help="stop after N results"
    )
    add_output_options(parser, drawn=drawn)
    add_spec_options(parser)


def add_output_options(parser: argparse.ArgumentParser, *, drawn: bool) -> None:
    """Add where results go."""
    group = parser.add_argument_group("output (without: one readable line for each picture)")
    group.add_argument(
        "--json", metavar="FILE", help="write one JSON object a line to FILE; '-' is stdout"
    )
    group.add_argument(
        "--stats", type=Path, metavar="FILE", help="write the run's figures as JSON at its end"
    )
    parser.set_defaults(out=[], show=False, web=None, snapshot=None)
    if not drawn:
        return
    group.add_argument(
        "--out",
        action="append",
        metavar="X",
        help="write to a folder (pictures, drawn on), a video file (.mp4 .avi .mkv .mov), "
        "jsonl:FILE, web://HOST:PORT or mqtt://HOST/TOPIC; may be given several times",
    )
    group.add_argument("--show", action="store_true", help="show a window; q ends the run")
    group.add_argument(
        "--web",
        nargs="?",
        type=web_address,
        const="web://127.0.0.1:8080",
        metavar="HOST:PORT",
        help="serve a page with the live picture (default: 127.0.0.1:8080)",
    )


def add_model_options(
    parser: argparse.ArgumentParser, default: str, *, several: bool = False
) -> None:
    """Add the choice of a model and of what runs it.

    Args:
        parser: The command's parser.
        default: The model that is used where none is named.
        several: Whether several devices may be named.
    """
    parser.add_argument(
        "--model",
        metavar="NAME|FILE",
        help=f"a name of `edgecv models` or a model file (default: {default})",
    )
    add_run_options(parser, several=several)


def add_run_options(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Add the choice of what runs a model, with the next device when the first is lost."""
    more = "; coral,cpu goes on with the second when the first is lost" if several else ""
    parser.add_argument(
        "--device",
        default="auto",
        help="a device of `edgecv devices` (default: auto, the best that rounds as the CPU does)"
        + more,
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


def web_address(text: str) -> str:
    """Read HOST:PORT as the URI of a page."""
    if not re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]*):[0-9]+", text):
        raise argparse.ArgumentTypeError(
            f"wanted HOST:PORT, got {text!r}; without an address, --web comes behind the sources"
        )
    return f"web://{text}"


def names(text: str) -> tuple[str, ...]:
    """Read names with commas between them."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"wanted names with commas between them, got {text!r}")
    return found


def seconds(text: str) -> float:
    """Read a time: 20, 20s, 10m or 1h; in seconds."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)([smh]?)", text.strip())
    if not found or not float(found[1]):
        raise argparse.ArgumentTypeError(f"wanted a time such as 20, 90s, 10m or 1h, got {text!r}")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def checked(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the same reader, whose ValueError is shown to people."""

    def reader(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return reader


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
