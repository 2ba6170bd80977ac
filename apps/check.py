"""`edgecv check`: which part of a model a device would run, which the CPU, and why."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgecv.converters.edgetpu_rules import CACHE_BYTES, NOT_LISTED, POSTPROCESS

from edgecv import modelfile, zoo
from edgecv.cache import write_atomic
from edgecv.errors import ModelFileError, unknown_name
from edgecv.registry import Registry

from .common import UsageError
from .table import columns

if TYPE_CHECKING:
    from edgecv.converters.plan import Placed, Plan

EPILOG = """\
targets: coral, for TFLite files: the rules that Coral publishes for the Edge TPU's compiler, which
need neither the compiler nor the device. All others are asked of the runtime, on a machine that has
the device: npu, gpu, openvino (the CPU), openvino:DEVICE by OpenVINO, for .xml, .onnx and .tflite;
tensorrt, cuda, qnn, onnx (the CPU) by ONNX Runtime, for .onnx.

"caution" stands before what the rules leave open, "inferred" behind limits that are not published:
they were learned from files that Coral compiled and from what its engineers said. What no rule
says, such as activations that are too large for the chip, only the compiler tells: `edgecv convert
--to coral` runs it.

exit codes: 0 checked, whatever came out; with --strict 1 if any operator but the detectors'
TFLite_Detection_PostProcess, which is made for the CPU, is left to the CPU.

examples:
  edgecv check ssd_mobilenet_v1_coco_int8 --target coral
  edgecv check mine_int8.tflite --target coral --strict
  edgecv check mine.onnx --target tensorrt --all
  edgecv check mine.xml --target npu --json -
