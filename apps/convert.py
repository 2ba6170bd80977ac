"""`edgecv convert`: a model file made into others that devices run better."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from edgecv.converters import PRECISIONS, SUFFIXES
from edgecv.quantize.recipe import ENDS, QuantRecipe, read_recipe

from edgecv import modelfile, rewritten, zoo
from edgecv.errors import ModelFileError, OutputError, PackageMissingError, SpecError
from edgecv.model import complete_spec
from edgecv.models import needs_tensorflow
from edgecv.spec import ModelSpec
from edgecv.training.errors import RecipeError
from edgecv.zoo import checksums

from .common import UsageError, warn
from .options import add_spec_options, count, names, spec_changes

EPILOG = """\
From Keras (.keras, .h5, or the folder of a SavedModel) a file becomes TFLite, OpenVINO's IR and
ONNX, from TFLite OpenVINO's and ONNX, from ONNX OpenVINO's. Inputs and outputs keep their names;
the spec (labels, normalisation, anchors, licence) and the card go into every file. fp16 halves what
weights take, dynamic (TFLite) quarters it, int8 does arithmetic with integers and wants pictures
to find the ranges of values on: --calibration. (A network trained with [qat] has its ranges inside
and becomes TFLite without.) What int8 costs the task, `edgecv quantize` says, and holds to a limit.
A file that is quantized already stays so in another format, and is called NAME_int8 there.

At the end the same photographs (--photos, else those of --calibration, else made-up ones) go
through the model and through every file made of it; how far the outputs and the results are apart
is printed, and written with --report. A float32 file that is far off is refused, and one made of a
quantized model that has little to do with it. Where nothing says how a picture goes in, they are
compared on tensors of random numbers. All files appear at the end, or none does.

--postprocess puts the decoding of classifiers and SSDs into the file, as MediaPipe, Coral's
libraries (TFLite) and OpenVINO Model API want it.

Models of TensorFlow 1's time (SSD-MobileNet, MobileNet and most others of Coral's tutorials) are
uint8 with one scale a tensor. Today's kernels are slow with those, and about twice as fast with
int8 and one scale a channel, which is what --to tflite --int8 makes of them. Nothing is trained,
no pictures are asked for: activations keep their scales, and weights keep their values where a
symmetric scale can hold them. The input stays uint8 and every tensor its name, so that programs
need not change; labels and metadata are kept, and the spec is put in. Before anything is written
to its name, both files are run on the same made-up pictures; ones that do not agree are refused.
The Edge TPU itself gains nothing by that: its compiler takes the uint8 file.

examples:
  edgecv convert run/best.keras --to tflite,openvino,onnx --out export/
  edgecv convert run/best.keras --to tflite,onnx --precision fp16,int8 \\
      --calibration flowers/train --out export/ --report export/parity.json
  edgecv convert saved_model/ --to openvino --task classification --decoder classifier --out ir/
  edgecv convert ssd_mobilenet_v1_coco_int8 --to tflite --int8 --out fast/
  edgecv convert old.tflite --to tflite --int8 --inputs int8 --out fast/   saves one operator more
  edgecv convert mine_int8.tflite --to coral --out tpu/                    needs edgetpu_compiler
