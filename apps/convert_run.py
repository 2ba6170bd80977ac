"""The work of `edgecv convert`: every file made, given its spec and card, compared, and let out."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, NamedTuple

from edgecv.converters import CONVERTERS, SUFFIXES, keras_tflite
from edgecv.converters.edgetpu_compiler import CompileReport, compile_file
from edgecv.converters.embed import embed
from edgecv.converters.keras_source import Source, read_source
from edgecv.converters.quantized import is_quantized
from edgecv.quantize import QUANTIZERS
from edgecv.quantize.card import SECTION, dataset_facts
from edgecv.quantize.samples import calibration_tensors, choose, find_pictures

import edgecv
from edgecv import modelfile
from edgecv.cache import write_atomic
from edgecv.errors import SpecError
from edgecv.progress import Report, bar
from edgecv.spec import ModelSpec
from edgecv.types import Array
from edgecv.zoo import checksums

from . import convert_proof
from .common import UsageError
from .convert import Job, Step
from .together import check_free, publish, work_folder

PACKAGES: Mapping[str, Sequence[str]] = {
    "coral": ("tensorflow",),
    "onnx": ("tensorflow", "tf2onnx", "onnx"),
    "openvino": ("tensorflow", "openvino"),
    "tflite": ("tensorflow",),
}
"""What converts into each format."""

QUANTIZED_BY = {
    "coral": "ai-edge-litert",
    "onnx": "onnxruntime",
    "openvino": "nncf",
    "tflite": "ai-edge-litert",
}


class Made(NamedTuple):
    """A file that is finished but for its name.

    Attributes:
        step: Which one it is.
        file: Where it is.
        spec: What its tensors mean.
        report: What the Edge TPU's compiler said of it; None of other files.
    """

    step: Step
    file: Path
    spec: ModelSpec | None
    report: CompileReport | None = None


def convert(job: Job, args: argparse.Namespace) -> int:
    """Make all files, compare them with the model, and give them their names."""
    if is_quantized(job.path):
        job = _named_int8(job, args)
    finals = [file for step in job.steps for file in step.files]
    check_free([*finals, *filter(None, [args.report])], force=args.force)
    with work_folder(args.out) as folder:
        works = _Works(job, args, folder)
        made = []
        for number, step in enumerate(job.steps):
            with bar(f"{step.format} {step.precision}") as tell:
                tell(number, len(job.steps))
                made.append(_make(works, step, tell))
        proofs = convert_proof.prove(job, args, works.source, made)
        files = {
            one.file.with_suffix(final.suffix): final for one in made for final in one.step.files
        }
        if args.report:
            report = folder / "report.json"
            report.write_text(convert_proof.as_json(job, proofs), encoding="utf-8")
            files[report] = args.report
        publish(files)
    print(convert_proof.as_text(job, proofs))
    for one in made:
        if one.report is not None:
            print(convert_proof.compiled_text(one.step, one.report))
    return 0


def _named_int8(job: Job, args: argparse.Namespace) -> Job:
    """Let files that are made of a quantized one be called int8, which they stay in any format.

    Raises:
        UsageError: They are to be quantized once more.
    """
    steps: dict[Path, Step] = {}
    name = job.path.stem if job.path.stem.endswith("_int8") else f"{job.path.stem}_int8"
    for step in job.steps:
        if step.format not in ("coral", job.kind):
            if step.precision == "int8":
                raise UsageError(
                    f"{job.path.name} is quantized already, and stays so in {step.format}: leave "
                    "int8 and --calibration out"
                )
            step = Step(step.format, "int8", args.out / f"{name}{step.file.suffix}")
        steps.setdefault(step.file, step)
    return job._replace(steps=tuple(steps.values()), quantized=True)


@dataclass
class _Works:
    """Where a conversion happens, and what several of its files are made of.

    Attributes:
        job: What is to be done.
        args: The command line.
        folder: Where files lie until they are let out.
        floats: The files made so far without quantizing, by format.
    """

    job: Job
    args: argparse.Namespace
    folder: Path
    floats: dict[str, Path] = field(default_factory=dict)

    @cached_property
    def source(self) -> Source | None:
        """The model as a frozen function; None where it is no Keras model."""
        return read_source(self.job.path) if self.job.kind == "keras" else None

    @cached_property
    def pictures(self) -> Sequence[Path]:
        """The calibration pictures."""
        found: Sequence[Path] = find_pictures(self.args.calibration)
        recipe = self.job.recipe
        if recipe.samples < len(found):
            found = choose(found, count=recipe.samples, seed=recipe.seed)
        return found

    @cached_property
    def tensors(self) -> list[Array]:
        """The calibration pictures as input tensors, which are the same for all formats."""
        recipe, spec = self.job.recipe, self.job.spec
        if spec is None:
            raise SpecError(f"{self.job.path.name} says nothing of its input")
        path = next(iter(self.floats.values()))
        found: list[Array] = calibration_tensors(
            path, spec, self.args.calibration, count=recipe.samples, seed=recipe.seed
        )
        return found

    @cached_property
    def digest(self) -> str:
        """The model's SHA-256; of a folder, that of the sums of its files."""
        if self.job.path.is_file():
            return checksums.compute(self.job.path)
        found = hashlib.sha256()
        for file in sorted(self.job.path.rglob("*")):
            if file.is_file():
                found.update(f"{file.relative_to(self.job.path)} ".encode())
                found.update(checksums.compute(file).encode())
        return found.hexdigest()


