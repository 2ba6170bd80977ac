"""What a float model can be made into, as files of their own: other formats, other precisions."""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from edgecv.converters import SUFFIXES

from edgecv.bench.precision import precision_of
from edgecv.errors import EdgeCVError
from edgecv.spec import ModelSpec

from . import convert

FORMATS = ("tflite", "openvino", "onnx")
PRECISIONS = ("fp32", "fp16", "int8")

Said = Callable[[str], None]


def variants(
    path: Path, spec: ModelSpec, wanted: Sequence[str], out: Path, *,
    calibration: Path | None, said: Said,
) -> list[Path]:  # fmt: skip
    """Return the files that a float model can be made into; made now where they are not there.

    What cannot be made is told and left out.

    Args:
        path: The model.
        spec: What its tensors mean.
        wanted: Some of `PRECISIONS`.
        out: The folder for the files.
        calibration: Pictures for int8; without any there is none.
        said: Hears why something was left out.
    """
    kind = convert.KINDS[path.suffix]
    if kind != "keras" and precision_of(path) != "fp32":
        return []  # an integer file becomes nothing faster here
    found: list[Path] = []
    for target in FORMATS:
        if target not in convert.TARGETS[kind]:
            continue
        precisions = [p for p in wanted if p != "int8" or calibration is not None]
        if target == kind:
            precisions = [p for p in precisions if p == "int8"]
        if target == "onnx":
            precisions = [p for p in precisions if p != "fp16"]  # CPUs only convert it back
        if precisions:
            found += _made(path, spec, target, precisions, out, calibration, said)
    return found


def _made(
    path: Path, spec: ModelSpec, target: str, precisions: Sequence[str], out: Path,
    calibration: Path | None, said: Said,
) -> list[Path]:  # fmt: skip
    suffix = SUFFIXES[target]
    files = [out / f"{path.stem}_{precision}{suffix}" for precision in precisions]
    if all(file.is_file() for file in files):
        return files
    words = [str(path), "--to", target, "--precision", ",".join(precisions), "--out", str(out),
             "--force", "--task", spec.task, "--decoder", spec.decoder]  # fmt: skip
    if calibration is not None and "int8" in precisions:
        words += ["--calibration", str(calibration)]
    try:
        _convert(words)
    except EdgeCVError as error:
        if len(precisions) > 1:  # one of them may be at fault alone
            each = ([p] for p in precisions)
            made = (_made(path, spec, target, one, out, calibration, said) for one in each)
            return [file for files in made for file in files]
        said(f"{target} {precisions[0]} is left out: {error}")
        return []
    return files


def _convert(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    convert.configure(parser)
    with redirect_stdout(io.StringIO()):
        convert.run(parser.parse_args(words))
