"""`edgecv quantize`: a float model made INT8, under a contract on what that may cost."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from edgecv.quantize import QUANTIZERS, SUFFIXES
from edgecv.quantize.card import interval, lost
from edgecv.quantize.recipe import ENDS, QuantRecipe, read_recipe

from edgecv import modelfile, zoo
from edgecv.errors import ModelFileError, SpecError, unknown_name
from edgecv.model import complete_spec
from edgecv.spec import ModelSpec
from edgecv.training.errors import RecipeError

from .common import UsageError, warn
from .eval import MEASURES, Measure
from .info import check_file
from .options import add_spec_options, count, names, spec_changes
from .quantize_data import KINDS, can_become, check_known, check_layout, limited
from .together import check_free, publish, work_folder

if TYPE_CHECKING:
    from edgecv.quantize.contract import Outcome

    from .quantize_run import Done

BROKEN = 3
"""The exit code of a broken contract."""

EPILOG = """\
The float model and the INT8 one are run by the runtime that they are for, on the pictures of
--eval, and measured as `edgecv eval` does. Where the figure falls by more than --max-drop points
(hundredths), rescues are tried one after the other: more pictures, other ranges, a scale a
channel, bias correction, equalisation, the layers to blame in float, int16 activations, and a short
training with the rounding of INT8 (of .keras classifiers, for TFLite). Each is measured and shown;
what a format does not have is passed over. The first that holds is written; its verdict travels
inside the file, and `edgecv info` prints it.

Where nothing holds, no model is written, for none of the targets, and the exit code is 3; the
layers at fault are named, and --report is written all the same.

What has to hold is the drop that was measured. Its 95 % interval reaches a point beyond it with 300
pictures, even where not one answer changed, and 3 points with 100: --sure asks that the upper end
of the interval holds. Calibrate and evaluate on different pictures. The same pictures and the same
seed give the same files.

examples:
  edgecv quantize run/best.keras --to tflite --data flowers/train --eval flowers/val --out int8/
  edgecv quantize run/best.keras --to tflite,openvino,onnx --data flowers/train \\
      --eval flowers/val --max-drop 1.0 --out int8/ --report int8/report.html
  edgecv quantize ssd.tflite --to tflite --data photos/ --eval coco/ --metric ap50 --out int8/
  edgecv info int8/best_int8.tflite