"""

PLANNERS = Registry(
    "way to check",
    {
        "tflite": "edgecv.converters.edgetpu_map:plan_file",
        "openvino": "edgecv.converters.partition:openvino_plan",
        "onnx": "edgecv.converters.partition:onnx_plan",
    },
)


class Target(NamedTuple):
    """A device to check for.

    Attributes:
        planner: Which of `PLANNERS` tells; its name is also the extra that it needs.
        suffixes: The files that it reads.
        device: What the planner calls it; empty where it knows one only.
    """

    planner: str
    suffixes: tuple[str, ...]
    device: str = ""


IR = (".xml", ".onnx", ".tflite")
TARGETS = {
    "coral": Target("tflite", (".tflite",)),
    "npu": Target("openvino", IR, "NPU"),
    "gpu": Target("openvino", IR, "GPU"),
    "openvino": Target("openvino", IR, "CPU"),
    "tensorrt": Target("onnx", (".onnx",), "tensorrt"),
    "cuda": Target("onnx", (".onnx",), "cuda"),
    "qnn": Target("onnx", (".onnx",), "qnn"),
    "onnx": Target("onnx", (".onnx",), "cpu"),
}
LONGEST_NAME = 44


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="NAME|FILE", help="a name of `edgecv models`, or a file")
    parser.add_argument("--target", required=True, help=f"one of {', '.join(TARGETS)}")
    parser.add_argument("--all", action="store_true", help="show each operator on a line")
    parser.add_argument("--strict", action="store_true", help="exit code 1 if the CPU has to help")
    parser.add_argument("--json", metavar="FILE", help="write all of it; '-' is stdout")


def run(args: argparse.Namespace) -> int:
    """Print where each operator runs, and why."""
    target = find_target(args.target)
    path = zoo.fetch(args.model) if args.model in zoo.names() else Path(args.model)
    modelfile.check(path)
    if path.suffix not in target.suffixes:
        raise ModelFileError(_wrong_kind(path, args.target, target))
    plan = make_plan(path, target)
    if args.json:
        _write(args.json, {"model": str(path), "target": args.target, **plan.to_dict()})
    if args.json != "-":
        print(report(plan, each=args.all))
    return int(bool(args.strict and _blockers(plan)))


def find_target(name: str) -> Target:
    """Return what a word after --target stands for: "gpu:1" and "openvino:NPU" as well.

    Raises:
        UnknownNameError: There is no such target.
    """
    kind, _, rest = name.partition(":")
    if kind not in TARGETS:
        raise unknown_name("target", kind, TARGETS)
    found = TARGETS[kind]
    if not rest:
        return found
    if kind == "openvino":
        return found._replace(device=rest.upper().replace(":", "."))
    if kind == "gpu" and rest.isdecimal():
        return found._replace(device=f"GPU.{rest}")
    raise UsageError(f"the target {kind} has no {rest!r}: wanted {kind} alone")


def make_plan(path: Path, target: Target) -> Plan:
    """Return where the operators of a file run on a target."""
    planner = PLANNERS.load(target.planner)
    plan: Plan = planner(path, target.device) if target.device else planner(path)
    return plan


def _wrong_kind(path: Path, name: str, target: Target) -> str:
    """Return what to do with a file that a target does not read."""
    wanted = " or ".join(target.suffixes)
    if name != "coral":
        to = target.suffixes[0].lstrip(".") if target.planner == "onnx" else "openvino"
        way = f"`edgecv convert {path} --to {to} --out out/`" if path.suffix == ".keras" else ""
        return f"{path.name}: {name} wants a file of {wanted}" + (
            f"; make one: {way}" if way else ""
        )
    if path.suffix == ".keras":
        return (
            f"{path.name}: coral wants a TFLite file in INT8; make one: `edgecv convert {path} "
            "--to tflite --precision int8 --calibration PICTURES --out out/`, then check that"
        )
    return (
        f"{path.name}: coral wants a TFLite file in INT8, which is made of a .keras file: `edgecv "
        "convert MODEL.keras --to tflite --precision int8 --calibration PICTURES --out out/`"
    )


def _write(name: str, values: object) -> None:
    text = json.dumps(values, indent=1) + "\n"
    if name == "-":
        print(text, end="")
    else:
        write_atomic(Path(name), text)


def _blockers(plan: Plan) -> list[Placed]:
    """Return the operators that are left to the CPU and are not made for it."""
    return [placed for placed in plan.left if placed.kind != POSTPROCESS]


def report(plan: Plan, *, each: bool) -> str:
    """Return a plan as text: a table of operators, what to know of them, and the sums.

    Args:
        plan: Where each operator runs.
        each: Show every operator on a line of its own, and not runs of those that fare the same.
    """
    rows = [_row([placed]) for placed in plan.operators] if each else list(_rows(plan))
    table = columns([("operator", "tensor", "shape", "runs on", "why"), *rows])
    return "\n".join([table, "", *(f"note: {note}" for note in plan.notes), *_sums(plan)])


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """Yield a row for each kind of operator within each run."""
    for run_ in plan.runs():
        kinds: dict[str, list[Placed]] = {}
        for placed in run_:
            kinds.setdefault(placed.kind, []).append(placed)
        yield from map(_row, kinds.values())


def _row(group: Sequence[Placed]) -> tuple[str, ...]:
    """Return one row for operators of one kind that fare the same."""
    first = group[0]
    count = f"{len(group)} x " if len(group) > 1 else ""
    more = f" and {len(group) - 1} more" if len(group) > 1 else ""
    why = first.why or (f"caution: {first.caution}" if first.caution else "")
    return f"{count}{first.kind}", _short(first.name) + more, _sides(first), first.on, why


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"...{name[3 - LONGEST_NAME :]}"


def _sides(placed: Placed) -> str:
    return "x".join("?" if side is None else str(side) for side in placed.shape)


def _sums(plan: Plan) -> Iterator[str]:
    """Yield what comes after the table."""
    lacking: dict[str, list[str]] = {}
    for placed in plan.left:
        if placed.why == NOT_LISTED:
            lacking.setdefault(placed.kind, []).append(placed.name)
    for kind, names in lacking.items():
        yield f"the {plan.device} has no {kind}: {', '.join(names)}"
    share = "" if plan.share is None else f", {plan.share:.1%} of the multiply-adds"
    yield f"{len(plan.mapped)} of {len(plan.operators)} operators on the {plan.device}{share}"
    size = sum(placed.parameter_bytes for placed in plan.mapped)
    if size:
        fits = "all fit" if size <= CACHE_BYTES else "the rest is sent anew for every picture"
        room = f"about {CACHE_BYTES / 1e6:.0f} MB on the chip"
        yield f"parameters {size / 1e6:.2f} MB, of {room}: {fits}"
    if plan.left and not _blockers(plan):
        yield f"all but {POSTPROCESS}, which is made for the CPU"
