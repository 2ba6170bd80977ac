"""`edgecv summary`: what a network costs, layer by layer, before it is trained."""

from __future__ import annotations

import argparse
import csv
import inspect
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgecv import models
from edgecv.cache import write_atomic
from edgecv.errors import unknown_name
from edgecv.modelfile import check

from .common import UsageError
from .options import count
from .table import columns

if TYPE_CHECKING:
    import keras

    from edgecv.models.summary import Row, Summary

EPILOG = f"""\
networks: {", ".join(models.MODELS)};
any of keras.applications as keras:NAME; a file that ends in .keras or .h5.

Multiply-adds are those of convolutions and dense layers, for one picture. Batch norm is folded on a
device, and is counted with the layer before it. Memory is that of activations in INT8, one byte a
value: a layer's inputs, its output, and what later layers still wait for, in the order in which
Keras runs the layers; runtimes may need more. The field is the receptive field, in pixels.

examples:
  edgecv summary mobilefacenet
  edgecv summary mobilefacenet --set activation=relu
  edgecv summary shufflenet_v1 --groups 3
  edgecv summary mobilenet_v2 --alpha 0.35 --input-size 96x128 --classes 5 --csv layers.csv
  edgecv summary keras:ResNet50 --json -
  edgecv summary best.keras
"""
KERAS = "keras:"
FIELDS = ("name", "kind", "output", "parameters", "multiply_adds", "field", "stride", "live")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="MODEL", help="a network, keras:NAME, or a file")
    group = parser.add_argument_group("the network (default: as published)")
    group.add_argument("--input-size", type=_size, metavar="N|HxW", help="pixels")
    group.add_argument("--alpha", type=float, metavar="A", help="the width multiplier")
    group.add_argument("--groups", type=count("groups"), metavar="N", help="of ShuffleNetV1")
    group.add_argument("--version", metavar="V", help="of SqueezeNet: 1.0 or 1.1")
    group.add_argument("--minimalistic", action="store_true", default=None, help="of MobileNetV3")
    group.add_argument("--classes", type=count("classes"), metavar="N", help="(default: 1000)")
    group.add_argument(
        "--no-top",
        dest="include_top",
        action="store_false",
        default=None,
        help="leave out the classifier",
    )
    group.add_argument(
        "--set",
        dest="more",
        action="append",
        default=[],
        type=_assignment,
        metavar="OPTION=VALUE",
        help="any other option of the network; may be given several times",
    )
    output = parser.add_argument_group("output (without: a table)")
    output.add_argument("--csv", metavar="FILE", help="write one line a layer; '-' is stdout")
    output.add_argument("--json", metavar="FILE", help="write all figures; '-' is stdout")


def run(args: argparse.Namespace) -> int:
    """Print or write what the network costs."""
    if args.csv == "-" and args.json == "-":
        raise UsageError("--csv and --json cannot both go to stdout")
    summary = _summary(args)
    if args.csv:
        _write(args.csv, _csv(summary))
    if args.json:
        _write(args.json, json.dumps(summary.to_dict(), indent=1) + "\n")
    if "-" not in (args.csv, args.json):
        print(f"{_table(summary)}\n\n{_sums(summary)}")
    return 0


def _summary(args: argparse.Namespace) -> Summary:
    names = ("input_size", "alpha", "groups", "version", "minimalistic", "classes", "include_top")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    options = {**given, **dict(args.more)}
    file = args.model.endswith((".keras", ".h5"))
    try:
        if not file:
            model = _network(args.model, options)
        else:
            options.pop("input_size", None)
            model = _file(Path(args.model), options)
        from edgecv.models.summary import summarize

        return summarize(model, args.input_size if file else None)
    except ValueError as error:
        raise UsageError(" ".join(str(error).split())) from error


