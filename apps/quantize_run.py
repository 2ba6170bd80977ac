"""The work of `edgecv quantize`: convert, quantize, measure, and write down what became of it."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgecv.converters import CONVERTERS
from edgecv.converters.embed import embed
from edgecv.quantize import SUFFIXES
from edgecv.quantize.card import SECTION, dataset_facts, quantization_card
from edgecv.quantize.contract import Outcome, Terms, Tools, fulfil
from edgecv.quantize.examples import Side, examples, files_of
from edgecv.quantize.ladder import RESCUES, Step
from edgecv.quantize.recipe import QuantRecipe
from edgecv.quantize.report import Chapter, report
from edgecv.quantize.samples import calibration_tensors, choose, find_pictures
from edgecv.quantize.timing import latencies

import edgecv
from edgecv import modelfile
from edgecv.errors import DataError, ModelFileError
from edgecv.evaluation.record import Evaluation
from edgecv.model import Model, load
from edgecv.models import needs_tensorflow
from edgecv.progress import bar
from edgecv.spec import ModelSpec
from edgecv.types import Array
from edgecv.zoo import checksums

from .quantize_data import KINDS, classes_of, step_line

if TYPE_CHECKING:
    from .quantize import Job

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "tflite": ("ai-edge-litert",),
    "openvino": ("openvino", "nncf"),
    "onnx": ("onnxruntime", "onnx"),
}
"""What quantizes and runs each format."""


class Done(NamedTuple):
    """What became of one target.

    Attributes:
        outcome: The best file, and what it is worth.
        card: Everything that is known of it, as it travels inside it.
        spec: What its tensors mean.
    """

    outcome: Outcome
    card: dict[str, Any]
    spec: ModelSpec


def quantize(job: Job, args: argparse.Namespace, folder: Path) -> list[Done]:
    """Quantize for each target within the terms; put specs and verdicts into what holds.

    Args:
        job: What is to be done.
        args: The command line.
        folder: Where to work.

    Raises:
        EdgeCVError: Something could not be done.
    """
    pictures = find_pictures(args.data)
    terms = terms_of(args, job.recipe)
    source = checksums.compute(job.path)
    done = []
    for target in job.targets:
        outcome = _outcome(job, args, target, folder=folder, terms=terms, pictures=pictures)
        used = _used(pictures, outcome.best.recipe)
        own = quantization_card(
            outcome,
            terms,
            calibration=dataset_facts(args.data, used),
            evaluation=dataset_facts(args.eval, files_of(job.data), layout=job.measure.layout),
            versions=_versions(target),
        )
        note = f"Quantized to int8 from {job.path.name} ({source})."
        spec = job.spec.with_changes(
            name=job.finals[target][0].stem, notes=f"{job.spec.notes} {note}".strip()
        )
        card = {**modelfile.embedded_card(job.path), SECTION: own}
        if outcome.held:
            embed(outcome.made.file, spec=spec, card=card)
        done.append(Done(outcome, card, spec))
    return done


def terms_of(args: argparse.Namespace, recipe: QuantRecipe) -> Terms:
    """Return what the command line asks a quantized model to hold to."""
    return Terms(max_drop=args.max_drop, metric=args.metric, sure=args.sure, seed=recipe.seed)


def write_report(job: Job, args: argparse.Namespace, done: Sequence[Done], folder: Path) -> Path:
    """Write the report into the folder and return the file."""
    terms = terms_of(args, job.recipe)
    chapters = []
    for one in done:
        outcome = one.outcome
        files = {"float": outcome.source, "int8": outcome.made.file}
        opened = partial(_opened, target=outcome.target, args=args)
        with opened(files["float"], job.spec) as before, opened(files["int8"], job.spec) as after:
            sides = Side(before, outcome.before), Side(after, outcome.made.evaluation)
            chapters.append(
                Chapter(
                    outcome,
                    one.card[SECTION],
                    latencies(files, runtime=outcome.target),
                    examples(job.data, *sides),
                )
            )
    file = folder / "report.html"
    title = f"{job.spec.name}: float to INT8"
    file.write_text(report(title, chapters, terms=terms, facts=_facts(job, done)), encoding="utf-8")
    return file


def _outcome(
    job: Job,
    args: argparse.Namespace,
    target: str,
    *,
    folder: Path,
    terms: Terms,
    pictures: Sequence[Path],
) -> Outcome:
    print(f"{target}:", flush=True)
    source = _float_file(job, target, folder)

    def calibrate(recipe: QuantRecipe) -> list[Array]:
        if recipe.samples > job.recipe.samples >= len(pictures):
            raise DataError(f"{args.data} holds {len(pictures)} pictures, and all are used already")
        key = (recipe.samples, recipe.seed)
        if key not in kept:
            kept.clear()  # one set at a time: a thousand pictures are half a gigabyte
            kept[key] = calibration_tensors(
                source, job.spec, args.data, count=recipe.samples, seed=recipe.seed
            )
        return kept[key]

    def tell(step: Step) -> None:
        print(f"  {step_line(step)}", flush=True)

    kept: dict[tuple[int, int], list[Array]] = {}
    measure = partial(_evaluate, job, args, target)
    train = partial(_train, job, args, folder)
    inspect, classes = args.report is not None, len(job.spec.labels)
    tools = Tools(calibrate, measure, train, tell, bar, inspect=inspect, classes=classes)
    return fulfil(
        target,
        source,
        folder,
        recipe=job.recipe,
        terms=terms,
        tools=tools,
        rungs=() if args.no_rescue else RESCUES,
    )


def _used(pictures: Sequence[Path], recipe: QuantRecipe) -> Sequence[Path]:
    """Return the calibration pictures of a recipe."""
    if recipe.samples >= len(pictures):
        return pictures
    chosen: Sequence[Path] = choose(pictures, count=recipe.samples, seed=recipe.seed)
    return chosen


def _float_file(job: Job, target: str, folder: Path) -> Path:
    """Return the float32 file of a format: the model itself, or what it is converted to.

    From Keras every format is made through one TFLite file: TensorFlow works once.
    """
    kind = KINDS[job.path.suffix]
    made = folder / f"{target}-float{SUFFIXES[target]}"
    if kind == target:
        return job.path
    if made.exists():
        return made
    if kind == "keras":
        _refuse_rounded(job.path)
    through_tflite = kind == "keras" and target != "tflite"
    source = _float_file(job, "tflite", folder) if through_tflite else job.path
    name = f"{KINDS[source.suffix]}>{target}"
    CONVERTERS.load(name)(source, made, precision="fp32")
    embed(made, spec=job.spec, card=None)
    return made


def _refuse_rounded(path: Path) -> None:
    """Refuse a network that computes with the rounding of INT8 already: it is no float model.

    Raises:
        ModelFileError: It does.
        PackageMissingError: TensorFlow is not installed.
    """
    needs_tensorflow()
    from edgecv.training.qat.network import is_quantized

    if is_quantized(path):
        raise ModelFileError(
            f"{path.name} was trained for INT8 and has its ranges inside: there is nothing to "
            "quantize. Give the float model that the training started from"
        )


def _evaluate(job: Job, args: argparse.Namespace, target: str, file: Path) -> Evaluation:
    options = argparse.Namespace(
        classes=classes_of(job.spec, job.data),
        limit=None,
        margin=args.margin,
        detector=args.detector,
        device="cpu",
        threads=args.threads,
    )
    opened = _opened(file, job.spec, target=target, args=args)
    with opened as model, bar(f"  {target}: measuring") as tell:
        return job.measure.evaluate(model, job.data, options, tell)


def _opened(file: Path, spec: ModelSpec, *, target: str, args: argparse.Namespace) -> Model:
    return load(file, device="cpu", runtime=target, threads=args.threads, spec=spec)


def _train(
    job: Job, args: argparse.Namespace, folder: Path, file: Path, recipe: QuantRecipe
) -> None:
    """Teach the network the rounding of INT8, and write its TFLite file.

    Raises:
        DataError: That cannot be had from this model, for this format, or with these pictures.
    """
    if job.path.suffix != ".keras":
        raise DataError(f"only .keras files can be trained on, and this is {job.path.name}")
    if file.suffix != SUFFIXES["tflite"]:
        raise DataError("what is trained for INT8 becomes a TFLite file and no other")
    from edgecv.converters import keras_qat

    from edgecv.training.qat.tune import finetune

    pictures = args.train or args.data
    tuned = finetune(job.path, pictures, folder / "training", seed=recipe.seed)
    keras_qat.convert(tuned, file, inputs=recipe.inputs, outputs=recipe.outputs)


def _facts(job: Job, done: Sequence[Done]) -> dict[str, str]:
    facts = {"model": str(job.path.name), "sha256": checksums.compute(job.path)}
    for one in done:
        values = one.card[SECTION]
        for name in ("calibration", "evaluation"):
            text = f"{values[name]['files']} pictures of {values[name]['folder']}"
            facts[f"{name}, {one.outcome.target}"] = f"{text} (sha256 {values[name]['sha256']})"
        facts |= values["versions"]
    return facts


def _versions(target: str) -> dict[str, str]:
    found = {"edgecv": edgecv.__version__, "python": platform.python_version()}
    found |= {name: metadata.version(name) for name in ("numpy", *PACKAGES[target])}
    return {**found, "machine": platform.machine()}
