"""`edgecv train`: from a recipe to a trained network, in a folder that a later run goes on from."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from edgecv.cache import write_atomic
from edgecv.registry import package_missing
from edgecv.training.errors import RecipeError
from edgecv.training.memory import keep_memory
from edgecv.training.recipe import read_recipe, recipe_names

from .common import UsageError

if TYPE_CHECKING:
    from edgecv.training.recipe import Recipe

EPILOG = """\
examples:
  edgecv train flowers_mobilenet_v2 --out run --set data.train=f/train --set data.val=f/val
  edgecv train mine.toml --out run --preview batch.png      look at a batch before anything else
  edgecv train mine.toml --out run --dry-run                what would be trained, and how fast
  edgecv train mine.toml --out run --resume                 go on, after kill -9 too
  edgecv eval classify --model run/best.keras --data flowers/val
  edgecv train mine.toml --out int8 --set qat.start=run/best.keras --set optimizer.lr=1e-4 \\
      --set run.epochs=5                                    go on with the rounding of INT8

recipes that come with edgecv:
  {recipes}

With qat.start, a network that is trained already learns with its batch norms folded and its values
rounded as INT8 rounds them. best.keras then has the ranges inside: `edgecv eval` measures what INT8
is worth, and a conversion to INT8 needs no calibration.

The folder holds best.keras (the trained model), last.npz and best.npz (checkpoints), history.csv,
history.json, report.html and tensorboard/. Several machines train together where TF_CONFIG names
them; the first one writes the files.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.epilog = EPILOG.format(recipes=", ".join(recipe_names()) or "none")
    parser.add_argument(
        "recipe", metavar="RECIPE", help="a .toml file, or the name of a recipe below"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="changes",
        help="change the recipe, as in optimizer.lr=0.01; may be given several times",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder of the training")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the training in the folder, if there is"
    )
    parser.add_argument(
        "--preview", type=Path, metavar="FILE.png", help="draw what the network will see, and end"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="make a few steps, say what there is, write nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Train, or show what would be trained."""
    try:
        recipe = read_recipe(args.recipe, args.changes)
    except RecipeError as error:
        raise UsageError(str(error)) from error
    if args.out is None and not (args.preview or args.dry_run):
        raise UsageError("name the folder of the training: --out DIR")
    if args.out is not None and not (args.resume or args.preview or args.dry_run):
        _refuse_started(args.out)
    keep_memory()
    try:
        import tensorflow  # noqa: F401
    except ModuleNotFoundError as error:
        raise package_missing("tensorflow", "train") from error
    try:
        return _act(recipe, args)
    except RecipeError as error:
        raise UsageError(str(error)) from error


def _act(recipe: Recipe, args: argparse.Namespace) -> int:
    if args.preview:
        return _preview(recipe, args.preview)
    if args.dry_run:
        return _rehearse(recipe)
    return _train(recipe, args.out, resume=args.resume)


def _train(recipe: Recipe, out: Path, *, resume: bool) -> int:
    from edgecv.training.fit import fit

    try:
        outcome = fit(recipe, out, resume=resume, tell=lambda text: print(text, flush=True))
    except (KeyboardInterrupt, SystemExit):
        print(f"edgecv: stopped; the same command with --resume goes on in {out}", file=sys.stderr)
        raise
    if not outcome.is_first:
        return 0
    figures = "  ".join(f"{name} {value:.4f}" for name, value in outcome.figures.items())
    print(f"best epoch {outcome.best_epoch} of {outcome.epochs}  {figures}")
    print(f"{outcome.model}  {outcome.report}")
    return 0


def _preview(recipe: Recipe, file: Path) -> int:
    from edgecv.training.rehearsal import look

    if not cv2.haveImageWriter(file.name):
        raise UsageError(f"--preview {file}: name a picture such as batch.png")
    _, data = cv2.imencode(file.suffix, look(recipe))
    write_atomic(file, data.tobytes())
    print(file)
    return 0


def _rehearse(recipe: Recipe) -> int:
    from edgecv.training.rehearsal import rehearse

    facts = rehearse(recipe)
    width = max(len(name) for name in facts)
    for name, value in facts.items():
        print(f"{name:{width}}  {value}")
    return 0


def _refuse_started(out: Path) -> None:
    """Refuse a folder with a training in it before TensorFlow is loaded."""
    if (out / "last.npz").exists():
        raise UsageError(
            f"{out} holds a training that was started before: --resume goes on with it; "
            "or choose another --out"
        )
