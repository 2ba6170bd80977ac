"""`edgecv convert`: a model file made into another one that devices run better."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from edgecv import modelfile, rewritten, zoo
from edgecv.errors import ModelFileError, OutputError, SpecError
from edgecv.model import complete_spec
from edgecv.spec import ModelSpec
from edgecv.zoo import checksums

from .common import UsageError, warn

EPILOG = """\
Models of TensorFlow 1's time (SSD-MobileNet, MobileNet and most others of Coral's tutorials) are
uint8 with one scale a tensor. Today's kernels are slow with those, and about twice as fast with
int8 and one scale a channel, which is what --to tflite --int8 makes of them. Nothing is trained,
no pictures are asked for: activations keep their scales, and weights keep their values where a
symmetric scale can hold them. The input stays uint8 and every tensor its name, so that programs
need not change; labels and metadata are kept, and the spec is put in. Before anything is written
to its name, both files are run on the same made-up pictures; ones that do not agree are refused.

What is not uint8 (float32, int8, files compiled for the Edge TPU) is refused with the reason. The
Edge TPU itself gains nothing: its compiler takes the uint8 file.

examples:
  edgecv convert ssd_mobilenet_v1_coco_int8 --to tflite --int8 --out fast/
  edgecv convert old.tflite --to tflite --int8 --out fast/ --force
  edgecv convert old.tflite --to tflite --int8 --inputs int8 --out fast/   saves one operator more
  edgecv detect street.jpg --model fast/old_per_channel.tflite
"""
SUFFIX = "_per_channel"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="NAME|FILE", help="a name of `edgecv models`, or a file")
    parser.add_argument(
        "--to", required=True, choices=sorted({to for _, to in CONVERSIONS}), help="the new format"
    )
    parser.add_argument(
        "--int8", action="store_true", help="weights and activations in 8 bits, with a sign"
    )
    parser.add_argument(
        "--inputs",
        choices=("uint8", "int8"),
        default="uint8",
        help="what the new file takes (default: uint8, a picture's own bytes)",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="DIR",
        help=f"the folder to write NAME{SUFFIX}.tflite into; it is made where it is not there",
    )
    parser.add_argument("--force", action="store_true", help="replace a file that is there")


def run(args: argparse.Namespace) -> int:
    """Convert one model, and say what became of it."""
    named = args.model in zoo.names()
    path = zoo.fetch(args.model) if named else Path(args.model)
    modelfile.check(path)
    known = [to for suffix, to in CONVERSIONS if suffix == path.suffix]
    if args.to not in known:
        raise ModelFileError(
            f"{path.name} cannot be converted to {args.to}: files that can are "
            f"{', '.join(sorted(suffix for suffix, to in CONVERSIONS if to == args.to))}"
        )
    return CONVERSIONS[path.suffix, args.to](path, args)


def tflite_to_tflite(path: Path, args: argparse.Namespace) -> int:
    """Rewrite an old uint8 file to int8 with one scale a channel."""
    if not args.int8:
        raise UsageError("from TFLite to TFLite there is one conversion: add --int8")
    target = args.out / f"{path.stem}{SUFFIX}.tflite"
    if target.exists() and not args.force:
        raise OutputError(f"{target} is there already: --force replaces it")
    spec = _spec(path, args.model if args.model in zoo.names() else None, target.stem)
    files = {modelfile.SPEC_NAME: json.dumps(spec.to_dict()).encode()} if spec else {}
    rewrite = rewritten.REWRITERS.load("tflite")
    agreement = rewrite(path, target, int8_inputs=args.inputs == "int8", files=files)
    print(_report(path, target, agreement, spec))
    return 0


def _spec(path: Path, name: str | None, made: str) -> ModelSpec | None:
    """Return what is known of a file, for the one that is made of it; None where nothing is."""
    try:
        spec = complete_spec(path, zoo.spec(name) if name else None, None)
    except SpecError as error:
        warn(f"the new file gets no spec: {error}")
        return None
    origin = f"Rewritten to int8, a scale a channel, from {path.name} ({checksums.compute(path)})."
    return spec.with_changes(name=made, notes=f"{spec.notes} {origin}".strip())


def _report(path: Path, target: Path, agreement: Any, spec: ModelSpec | None) -> str:
    sizes = [file.stat().st_size / 1e3 for file in (path, target)]
    said = f"{spec.task}, {spec.decoder}, {len(spec.labels)} labels" if spec else "none"
    return (
        f"{target}\n"
        f"size       {sizes[0]:.0f} kB -> {sizes[1]:.0f} kB\n"
        f"agreement  {agreement.mean:.2f} steps of 256 apart on average, {agreement.most} at most, "
        f"on {agreement.pictures} made-up pictures\n"
        f"spec       {said}\n"
        "`edgecv eval` measures what that does to the accuracy"
    )


CONVERSIONS: Mapping[tuple[str, str], Callable[[Path, argparse.Namespace], int]] = {
    (".tflite", "tflite"): tflite_to_tflite,
}
"""What can be made of what: (suffix, format) -> the function that does it."""
