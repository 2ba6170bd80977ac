"""`edgecv bench compare`: whether a second benchmark is faster than a first."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgecv.bench.compare import MARGIN, Verdict, compare, pairs
from edgecv.bench.measure import STAGES
from edgecv.bench.record import Report, read_report
from edgecv.bench.stamps import stamps

from .common import warn
from .options import probability
from .table import columns

SLOWER = 3
"""The exit code where a run is slower."""

EPILOG = """\
Runs of the same model, runtime, device and threads are compared; where each file has but one run
of a model, these are, whatever they ran on. What is compared are the rounds, each a process of its
own, with a 99 % interval for the ratio of their medians. A difference under --margin is none.

examples:
  edgecv bench mine.tflite --json before.json       and, after a change,
  edgecv bench mine.tflite --json after.json
  edgecv bench compare before.json after.json
  edgecv bench compare pi4.json pi5.json --at 90    the slow passes of two boards

exit codes: 0 nothing is slower; 3 something is; 1 the files cannot be compared; 2 the command line
is wrong.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the action's options."""
    parser.set_defaults(action=run)
    parser.epilog = EPILOG
    parser.add_argument("before", type=Path, metavar="A.json", help="what to compare with")
    parser.add_argument("after", type=Path, metavar="B.json", help="what is in question")
    parser.add_argument(
        "--stage", choices=STAGES, default="end_to_end", help="(default: end_to_end)"
    )
    parser.add_argument(
        "--at", type=int, choices=(50, 90, 95, 99), default=50, metavar="PERCENT",
        help="the percentile: 50, 90, 95 or 99 (default: 50)",
    )  # fmt: skip
    parser.add_argument(
        "--margin", type=probability, default=MARGIN, metavar="PART",
        help=f"least part that counts as a difference (default: {MARGIN})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Compare, and print a line for each pair."""
    before, after = read_report(args.before), read_report(args.after)
    verdicts = [
        compare(one, other, stage=args.stage, percent=args.at, margin=args.margin)
        for one, other in pairs(before, after)
    ]
    if args.json:
        print(json.dumps([_to_json(verdict) for verdict in verdicts], indent=1))
    else:
        _print(verdicts, before, after, args)
    for verdict in verdicts:
        for name, one in ((args.before, verdict.before), (args.after, verdict.after)):
            for reason in stamps(one):
                warn(f"{name}: {one.setting} is not valid: {reason}")
    return SLOWER if any(verdict.word == "slower" for verdict in verdicts) else 0


def _print(
    verdicts: Sequence[Verdict], before: Report, after: Report, args: argparse.Namespace
) -> None:
    boards = [_board(report) for report in (before, after)]
    if boards[0] != boards[1]:
        print(f"{boards[0]} against {boards[1]}\n")
    rows = [("", "before", "after", "verdict on the second")]
    for verdict in verdicts:
        times = (
            verdict.before.figures(args.stage)[f"p{args.at}"],
            verdict.after.figures(args.stage)[f"p{args.at}"],
        )
        rows.append((_name(verdict), f"{times[0]:.2f} ms", f"{times[1]:.2f} ms", str(verdict)))
    print(columns(rows, right=(1, 2)))
    print(f"\np{args.at} of {args.stage.replace('_', ' ')}; in brackets the 99 % interval")


def _name(verdict: Verdict) -> str:
    one, other = str(verdict.before.setting), str(verdict.after.setting)
    return one if one == other else f"{one} -> {other}"


def _board(report: Report) -> str:
    machine = report.machine
    return machine.get("board") or f"{machine.get('architecture')}, {_cpu(machine)}"


def _cpu(machine: Any) -> str:
    return str((machine.get("cpu") or {}).get("model", "unknown processor"))


def _to_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "before": str(verdict.before.setting), "after": str(verdict.after.setting),
        "percent": verdict.percent, "ratio": verdict.ratio, "low": verdict.low,
        "high": verdict.high, "verdict": verdict.word, "blunt": verdict.blunt,
        "valid": not (stamps(verdict.before) or stamps(verdict.after)),
    }  # fmt: skip
