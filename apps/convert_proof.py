"""What `edgecv convert` shows of the files it made: how far they are from the model, in a table."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from edgecv.converters.agreement import (
    Agreement,
    Answers,
    answers,
    compare,
    random_tensors,
    raw_answers,
)
from edgecv.converters.edgetpu_compiler import CompileReport
from edgecv.converters.keras_source import Source, SourceSession
from edgecv.converters.parity import picture

from edgecv.datasets import PICTURES, spread
from edgecv.errors import DataError, InferenceError
from edgecv.image import read_image
from edgecv.model import Model, load
from edgecv.progress import bar
from edgecv.session import Session, open_session
from edgecv.spec import ModelSpec
from edgecv.types import Image, TensorSpec

from .common import warn
from .convert import Job, Step
from .table import columns

if TYPE_CHECKING:
    from .convert_run import Made

MADE_UP = 8
"""How many pictures, or tensors, are made up where none are given."""

WANTED, LARGEST = 1e-4, 1e-2
"""How far numbers of a float32 file should be from the model's, and may be: both are parts of the
span of an output's numbers."""

EXPLAINED, UNRELATED, SAME = 0.5, -1.0, 0.5
"""What a file is held to that was made of integers; see `_check_integers`."""


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

    Where nothing says how a picture goes in, they are run on random tensors, and numbers are
    compared alone.

    Args:
        job: What was to be done.
        args: The command line.
        source: The model, where it comes from Keras.
        made: The files.

    Raises:
        InferenceError: A file says something else than the model: one of float32, or one that was
            made of integers without quantizing anything.
        DataError: There are no pictures where they should be.
    """
    sizes = [sum(one.file.with_suffix(f.suffix).stat().st_size for f in one.step.files)
             for one in made]  # fmt: skip
    if job.spec is None:
        measure = _raw_measure(job, source)
    else:
        measure = _measure(job, job.spec, args, source)
    proofs = []
    for one, size in zip(made, sizes, strict=True):
        agreement = None if one.step.format == "coral" else measure(one)
        if agreement is not None and one.step.precision == "fp32":
            _check(one.step, agreement)
        elif agreement is not None and job.quantized and one.step.format != job.kind:
            _check_integers(one.step, agreement)
        proofs.append(Proof(one.step, size, agreement))
    return proofs


def _measure(
    job: Job, spec: ModelSpec, args: argparse.Namespace, source: Source | None
) -> Callable[[Made], Agreement]:
    """Run the model on pictures; return what runs a file on them and compares."""
    images = _pictures(args, spec, source, job.path)
    with _reference(job, source) as model:
        was = answers(model, images)
    return lambda one: _agreement(one, was, images, decoded=args.postprocess)


def _raw_measure(job: Job, source: Source | None) -> Callable[[Made], Agreement]:
    """Run the model on random tensors; return what runs a file on them and compares."""
    opened: Session = (
        SourceSession(source)
        if source is not None
        else open_session(job.path, device="cpu").session
    )
    with closing(opened) as session:
        tensors = random_tensors(session.inputs, MADE_UP)
        was = raw_answers(session, tensors)

    def measure(one: Made) -> Agreement:
        made = open_session(one.file, device="cpu", runtime=one.step.format).session
        with closing(made) as session:
            return compare(was, raw_answers(session, tensors))

    return measure


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
        if gap.largest > WANTED * max(gap.spread, 1):
            warn(f"{step.file.name}: {gap.name} differs by {gap.largest:.2g} from the model's")


def _check_integers(step: Step, agreement: Agreement) -> None:
    """Refuse nonsense that was made of a quantized model; other differences are only shown.

    No two runtimes round integers alike from layer to layer, and processors without VNNI saturate
    some of OpenVINO's sums, so that no single number can be relied on. What counts is how much of
    the variance of a model's numbers the file's explain (R2): more than they miss, 0.5, or where
    detections come out that may change places, that at least half of the results are the same and
    the numbers are not worse than unrelated ones, -1. Wrong scales and zero points fall below.

    Raises:
        InferenceError: The file says something else.
    """
    same = max(agreement.results.values(), default=0.0) >= SAME
    for gap in agreement.gaps:
        if not gap.explained >= (UNRELATED if same else EXPLAINED):
            raise InferenceError(
                f"{step.file.name} does not say what the model says: of {gap.name} it explains "
                f"{gap.explained:.2f} of the variance (R2; {EXPLAINED:g} at least is wanted, 1 is "
                "all). Nothing is written"
            )
    if not agreement.gaps and agreement.things and not same:
        raise InferenceError(
            f"{step.file.name} does not say what the model says: {_results(agreement)}, of which "
            f"{SAME:.0%} at least is wanted. Nothing is written"
        )
    if agreement.things and not same:
        warn(f"{step.file.name}: most results are not the model's ({_results(agreement)})")


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


def as_text(job: Job, proofs: Sequence[Proof]) -> str:
    """Return a table: a line for each output of each file."""
    what = "pictures"
    if job.spec is None:
        what = "tensors of random numbers, as nothing says how it takes a picture"
    rows = [("file", "kB", "output", "largest", "mean", "of", "results")]
    for proof in proofs:
        said = _results(proof.agreement)
        if job.spec is None and proof.agreement:
            said = "numbers alone"
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
    end = f"\ndifferences from the model on {agreement.pictures} {what}" if agreement else ""
    return columns(rows, right=(1, 3, 4, 5)) + end


def _results(agreement: Agreement | None) -> str:
    if agreement is None:
        return "not compared"
    parts = [f"{name} {value:.1%}" for name, value in agreement.results.items()]
    return ", ".join(parts) or "nothing found"


def compiled_text(step: Step, report: CompileReport) -> str:
    """Return what the Edge TPU's compiler said of a file, in lines."""
    total = sum(row.number for row in report.operators)
    lines = [
        f"{step.file}: {report.mapped} of {total} operators on the Edge TPU "
        f"(compiler {report.version})"
    ]
    lines += [f"  on the CPU: {row.number} {row.kind}: {row.status}" for row in report.left]
    memory = {
        "parameters on the chip": report.cached_bytes,
        "free there": report.free_bytes,
        "sent for every picture": report.streamed_bytes,
    }
    said = [f"{size / 1024:.1f} KiB {what}" for what, size in memory.items() if size is not None]
    if said:
        lines.append(f"  memory: {', '.join(said)}")
    return "\n".join(lines)


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