def _network(name: str, options: dict[str, Any]) -> keras.Model:
    """Build a network of `edgecv.models`, or one of `keras.applications` without its weights."""
    if not name.startswith(KERAS):
        return models.build(name, **options)
    build = _application(name.removeprefix(KERAS))
    known = set(inspect.signature(build).parameters) - {"weights", "input_tensor", "name"}
    if "input_size" in options:
        options["input_shape"] = (*options.pop("input_size"), 3)
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    return build(**{"weights": None, **options})


def _application(name: str) -> Callable[..., keras.Model]:
    models.needs_tensorflow()
    import keras

    table = {
        key: value for key, value in vars(keras.applications).items() if inspect.isfunction(value)
    }
    if name not in table:
        raise unknown_name("network of keras.applications", name, table)
    found: Callable[..., keras.Model] = table[name]
    return found


def _file(path: Path, options: Mapping[str, Any]) -> keras.Model:
    """Read a .keras or .h5 file; no Python code inside it is run."""
    if options:
        raise UsageError(f"{path} is a file: --{next(iter(options))} is for networks by name")
    if path.suffix == ".keras":
        check(path)
    models.needs_tensorflow()
    from edgecv.models.loading import load_network

    return load_network(path)


def _write(target: str, text: str) -> None:
    if target == "-":
        print(text, end="")
    else:
        write_atomic(Path(target), text)


def _csv(summary: Summary) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for row in summary.rows:
        values = [getattr(row, name) for name in FIELDS]
        writer.writerow(_sides(v) if isinstance(v, tuple) else v for v in values)
    return text.getvalue()


def _table(summary: Summary) -> str:
    """Return a row for each layer, with the batch norm and activation that belong to it."""
    parts: dict[str, list[Row]] = {}
    for row in summary.rows:
        parts.setdefault(row.part_of, []).append(row)
    rows = [("layer", "kind", "output", "parameters", "M mult-adds", "field", "stride", "kB")]
    for name, group in parts.items():
        first, last = group[0], group[-1]
        adds = first.multiply_adds
        rows.append(
            (
                name,
                first.kind,
                _sides(last.output),
                f"{sum(row.parameters for row in group):,}",
                "?" if adds is None else f"{adds / 1e6:.2f}" if adds else "",
                _sides(first.field or (), square=True),
                _sides(first.stride or (), square=True),
                f"{max(row.live for row in group) / 1e3:.0f}",
            )
        )
    return columns(rows, right=[3, 4, 5, 6, 7])


def _sums(summary: Summary) -> str:
    inputs = ", ".join(_sides(shape) for shape in summary.inputs)
    rows = [
        ("network", f"{summary.name}, input {inputs}"),
        ("parameters", f"{summary.parameters:,}, of which {summary.trainable:,} are trained"),
        (
            "on a device",
            f"{summary.folded:,} parameters: {summary.folded / 1e6:.2f} MB in INT8, "
            f"{4 * summary.folded / 1e6:.2f} MB in float32",
        ),
        ("multiply-adds", f"{summary.multiply_adds / 1e6:,.1f} M"),
        (
            "peak memory",
            f"{summary.peak / 1e6:.2f} MB of activations in INT8, "
            f"{4 * summary.peak / 1e6:.2f} MB in float32",
        ),
    ]
    if summary.unknown:
        rows.append(("not counted", "multiply-adds of " + ", ".join(summary.unknown)))
    return columns(rows)


def _sides(sides: Sequence[float], *, square: bool = False) -> str:
    """Write 7x7x512; with `square`, 32 for 32x32."""
    if square and len(set(sides)) == 1:
        sides = sides[:1]
    return "x".join(f"{side:.10g}" for side in sides)


def _size(text: str) -> tuple[int, int]:
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) for side in sides):
        raise argparse.ArgumentTypeError(f"wanted a side or HEIGHTxWIDTH in pixels, got {text!r}")
    return int(sides[0]), int(sides[-1])


def _assignment(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise argparse.ArgumentTypeError(f"wanted OPTION=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