exit codes: 0 the contract holds; 3 it is broken; 2 the command line is wrong; 1 anything else.
"""
SUFFIX = "_int8"


class Job(NamedTuple):
    """What is to be done.

    Attributes:
        path: The float model.
        spec: What its tensors mean.
        measure: How models of its task are measured.
        data: The labelled pictures.
        targets: The formats.
        recipe: What is tried first.
        finals: The files to be, by format, with those beside them.
    """

    path: Path
    spec: ModelSpec
    measure: Measure
    data: Any
    targets: tuple[str, ...]
    recipe: QuantRecipe
    finals: Mapping[str, tuple[Path, ...]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG
    parser.add_argument(
        "model", metavar="NAME|FILE",
        help="a float .keras, .h5, .tflite, .onnx or OpenVINO .xml file, or a name of "
        "`edgecv models`",
    )  # fmt: skip
    parser.add_argument(
        "--to", required=True, type=names, metavar="FORMATS",
        help=f"one or more of {', '.join(QUANTIZERS)}, with commas between them",
    )  # fmt: skip
    parser.add_argument(
        "--data", required=True, type=Path, metavar="DIR",
        help="pictures to calibrate with, 100 or more, such as those that it was trained on",
    )  # fmt: skip
    parser.add_argument(
        "--eval", required=True, type=Path, metavar="DIR",
        help="labelled pictures to measure on, in a layout of `edgecv eval`",
    )  # fmt: skip
    parser.add_argument(
        "--out", required=True, type=Path, metavar="DIR",
        help=f"the folder to write NAME{SUFFIX}.* into; it is made where it is not there",
    )  # fmt: skip
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a report too")
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    _add_terms(parser)
    _add_recipe(parser)
    parser.add_argument("--threads", type=count("threads"), metavar="N", help="CPU threads")
    add_spec_options(parser)


def _add_terms(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the contract")
    group.add_argument(
        "--max-drop", type=_points, default=1.0, metavar="POINTS",
        help="hundredths that the figure may fall (default: 1.0)",
    )  # fmt: skip
    group.add_argument(
        "--metric", default="", help="top1, top5, ap50, ap, oks, accuracy, tar@1e-3 and the like "
        "(default: the task's main one)",
    )  # fmt: skip
    group.add_argument(
        "--sure", action="store_true", help="the upper end of the 95 %% interval has to hold"
    )
    group.add_argument(
        "--no-rescue", action="store_true", help="try the recipe alone, and no ladder"
    )
    group.add_argument(
        "--train", type=Path, metavar="DIR",
        help="pictures in class folders for the last rescue, training (default: those of --data)",
    )  # fmt: skip
    group.add_argument(
        "--limit", type=count("pictures"), metavar="N",
        help="measure on N pictures, spread evenly over the data",
    )  # fmt: skip
    group.add_argument(
        "--margin", type=float, default=0.0, metavar="PART", help="as in `edgecv eval pose`"
    )
    group.add_argument(
        "--detector", metavar="NAME|FILE",
        help="as in `edgecv eval face-verify` (default: the same)",
    )  # fmt: skip


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is tried first")
    group.add_argument("--recipe", type=Path, metavar="FILE", help="a .toml or .json file")
    group.add_argument(
        "--samples", type=count("pictures"), metavar="N", help="calibrate with N pictures"
    )
    group.add_argument("--seed", type=int, metavar="N", help="which pictures, and which draws")
    for end, what in (("inputs", "takes"), ("outputs", "gives")):
        group.add_argument(f"--{end}", choices=ENDS, help=f"what a TFLite file {what}")


def run(args: argparse.Namespace) -> int:
    """Quantize for each target, measure, and let out what holds."""
    job = _job(args)
    finals = [file for files in job.finals.values() for file in files]
    check_free([*finals, *([args.report] if args.report else [])], force=args.force)
    from . import quantize_run  # what is wrong is said before what runs models is imported

    with work_folder(args.out) as folder:
        done = quantize_run.quantize(job, args, folder)
        held = all(one.outcome.held for one in done)
        files = dict(_moves(job, done)) if held else {}
        if args.report:
            files[quantize_run.write_report(job, args, done, folder)] = args.report
        if files:
            publish(files)
        _say_end(job, done, args)
    return 0 if held else BROKEN


def _job(args: argparse.Namespace) -> Job:
    """Check all that can be checked before anything is run.

    Raises:
        UsageError: What is asked for makes no sense.
        EdgeCVError: A file or a folder is not what it should be.
    """
    named = args.model in zoo.names()
    path = zoo.fetch(args.model) if named else Path(args.model)
    _check_file(path)
    targets = _targets(path, args.to)
    recipe = _recipe(args)
    found = zoo.spec(args.model) if named else None
    spec = complete_spec(path, found, spec_changes(args, "") or None)
    measure = _measure(spec)
    check_layout(args.eval, measure.layout, spec.task)
    data = limited(measure.read(args.eval), args.limit)
    check_known(spec, data)
    folders = args.eval.resolve(), args.data.resolve()
    if folders[0].is_relative_to(folders[1]) or folders[1].is_relative_to(folders[0]):
        warn("calibrated and measured on the same pictures: the drop will look too small")
    finals = {target: _finals(args.out, path.stem, target) for target in targets}
    return Job(path, spec, measure, data, targets, recipe, finals)


def _check_file(path: Path) -> None:
    """Refuse what is no model file; an .h5 file is read when it is converted.

    Raises:
        ModelFileError: It is not there, damaged or of another kind.
    """
    if path.suffix != ".h5":
        check_file(path)
    elif not path.is_file():
        raise ModelFileError(f"cannot read {path}: it is no file")


def _targets(path: Path, wanted: Sequence[str]) -> tuple[str, ...]:
    for target in wanted:
        if target not in QUANTIZERS:
            raise UsageError(str(unknown_name("format", target, QUANTIZERS)))
        can = [suffix for suffix in KINDS if can_become(suffix, target)]
        if path.suffix not in can:
            raise UsageError(
                f"{path.name} cannot become {target}: files that can are {', '.join(can)}"
            )
    return tuple(dict.fromkeys(wanted))


def _recipe(args: argparse.Namespace) -> QuantRecipe:
    try:
        recipe = read_recipe(args.recipe) if args.recipe else QuantRecipe()
        changes = {
            name: getattr(args, name)
            for name in ("samples", "seed", "inputs", "outputs")
            if getattr(args, name) is not None
        }
        return replace(recipe, **changes)
    except RecipeError as error:
        raise UsageError(str(error)) from error


def _measure(spec: ModelSpec) -> Measure:
    for measure in MEASURES.values():
        if measure.task == spec.task:
            return measure
    known = ", ".join(measure.task for measure in MEASURES.values())
    raise SpecError(
        f"{spec.name} is a model for {spec.task}, and there is no measure of that: a contract can "
        f"be made on {known}"
    )


def _finals(out: Path, stem: str, target: str) -> tuple[Path, ...]:
    file = out / f"{stem}{SUFFIX}{SUFFIXES[target]}"
    return (file, file.with_suffix(".bin")) if target == "openvino" else (file,)


def _moves(job: Job, done: Sequence[Done]) -> Iterator[tuple[Path, Path]]:
    """Yield where each finished file is, and its name."""
    for one in done:
        for final in job.finals[one.outcome.target]:
            yield one.outcome.made.file.with_suffix(final.suffix), final


def _say_end(job: Job, done: Sequence[Done], args: argparse.Namespace) -> None:
    held = all(one.outcome.held for one in done)
    for one in done:
        outcome = one.outcome
        if held:
            file = job.finals[outcome.target][0]
            sizes = [modelfile.size_of(each) / 1e3 for each in (outcome.source, file)]
            print(f"{file}  {sizes[0]:.0f} kB -> {sizes[1]:.0f} kB")
        elif outcome.held:
            warn(f"{outcome.target} holds, and is held back by the others: --to {outcome.target}")
        else:
            warn(_fault(outcome))
    if args.report:
        print(args.report)


def _fault(outcome: Outcome) -> str:
    """Say what broke a contract."""
    drop = outcome.comparison.drop
    layers = ", ".join(f"{layer.name} ({layer.sqnr_db:.1f} dB)" for layer in outcome.noise[:3])
    noisy = f"; the noisiest layers: {layers}" if layers else ""
    return (
        f"{outcome.target} breaks the contract: {outcome.comparison.metric} "
        f"{lost(drop.value)} at best ({interval(drop.low, drop.high)}), by "
        f"{outcome.best.rung.name!r}{noisy}"
    )


def _points(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"a drop is in points, 0 to 100, got {text}")
    return value
