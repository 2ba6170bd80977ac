"""`edgecv bench`: what latency an application gets from a model on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from edgecv import modelfile, zoo
from edgecv.bench.bench import Bench, Wishes
from edgecv.bench.loop import Effort
from edgecv.bench.page import render
from edgecv.bench.picture import example, picture_file
from edgecv.bench.record import Report, write_report
from edgecv.bench.setting import Setting, expand
from edgecv.bench.tables import RIGHT, notes, rows, stage_rows, to_csv
from edgecv.cache import write_atomic
from edgecv.model import complete_spec
from edgecv.progress import bar
from edgecv.session import RUNTIMES

from . import bench_compare, bench_live, bench_sustained
from .advise_field import variants_of
from .common import warn
from .options import count, names
from .options import seconds as duration
from .table import columns
from .variants import PRECISIONS

EPILOG = """\
What is timed is what an application waits for: a picture's bytes to pixels, pixels to the input
tensor, inference, and what the outputs mean. The headline is p90: nine of ten passes take no
longer. Each setting is measured in several rounds, in turn with the others, each in a process of
its own that first waits until times have settled.

A run on a machine that was busy, hot, throttled, short of memory or under another governor than
"performance" is marked with ! and the reason, in the table and in every file.

actions:
  edgecv bench compare A.json B.json                faster, slower or no difference?

examples:
  edgecv bench movenet_lightning_int8
  edgecv bench mine.tflite mine.onnx --device all --threads 1,2,4 --json b.json --html b.html
  edgecv bench mine.tflite --image photo.jpg --streams 1,2,4
  edgecv bench mine.tflite --sustained 10m --html heat.html
  edgecv bench mine.tflite --live 0                 from a camera's frame to its result

exit codes: 0 measured, valid or not; 1 something could not be measured; 2 the command line is
wrong; 130 interrupted (what was measured until then is shown and written).
"""


class Action(NamedTuple):
    """An action of the command: a function that adds its options, and its purpose."""

    configure: Any
    help: str


ACTIONS = {"compare": Action(bench_compare.configure, "say whether a benchmark is faster")}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.set_defaults(action=measure)
    parser.epilog = EPILOG
    parser.add_argument(
        "models", nargs="+", metavar="NAME|FILE", help="names of `edgecv models`, or files"
    )
    parser.add_argument(
        "--device", type=names, default=("cpu",), metavar="NAMES",
        help="names of `edgecv devices` with commas between them, or all (default: cpu)",
    )  # fmt: skip
    parser.add_argument(
        "--runtime", type=names, default=(), metavar="NAMES",
        help=f"some of {', '.join(RUNTIMES)} (default: all that read the file)",
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=_counts, default=(1,), metavar="NUMBERS",
        help="numbers of CPU threads, as 1,2,4 (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--precision", type=names, default=(), metavar="NAMES",
        help="what to make of a float model and measure as well: some of fp32, fp16, int8, or all",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR",
        help="photographs to make int8 with (default: the demo's; for times they do)",
    )  # fmt: skip
    _add_effort(parser)
    _add_outputs(parser)


def _add_effort(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how")
    group.add_argument("--image", type=Path, metavar="FILE",
                       help="the picture (default: a test pattern, 640x480)")  # fmt: skip
    group.add_argument("--rounds", type=count("rounds"), default=5, metavar="N",
                       help="processes for each setting (default: 5)")  # fmt: skip
    group.add_argument("--seconds", type=duration, default=1.0, metavar="S",
                       help="least time of a round (default: 1)")  # fmt: skip
    group.add_argument("--count", type=count("passes"), default=20, metavar="N",
                       help="least passes of a round (default: 20)")  # fmt: skip
    group.add_argument("--streams", type=_counts, default=(1,), metavar="NUMBERS",
                       help="models side by side, for results a second (default: 1)")  # fmt: skip
    group.add_argument("--sustained", type=duration, metavar="TIME",
                       help="run the first setting without a pause, as for 10m")  # fmt: skip
    group.add_argument("--live", metavar="SOURCE",
                       help="measure from a camera's frame to its result")  # fmt: skip


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("files")
    for kind, what in (("json", "all samples"), ("csv", "a line for each stage"),
                       ("html", "a page with pictures")):  # fmt: skip
        group.add_argument(f"--{kind}", type=Path, metavar="FILE", help=what)
    group.add_argument("--notes", default="", help="how it was obtained: cooling, supply, case")


def run(args: argparse.Namespace) -> int:
    """Do what the arguments say."""
    return int(args.action(args))


def measure(args: argparse.Namespace) -> int:
    """Measure, print, write."""
    settings = _settings(args)
    if args.live:
        return bench_live.run(args, settings[0])
    picture, about = picture_file(args.image) if args.image else example()
    if args.sustained:
        return bench_sustained.run(args, settings[0], picture, about)
    wishes = Wishes(
        args.rounds, Effort(seconds=args.seconds, count=args.count), tuple(args.streams)
    )
    bench = Bench(settings, picture, about, wishes)
    stopped = False
    try:
        _measure(bench)
    except KeyboardInterrupt:
        stopped = True
    report = bench.report(notes=args.notes)
    give_out(report, args)
    if stopped:
        warn("interrupted: what is shown was measured until then")
        return 130
    return 1 if failed(report) else 0


def failed(report: Report) -> bool:
    """Return whether a model was not measured at all, or a setting ended in mid-run.

    That one of several runtimes refuses a model is told, and no failure.
    """
    measured = {run.setting.model for run in report.runs if run.rounds}
    return any(
        run.error and (run.rounds or run.setting.model not in measured) for run in report.runs
    )


def _measure(bench: Bench) -> None:
    with bar("measuring") as report:

        def told(setting: Setting, done: int) -> None:
            report(done, bench.total)

        bench.measure(told)


def give_out(report: Report, args: argparse.Namespace) -> None:
    """Print a report, and write the files that were asked for.

    Raises:
        OutputError: One cannot be written.
    """
    print(columns(rows(report), right=RIGHT))
    print(
        "\n" + columns(stage_rows(report), right=range(4, 10)) + "\n\nmilliseconds; p50 of stages"
    )
    for note in notes(report):
        print(note)
    if notes(report):
        print("Runs marked ! are not valid: their figures are not those of a quiet machine.")
    if args.json:
        write_report(args.json, report)
    if args.csv:
        write_atomic(args.csv, to_csv(report))
    if args.html:
        write_atomic(args.html, render(report))


def _settings(args: argparse.Namespace) -> list[Setting]:
    for name in args.runtime:
        RUNTIMES[name]  # raises for a name that is no runtime's
    if "all" in args.precision:
        args.precision = PRECISIONS
    found: list[Setting] = []
    for model in args.models:
        named = model in zoo.names()
        path = zoo.fetch(model) if named else _file(model)
        modelfile.check(path)
        spec = complete_spec(path, zoo.spec(model) if named else None, None)
        found += _expanded(args, model, path)
        for file in variants_of(args, path, spec) if args.precision else ():
            found += _expanded(args, str(file), file)
    return found


def _expanded(args: argparse.Namespace, model: str, path: Path) -> list[Setting]:
    return expand(model, path, kinds=args.device, runtimes=args.runtime, threads=args.threads)


def _file(model: str) -> Path:
    if Path(model).suffix not in modelfile.SUFFIXES:
        zoo.entry(model)  # raises, and names the nearest
    return Path(model)


def _counts(text: str) -> tuple[int, ...]:
    return tuple(count("threads or streams")(word) for word in text.split(","))