def _make(works: _Works, step: Step, tell: Report) -> Made:
    """Make one file and put in what it is to carry."""
    if step.format == "coral":
        return _compiled(works, step)
    target = works.folder / step.file.name
    if step.precision == "int8" and works.job.rounded:
        keras_qat = import_module("edgecv.converters.keras_qat")  # Keras comes with it
        recipe = works.job.recipe
        keras_qat.convert(works.job.path, target, inputs=recipe.inputs, outputs=recipe.outputs)
    elif step.precision == "int8" and not (works.job.quantized and step.format != works.job.kind):
        source = _float(works, step.format)
        quantize = QUANTIZERS.load(step.format)
        quantize(source, target, works.tensors, works.job.recipe, report=tell)
    elif step.precision in ("fp32", "int8"):
        target = _copied(_float(works, step.format), target)
    else:
        _converted(works, step.format, target, precision=step.precision)
    spec = works.job.spec and works.job.spec.with_changes(name=step.file.stem)
    if works.args.postprocess and spec is not None:
        spec = convert_proof.postprocessed(target, spec)
    embed(target, spec=spec, card=_card(works, step))
    return Made(step, target, spec)


def _float(works: _Works, target: str) -> Path:
    """Return the file of a format before it is quantized, which knows its spec.

    It is the model itself if that is of this format.
    """
    if target == works.job.kind:
        return works.floats.setdefault(target, works.job.path)
    if target not in works.floats:
        made = works.folder / f"float-{target}" / f"{works.job.path.stem}{SUFFIXES[target]}"
        made.parent.mkdir()
        _converted(works, target, made, precision="fp32")
        embed(made, spec=works.job.spec, card=None)
        works.floats[target] = made
    return works.floats[target]


def _converted(works: _Works, target: str, made: Path, *, precision: str) -> None:
    """Convert the model, from Keras to all formats through one TFLite file."""
    job = works.job
    if works.source is None:
        CONVERTERS.load(f"{job.kind}>{target}")(job.path, made, precision=precision)
    elif target == "tflite":
        data = keras_tflite.tflite_bytes(works.source, precision=precision, name=job.path.name)
        write_atomic(made, data)
    else:
        CONVERTERS.load(f"tflite>{target}")(_float(works, "tflite"), made, precision=precision)


def _copied(source: Path, target: Path) -> Path:
    """Copy a file, with its twin where it is one of a pair."""
    for suffix in {source.suffix, ".bin"} if source.suffix == ".xml" else {source.suffix}:
        target.with_suffix(suffix).write_bytes(source.with_suffix(suffix).read_bytes())
    return target


def _compiled(works: _Works, step: Step) -> Made:
    """Compile for the Edge TPU: the model itself, or its int8 form in TFLite."""
    target = works.folder / step.file.name
    if works.job.kind == "tflite" and works.args.calibration is None:
        source, spec = works.job.path, works.job.spec
    else:
        plain = Step("tflite", "int8", works.folder / f"{works.job.path.stem}_plain.tflite")
        made = _make(works, plain, lambda done, total: None)
        source, spec = made.file, made.spec
    spec = spec and spec.with_changes(name=step.file.stem)
    files = {modelfile.CARD_NAME: json.dumps(_card(works, step), indent=1).encode()}
    if spec is not None:
        files[modelfile.SPEC_NAME] = json.dumps(spec.to_dict()).encode()
    return Made(step, target, spec, compile_file(source, target, files=files))


def _card(works: _Works, step: Step) -> dict[str, Any]:
    """Return how a file came about. No date is in it: the same model gives the same bytes.

    What was measured of a quantized model holds for its own format, and for the Edge TPU, which
    calculates the same: it does not go into files of others.
    """
    job = works.job
    is_file = job.path.is_file() and job.path.suffix in modelfile.SUFFIXES
    card = modelfile.embedded_card(job.path) if is_file else {}
    alone = step.format == "coral" and job.kind == "tflite"
    if step.format != job.kind and not alone:
        card.pop(SECTION, None)
    card["conversion"] = {
        "from": job.path.name,
        "sha256": works.digest,
        "format": step.format,
        "precision": step.precision,
        "versions": _versions(PACKAGES[step.format]),
    }
    if step.precision == "int8" and (job.rounded or works.args.calibration is not None):
        card[SECTION] = {
            "target": step.format,
            "recipe": job.recipe.to_dict(),
            "calibration": "in training"
            if job.rounded
            else dataset_facts(works.args.calibration, works.pictures),
            "versions": _versions((QUANTIZED_BY[step.format],)),
        }
    return card


def _versions(packages: Sequence[str]) -> dict[str, str]:
    found = {"edgecv": edgecv.__version__}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:  # not needed on this way, or built from source
            continue
    return found