"""
SUFFIX = "_per_channel"

KINDS: Mapping[str, str] = {
    ".h5": "keras", ".keras": "keras", ".onnx": "onnx", ".tflite": "tflite", ".xml": "openvino",
}  # fmt: skip
"""What files are, by their ending; a folder is a SavedModel, which counts as Keras."""

TARGETS: Mapping[str, tuple[str, ...]] = {
    "keras": ("coral", "onnx", "openvino", "tflite"),
    "onnx": ("onnx", "openvino"),
    "openvino": ("openvino",),
    "tflite": ("coral", "onnx", "openvino", "tflite"),
}
"""What can be made of each kind. Of its own format a file is made int8 and nothing else."""

ALL_PRECISIONS = ("fp32", "fp16", "dynamic", "int8")


class Step(NamedTuple):
    """One file to be.

    Attributes:
        format: "tflite", "openvino", "onnx" or "coral".
        precision: One of `ALL_PRECISIONS`.
        file: Its name.
    """

    format: str
    precision: str
    file: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """The file with those that belong to it."""
        pair = self.file.suffix == ".xml"
        return (self.file, self.file.with_suffix(".bin")) if pair else (self.file,)


class Job(NamedTuple):
    """What is to be done.

    Attributes:
        path: The model.
        kind: What it is, a value of `KINDS`.
        spec: What its tensors mean; None where nothing says so.
        steps: The files to be.
        recipe: How int8 is made.
        rounded: It was trained for INT8, and has its ranges inside.
        quantized: It calculates with integers already.
    """

    path: Path
    kind: str
    spec: ModelSpec | None
    steps: tuple[Step, ...]
    recipe: QuantRecipe
    rounded: bool = False
    quantized: bool = False


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    parser.add_argument(
        "model", metavar="NAME|FILE",
        help="a name of `edgecv models`, a file, or the folder of a SavedModel",
    )  # fmt: skip
    known = sorted({to for targets in TARGETS.values() for to in targets})
    parser.add_argument(
        "--to", required=True, type=names, metavar="FORMATS",
        help=f"one or more of {', '.join(known)}, with commas between them",
    )  # fmt: skip
    parser.add_argument(
        "--precision", type=names, default=(), metavar="P",
        help=f"one or more of {', '.join(ALL_PRECISIONS)} (default: fp32)",
    )  # fmt: skip
    parser.add_argument("--int8", action="store_true", help="the same as --precision int8")
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR",
        help="the folder to write NAME_PRECISION.* into; it is made where it is not there",
    )  # fmt: skip
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.add_argument(
        "--postprocess", action="store_true",
        help="put softmax, or boxes and their suppression, into the files (TFLite, OpenVINO)",
    )  # fmt: skip
    _add_int8(parser)
    _add_proof(parser)
    add_spec_options(parser)


def _add_int8(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("int8")
    group.add_argument(
        "--calibration", type=Path, metavar="DIR",
        help="pictures to find the ranges of values on, 100 or more",
    )  # fmt: skip
    group.add_argument("--recipe", type=Path, metavar="FILE", help="a .toml or .json file")
    group.add_argument(
        "--samples", type=count("pictures"), metavar="N", help="calibrate with N pictures"
    )
    group.add_argument("--seed", type=int, metavar="N", help="which pictures")
    group.add_argument(
        "--inputs", choices=ENDS,
        help="what a TFLite file takes (default: int8; of old uint8 files: uint8)",
    )  # fmt: skip
    group.add_argument("--outputs", choices=ENDS, help="what a TFLite file gives (default: int8)")


def _add_proof(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("proof")
    group.add_argument(
        "--photos", type=Path, metavar="DIR", help="pictures to compare the files on"
    )
    group.add_argument(
        "--compare", type=count("pictures"), default=16, metavar="N",
        help="compare on N pictures (default: 16)",
    )  # fmt: skip
    group.add_argument("--report", type=Path, metavar="FILE", help="write the comparison as JSON")


def run(args: argparse.Namespace) -> int:
    """Convert one model, and say what became of it."""
    named = args.model in zoo.names()
    path = zoo.fetch(args.model) if named else Path(args.model)
    kind = _kind(path)
    precisions = _precisions(args)
    _check_targets(path, kind, args.to)
    if kind == "tflite" and "tflite" in args.to and args.calibration is None:
        return tflite_to_tflite(path, args, precisions)
    steps = _steps(path, kind, args, precisions)
    rounded = any(step.precision == "int8" for step in steps) and _is_rounded(path, kind)
    job = Job(path, kind, _spec(path, args), steps, _recipe(args), rounded)
    _check(job, args)
    from . import convert_run  # what is wrong is said before what converts is imported

    return convert_run.convert(job, args)


def _kind(path: Path) -> str:
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise ModelFileError(f"{path} is no SavedModel: there is no saved_model.pb in it")
        return "keras"
    if path.suffix != ".h5":
        modelfile.check(path)
    elif not path.is_file():
        raise ModelFileError(f"cannot read {path}: No such file or directory")
    return KINDS[path.suffix]


def _precisions(args: argparse.Namespace) -> tuple[str, ...]:
    wanted = (*args.precision, *(("int8",) if args.int8 else ()))
    for precision in wanted:
        if precision not in ALL_PRECISIONS:
            raise UsageError(f"no precision {precision!r}; there are {', '.join(ALL_PRECISIONS)}")
    return tuple(dict.fromkeys(wanted))


def _check_targets(path: Path, kind: str, wanted: Sequence[str]) -> None:
    for target in wanted:
        if target not in {to for targets in TARGETS.values() for to in targets}:
            raise UsageError(f"no format {target!r}; there are {', '.join(TARGETS['keras'])}")
        if target not in TARGETS[kind]:
            can = [suffix for suffix, other in KINDS.items() if target in TARGETS[other]]
            raise ModelFileError(
                f"{path.name} cannot be converted to {target}: files that can are {', '.join(can)}"
            )


def _steps(
    path: Path, kind: str, args: argparse.Namespace, precisions: Sequence[str]
) -> tuple[Step, ...]:
    """Return the files to be; a precision that a format does not have is left out for it.

    Raises:
        UsageError: That leaves a format without any, or a float file would be made of its like.
    """
    steps = []
    for target in dict.fromkeys(args.to):
        known = ("int8",) if target == "coral" else (*PRECISIONS[target], "int8")
        if target == kind:
            known = ("int8",)
        wanted = [p for p in precisions or ("fp32",) if p in known]
        wanted = ["int8"] if target == "coral" else wanted
        if not wanted:
            raise UsageError(f"from {path.name} to {target} there is {', '.join(known)}")
        for precision in wanted:
            name = f"{path.stem}_{precision}"
            if target == "coral":
                name = f"{path.stem if _is_compiled_alone(kind, args) else name}_edgetpu"
            steps.append(
                Step(target, precision, args.out / f"{name}{SUFFIXES.get(target, '.tflite')}")
            )
    return tuple(steps)


def _is_rounded(path: Path, kind: str) -> bool:
    """Tell whether a network computes with the rounding of INT8 already, from its training."""
    if kind != "keras" or path.suffix != ".keras":
        return False
    needs_tensorflow()
    from edgecv.training.qat.network import is_quantized

    return bool(is_quantized(path))


def _is_compiled_alone(kind: str, args: argparse.Namespace) -> bool:
    """Tell whether the Edge TPU's compiler gets the model as it is."""
    return kind == "tflite" and args.calibration is None


