"""The `edgecv` command: it knows what there is, and imports only what is asked for."""

from __future__ import annotations

import argparse
import io
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import FrameType, ModuleType
from typing import Any, NamedTuple

import edgecv
from edgecv.errors import EdgeCVError, UnknownNameError, unknown_name

from .messages import LogToPeople, UsageError


class Command(NamedTuple):
    """One command: a module that exports `configure(parser)` and `run(args) -> int`."""

    module: str
    help: str


COMMANDS = {
    "detect": Command("edgecv.apps.detect", "find objects in pictures, films and before cameras"),
    "pose": Command("edgecv.apps.pose", "find people and their keypoints"),
    "face": Command("edgecv.apps.face", "find faces, and say whose they are"),
    "classify": Command("edgecv.apps.classify", "say what a picture shows"),
    "segment": Command("edgecv.apps.segment", "say what every pixel belongs to"),
    "embed": Command("edgecv.apps.embed", "turn faces into vectors, and compare them"),
    "convert": Command("edgecv.apps.convert", "make a model file into one that runs faster"),
    "quantize": Command("edgecv.apps.quantize", "make a float model INT8, under a contract"),
    "check": Command("edgecv.apps.check", "say which part of a model a device would run"),
    "train": Command("edgecv.apps.train", "train a network by a recipe"),
    "summary": Command("edgecv.apps.summary", "count what a network costs, layer by layer"),
    "weights": Command("edgecv.apps.weights", "take public weights into a network to train"),
    "eval": Command("edgecv.apps.eval", "measure a model's accuracy on a labelled folder"),
    "bench": Command("edgecv.apps.bench", "measure the latency that an application gets"),
    "advise": Command("edgecv.apps.advise", "choose the fastest way to run a model here"),
    "demo": Command("edgecv.apps.demo", "see what edgecv can do on this machine"),
    "models": Command("edgecv.apps.models", "list, show and fetch public models"),
    "info": Command("edgecv.apps.info", "show what a model file takes and gives"),
    "devices": Command("edgecv.apps.devices", "list what can run models on this machine"),
    "doctor": Command(
        "edgecv.apps.doctor", "find what is wrong with this machine, and say how to mend it"
    ),
}

EPILOG = """\
examples:
  edgecv detect street.jpg
  edgecv pose photos/ --out drawn/
  edgecv detect 0 --track --web                     a camera, on a page for any browser
  edgecv face enroll Ada ada.jpg
  edgecv models
  edgecv devices
  edgecv doctor                                     when something does not work

`edgecv COMMAND --help` explains a command. Models that are not here are fetched when they are first
used, into ~/.cache/edgecv (EDGECV_CACHE); EDGECV_ZOO_MIRROR names a folder or address to take them
from instead.

exit codes: 0 done; 1 something went wrong, and stderr says what; 2 the command line is wrong;
3 the accuracy contract of `edgecv quantize` is broken, and no model was written, or
`edgecv bench compare` found something slower;
130 interrupted (Ctrl-C); 141 the reader of the output went away; 143 terminated (SIGTERM).
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: The words after `edgecv`; None for those of this process.

    Raises:
        SystemExit: The command line is wrong (2), or help or the version was asked for (0).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    _open_closed_streams()
    if argv is None and "--debug" not in arguments:
        _silence_native_code()
    if argv is None:
        signal.signal(signal.SIGTERM, _terminate)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names may be any bytes
    try:
        return _run(arguments)
    except ImportError as error:
        if error.name != "cv2" and "cv2" in sys.modules:
            raise
        print(f"edgecv: {_without_opencv()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        _drop_stdout()
        return 141


def _without_opencv() -> str:
    """Return what the core says of an OpenCV that cannot be imported."""
    try:
        return str(edgecv.load)
    except ImportError as error:
        return str(error)


def _run(arguments: list[str]) -> int:
    parser, module = _parser(arguments)
    args = parser.parse_args(arguments)
    if module is None:
        parser.print_help(sys.stderr)
        return 2
    _start_log(debug=args.debug)
    try:
        code = int(module.run(args))
        sys.stdout.flush()
    except (EdgeCVError, OSError) as error:
        gone = error if isinstance(error, BrokenPipeError) else error.__cause__
        if isinstance(gone, BrokenPipeError):
            raise gone from None
        if args.debug:
            raise
        print(f"edgecv: {_one_line(error)}", file=sys.stderr)
        return 2 if isinstance(error, (UsageError, UnknownNameError)) else 1
    return code


def _parser(arguments: list[str]) -> tuple[argparse.ArgumentParser, ModuleType | None]:
    """Return the parser, with the options of the one command that was asked for."""
    parser = argparse.ArgumentParser(
        "edgecv",
        description="Computer vision on edge devices.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"edgecv {edgecv.__version__}")
    parser.add_argument("--debug", action="store_true", help="show where in the code errors arise")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    if chosen is not None and chosen not in COMMANDS:
        parser.error(str(unknown_name("command", chosen, COMMANDS)))
    module = None
    for name, command in COMMANDS.items():
        sub = commands.add_parser(
            name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        if name == chosen:
            module = import_module(command.module)
            _configure(sub, module, arguments[arguments.index(name) + 1 :])
    return parser, module


def _configure(parser: argparse.ArgumentParser, module: ModuleType, rest: Sequence[str]) -> None:
    """Add a command's options, or those of its action where the next word is the name of one."""
    actions: Mapping[str, Any] = getattr(module, "ACTIONS", {})
    if not rest or rest[0] not in actions:
        module.configure(parser)
        return
    action = actions[rest[0]]
    sub = parser.add_subparsers(metavar="ACTION").add_parser(
        rest[0],
        description=f"{action.help[0].upper()}{action.help[1:]}.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    action.configure(sub)


def _open_closed_streams() -> None:
    """Let what is written to a stream that the caller closed go nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            nowhere = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", errors="backslashreplace")
            setattr(sys, name, nowhere)


def _terminate(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, with files finished; a second SIGTERM ends the process at once."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise SystemExit(128 + number)


def _start_log(*, debug: bool) -> None:
    """Send what edgecv's modules log to stderr: warnings, or everything when debugging."""
    root = logging.getLogger()
    if not any(isinstance(handler, LogToPeople) for handler in root.handlers):
        root.addHandler(LogToPeople())
    logging.getLogger("edgecv").setLevel(logging.DEBUG if debug else logging.WARNING)


def _silence_native_code() -> None:
    """Leave stderr to Python alone: what C libraries write to it goes nowhere.

    OpenCV, libpng, TFLite and others write there of their own accord what is an error of ours as
    well, or no error at all. `--debug` shows it.
    """
    sys.stderr.flush()
    ours = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    sys.stderr = os.fdopen(ours, "w", buffering=1, errors="backslashreplace")


def _one_line(error: Exception) -> str:
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(text.split()) or type(error).__name__


def _drop_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush cannot fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())
