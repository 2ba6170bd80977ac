"""`edgecv info`: what a model file takes, what it gives, and what is known of it."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from edgecv.converters.keras_source import is_source
from edgecv.quantize.card import verdict_lines

from edgecv import modelfile, rewritten, zoo
from edgecv.errors import DeviceError, ModelFileError, SpecError
from edgecv.model import complete_spec
from edgecv.session import open_session
from edgecv.spec import ModelSpec
from edgecv.types import TensorSpec

from .options import add_run_options
from .table import columns

EPILOG = """\
examples:
  edgecv info movenet_lightning_int8
  edgecv info mine.tflite                           what --mean, --decoder and so on have to say
"""
LABELS_SHOWN = 3


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    parser.add_argument("model", metavar="NAME|FILE", help="a name of `edgecv models`, or a file")
    add_run_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print what the model file says, and what is said of it."""
    named = args.model in zoo.names()
    if not named and not _is_path(args.model):
        zoo.entry(args.model)  # raises, and names the nearest
    path = zoo.fetch(args.model) if named else Path(args.model)
    check_file(path)
    found = zoo.spec(args.model) if named else None
    parts = [f"{path}  {modelfile.size_of(path) / 1e6:.1f} MB", _tensors(path, args)]
    if form := rewritten.cached_path(path):
        made = "" if form.is_file() else ", which is made when it is first run"
        parts.append(
            f"TFLite on the CPU runs it rewritten, which is faster: {form}{made} "
            f"({rewritten.SWITCH}=0 turns that off)"
        )
    parts.append(_known(path, found))
    if lines := verdict_lines(modelfile.embedded_card(path)):
        parts.append("\n".join(lines))
    print("\n\n".join(parts))
    return 0


def check_file(path: Path) -> None:
    """Refuse a file that no runtime could open; of Keras' other forms, say what to do with them.

    Raises:
        ModelFileError: It is missing, damaged, of an unknown kind, or has to be converted first.
    """
    if path.suffix != ".keras" and path.exists() and is_source(path):
        kind = "a SavedModel" if path.is_dir() else "an .h5 file"
        raise ModelFileError(
            f"{path} is {kind}, which no runtime here opens: wanted one of "
            f"{', '.join(modelfile.SUFFIXES)}. Make one of it first: edgecv convert {path} "
            "--to tflite --task TASK --decoder DECODER --out DIR"
        )
    modelfile.check(path)


def _is_path(name: str) -> bool:
    return Path(name).suffix in modelfile.SUFFIXES or os.sep in name or Path(name).exists()


def _tensors(path: Path, args: argparse.Namespace) -> str:
    """Return a table of the inputs and outputs, or why they cannot be seen here."""
    try:
        opened = open_session(path, device=args.device, runtime=args.runtime, threads=args.threads)
    except DeviceError as error:
        return f"cannot be opened here: {error}"
    session = opened.session
    try:
        rows = [("", "name", "type", "shape", "quantization")]
        rows += [("input", *_row(tensor)) for tensor in session.inputs]
        rows += [("output", *_row(tensor)) for tensor in session.outputs]
    finally:
        session.close()
    return f"opened by {opened.runtime} on {opened.device}\n\n{columns(rows)}"


def _row(tensor: TensorSpec) -> tuple[str, str, str, str]:
    shape = " x ".join("?" if side is None else str(side) for side in tensor.shape)
    quant = tensor.quant
    scale = f"(value - {quant.zero_point}) * {quant.scale:.6g}" if quant else ""
    return tensor.name, str(tensor.dtype), shape, scale


def _known(path: Path, found: ModelSpec | None) -> str:
    """Return the spec as JSON, its long list of labels shortened."""
    try:
        values = complete_spec(path, found, None).to_dict()
    except SpecError as error:
        return f"spec: none. {error}"
    names = values["labels"]
    if len(names) > LABELS_SHOWN:
        values["labels"] = [*names[:LABELS_SHOWN], f"... {len(names)} in all"]
    rows = [f" {json.dumps(name)}: {json.dumps(value)}" for name, value in values.items() if value]
    return "spec\n{\n" + ",\n".join(rows) + "\n}"