def _check(job: Job, args: argparse.Namespace) -> None:
    """Refuse what would fail after minutes.

    Raises:
        UsageError: Pictures are wanted and not given, or the other way round.
        SpecError: Pictures cannot be prepared, as nothing is known of the model's input.
    """
    compiled = [step for step in job.steps if step.format == "coral"]
    alone = _is_compiled_alone(job.kind, args)
    wants = not job.rounded and any(
        s.precision == "int8" and not (alone and s in compiled) for s in job.steps
    )
    others = {s.format for s in job.steps if s.precision == "int8"} - {"tflite", "coral"}
    if job.rounded and others:
        raise UsageError(
            f"{job.path.name} was trained for INT8, and its ranges are those of TFLite: no INT8 "
            f"form of it can be made for {', '.join(sorted(others))}"
        )
    if wants and args.calibration is None:
        raise UsageError(
            "int8 wants pictures to find the ranges of values on, such as those that the model was "
            "trained on: --calibration DIR"
        )
    if args.calibration is not None and not wants:
        raise UsageError(
            f"{job.path.name} was trained for INT8, its ranges are inside: leave --calibration out"
            if job.rounded
            else "--calibration is for int8: add it to --precision"
        )
    if job.spec is None and (wants or args.postprocess or args.photos):
        raise SpecError(
            f"{job.path.name} says nothing of its task, without which no picture can be prepared "
            "for it: give --task and --decoder, or put a spec beside it"
        )
    recipe = job.recipe
    phones = any(s.format == "tflite" and s.precision == "int8" for s in job.steps)
    if args.postprocess and phones and (recipe.inputs, recipe.outputs) != ("uint8", "float32"):
        warn("MediaPipe takes INT8 files with --inputs uint8 --outputs float32 alone")
    for step in compiled:
        _check_compiler(job.path if alone else args.out / f"{job.path.stem}_int8.tflite", step)


def _check_compiler(source: Path, step: Step) -> None:
    from edgecv.converters.edgetpu_compiler import find_compiler

    try:
        find_compiler(source, step.file)
    except PackageMissingError as error:
        if source.is_file():
            raise
        raise PackageMissingError(
            f"{error}. `--to tflite --precision int8` makes {source.name}", name=error.name
        ) from error


def _recipe(args: argparse.Namespace) -> QuantRecipe:
    try:
        recipe = read_recipe(args.recipe) if args.recipe else QuantRecipe()
        given = {name: getattr(args, name) for name in ("samples", "seed", "inputs", "outputs")}
        return replace(recipe, **{name: v for name, v in given.items() if v is not None})
    except RecipeError as error:
        raise UsageError(str(error)) from error


def tflite_to_tflite(path: Path, args: argparse.Namespace, precisions: Sequence[str]) -> int:
    """Rewrite an old uint8 file to int8 with one scale a channel."""
    if tuple(precisions) != ("int8",) or tuple(args.to) != ("tflite",):
        raise UsageError(
            "from TFLite to TFLite there is one conversion: add --int8 (and --calibration DIR for "
            "a file of floats)"
        )
    inputs = args.inputs or "uint8"
    if inputs == "float32" or args.outputs:
        raise UsageError("of an old uint8 file the input is uint8 or int8, and outputs stay uint8")
    target = args.out / f"{path.stem}{SUFFIX}.tflite"
    if target.exists() and not args.force:
        raise OutputError(f"{target} is there already: --force replaces it")
    spec = _rewritten_spec(path, args, target.stem)
    files = {modelfile.SPEC_NAME: json.dumps(spec.to_dict()).encode()} if spec else {}
    rewrite = rewritten.REWRITERS.load("tflite")
    agreement = rewrite(path, target, int8_inputs=inputs == "int8", files=files)
    print(_report(path, target, agreement, spec))
    return 0


def _rewritten_spec(path: Path, args: argparse.Namespace, made: str) -> ModelSpec | None:
    spec = _spec(path, args)
    if spec is None:
        return None
    origin = f"Rewritten to int8, a scale a channel, from {path.name} ({checksums.compute(path)})."
    return spec.with_changes(name=made, notes=f"{spec.notes} {origin}".strip())


def _spec(path: Path, args: argparse.Namespace) -> ModelSpec | None:
    """Return what is known of a file, for those that are made of it; None where nothing is."""
    found = zoo.spec(args.model) if args.model in zoo.names() else None
    changes = spec_changes(args, args.task or "")
    try:
        return complete_spec(path, found, changes or None)
    except SpecError as error:
        if changes:
            raise
        warn(f"the new file gets no spec: {error}")
        return None


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
