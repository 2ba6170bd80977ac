"""What `edgecv convert` shows of the files it made: how far they are from the model, in a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from edgecv.converters.agreement import Agreement, Answers, answers, compare
from edgecv.converters.keras_source import Source, SourceSession
from edgecv.converters.parity import picture

from edgecv.datasets import PICTURES, spread
from edgecv.errors import DataError, InferenceError
from edgecv.image import read_image
from edgecv.model import Model, load
from edgecv.progress import bar
from edgecv.spec import ModelSpec
from edgecv.types import Image, TensorSpec

from .common import warn
from .convert import Job, Step
from .table import columns

if TYPE_CHECKING:
    from .convert_run import Made

MADE_UP = 8
"""How many pictures are made up where none are given."""

WANTED, LARGEST = 1e-4, 1e-2
"""How far numbers of a float32 file should be from the model's, and may be: the second is a part of
the span of an output's numbers."""


class Proof(NamedTuple):
    """How a file compares.

    Attributes:
        step: Which file.
        size: In bytes, with the files that belong to it.
        agreement: None where it could not be run here.
    """

    step: Step
    size: int
    agreement: Agreement | None


def prove(
    job: Job, args: argparse.Namespace, source: Source | None, made: Sequence[Made]
) -> list[Proof]:
    """Run the model and every file made of it on the same pictures.

    Raises:
        InferenceError: A file of float32 says something else than the model.
        DataError: There are no pictures where they should be.
    """
    sizes = [sum(one.file.with_suffix(f.suffix).stat().st_size for f in one.step.files)
             for one in made]  # fmt: skip
    if job.spec is None:
        warn("the files are not compared with the model: nothing says how it takes a picture")
        return [Proof(one.step, size, None) for one, size in zip(made, sizes, strict=True)]
    images = _pictures(args, job.spec, source, job.path)
    with _reference(job, source) as model:
        was = answers(model, images)
    proofs = []
    for one, size in zip(made, sizes, strict=True):
        agreement = None
        if one.step.format != "coral":
            agreement = _agreement(one, was, images, decoded=args.postprocess)
        if agreement is not None and one.step.precision == "fp32":
            _check(one.step, agreement)
        proofs.append(Proof(one.step, size, agreement))
    return proofs


def _reference(job: Job, source: Source | None) -> Model:
    if source is None:
        return load(job.path, device="cpu", spec=job.spec)
    if job.spec is None:
        raise DataError(f"{job.path.name} says nothing of its input")
    return Model(SourceSession(source), job.spec, runtime="keras", device="cpu", path=job.path)


def _agreement(made: Made, was: Answers, images: Sequence[Image], *, decoded: bool) -> Agreement:
    """Run a file by the runtime of its own format; what is decoded inside has other outputs."""
    label = f"{made.step.format} {made.step.precision}: comparing"
    opened = load(made.file, device="cpu", runtime=made.step.format, spec=made.spec)
    with opened as model, bar(label) as tell:
        found = compare(was, answers(model, images, report=tell))
    return found._replace(gaps=()) if decoded else found


def _check(step: Step, agreement: Agreement) -> None:
    for gap in agreement.gaps:
        if not gap.largest <= LARGEST * max(gap.spread, WANTED):
            raise InferenceError(
                f"{step.file.name} does not say what the model says: {gap.name} differs by "
                f"{gap.largest:.3g}, of numbers that span {gap.spread:.3g}. Nothing is written"
            )
        if gap.largest > WANTED:
            warn(f"{step.file.name}: {gap.name} differs by {gap.largest:.2g} from the model's")


def _pictures(
    args: argparse.Namespace, spec: ModelSpec, source: Source | None, path: Path
) -> list[Image]:
    """Return the pictures to compare on: those that are given, else made-up ones."""
    folder = args.photos or args.calibration
    if folder is None:
        side: tuple[int | None, ...] = spec.input.size or (256, 256)
        if source is not None and len(source.inputs[0].shape) == 4:
            side = source.inputs[0].shape[1:3]
        wanted = TensorSpec("picture", (1, *side, 3), np.dtype(np.uint8), None)
        return [picture(wanted, seed)[0] for seed in range(MADE_UP)]
    found = sorted(f for f in folder.rglob("*") if f.suffix.lower() in PICTURES)
    if not found:
        raise DataError(f"{folder} holds no pictures ({', '.join(PICTURES)})")
    return [read_image(file) for file in spread(found, args.compare)]


def as_text(proofs: Sequence[Proof]) -> str:
    """Return a table: a line for each output of each file."""
    rows = [("file", "kB", "output", "largest", "mean", "of", "results")]
    for proof in proofs:
        said = _results(proof.agreement)
        lines = [
            (gap.name, f"{gap.largest:.2g}", f"{gap.mean:.2g}", f"{gap.spread:.3g}")
            for gap in (proof.agreement.gaps if proof.agreement else ())
        ] or [("-", "-", "-", "-")]
        for number, line in enumerate(lines):
            first = number == 0
            rows.append((
                str(proof.step.file) if first else "", f"{proof.size / 1e3:.0f}" if first else "",
                *line, said if first else "",
            ))  # fmt: skip
    agreement = next((proof.agreement for proof in proofs if proof.agreement), None)
    end = f"\ndifferences from the model on {agreement.pictures} pictures" if agreement else ""
    return columns(rows, right=(1, 3, 4, 5)) + end


def _results(agreement: Agreement | None) -> str:
    if agreement is None:
        return "not compared"
    parts = [f"{name} {value:.1%}" for name, value in agreement.results.items()]
    return ", ".join(parts) or "nothing found"


def as_json(job: Job, proofs: Sequence[Proof]) -> str:
    """Return the comparison for other programs."""
    files: list[dict[str, Any]] = [
        {
            "file": proof.step.file.name,
            "format": proof.step.format,
            "precision": proof.step.precision,
            "bytes": proof.size,
            "agreement": proof.agreement.to_dict() if proof.agreement else None,
        }
        for proof in proofs
    ]
    return json.dumps({"model": job.path.name, "files": files}, indent=1) + "\n"


def postprocessed(file: Path, spec: ModelSpec) -> ModelSpec:
    """Put the decoding of a classifier or an SSD into a file; return the spec that reads it then.

    A file of a format, or a model of a task, that has no such decoding stays as it is.
    """
    if file.suffix == ".tflite":
        from edgecv.converters.classifier_softmax import add_softmax
        from edgecv.converters.ssd_postprocess import add_postprocess

        add = {"classifier": add_softmax, "ssd": add_postprocess}.get(spec.decoder)
        if add is not None:
            data, spec = add(file.read_bytes(), spec)
            file.write_bytes(data)
    elif file.suffix == ".xml" and spec.decoder == "ssd":
        from edgecv.converters.openvino_detection import add_detection_output

        spec = add_detection_output(file, spec)
    return spec
