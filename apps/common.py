"""What the commands share: opening models as the command line says, and telling people."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from edgecv import zoo
from edgecv.controls import Controls, GalleryLike
from edgecv.model import Model, complete_spec, load
from edgecv.results import Latency, Result, RunInfo

from .messages import UsageError as UsageError
from .messages import warn as warn
from .options import spec_changes
from .outputs import has_page

AnyKind = TypeVar("AnyKind", bound=Result)

LOWEST_SCORE = 0.1
"""What is less sure than this is of no use to anybody."""

DEFAULTS = {
    "classification": "mobilenet_v2_1.0_224_int8",
    "detection": "edgecv-detect",
    "face_detection": "edgecv-face-detect",
    "face_embedding": "edgecv-face-embed",
    "pose": "edgecv-pose",
    "segmentation": "deeplabv3_mnv2_dm05_pascal_quant",
}
"""The model of each task where none is named. Those called edgecv-* ship with the package."""


def open_model(args: argparse.Namespace, task: str) -> Model:
    """Open the model that the command line names, or the task's own, with what it says of it.

    Raises:
        UsageError: The model is for another task.
        EdgeCVError: It could not be opened.
    """
    name = args.model or DEFAULTS[task]
    _check_listed(name, task)
    model = load(
        name,
        device=args.device,
        runtime=args.runtime,
        threads=args.threads,
        spec=spec_changes(args, task) or None,
        score=least_score(args, task),
    )
    return _for_task(model, task)


def open_second(args: argparse.Namespace, name: str | None, task: str) -> Model:
    """Open a model that helps the first one, on the same device, by whatever runtime reads it.

    Args:
        args: The command line: device and threads.
        name: The model; None for the task's own.
        task: What it is for.

    Raises:
        UsageError: The model is for another task.
        EdgeCVError: It could not be opened.
    """
    name = name or DEFAULTS[task]
    _check_listed(name, task)
    return _for_task(load(name, device=args.device, threads=args.threads), task)


def _check_listed(name: str, task: str) -> None:
    """Refuse a listed model of another task before anything is fetched."""
    if name in zoo.names() and zoo.entry(name).task != task:
        raise _wrong_task(name, zoo.entry(name).task, task)


def _for_task(model: Model, task: str) -> Model:
    if model.spec.task == task:
        return model
    model.close()
    raise _wrong_task(model.spec.name, model.spec.task, task)


def _wrong_task(name: str, found: str, wanted: str) -> UsageError:
    return UsageError(
        f"{name} is a model for {found}, and {wanted} is wanted: take one of "
        f"{', '.join(zoo.names(wanted))}, or a file of your own"
    )


def score_of(args: argparse.Namespace, task: str) -> float:
    """Return the score from which on results are shown: the one given, or the model's own."""
    if args.score is not None:
        return float(args.score)
    name = args.model or DEFAULTS[task]
    listed = name in zoo.names()
    path, found = (zoo.fetch(name), zoo.spec(name)) if listed else (Path(name), None)
    return complete_spec(path, found, spec_changes(args, task) or None).score


def least_score(args: argparse.Namespace, task: str) -> float | None:
    """Return the score below which the model leaves results out; None for its own.

    Tracking makes use of what is unsure, and who watches a page may want to see it.
    """
    if getattr(args, "track", False):
        return min(LOWEST_SCORE, args.score if args.score is not None else 1.0)
    if has_page(args):
        return min(LOWEST_SCORE, score_of(args, task))
    return None if args.score is None else float(args.score)


def controls_of(
    args: argparse.Namespace, task: str, gallery: GalleryLike | None = None
) -> Controls | None:
    """Return what a page may change: the score, down to the model's least, and a gallery.

    None where there is no page. Of what is tracked everything is shown at first.
    """
    if not has_page(args):
        return None
    lowest = least_score(args, task)
    shown = lowest if getattr(args, "track", False) else score_of(args, task)
    return Controls(shown, lowest=lowest or 0.0, gallery=gallery)


def with_total_run(result: AnyKind, model: Model, parts: Sequence[Result], start: float) -> AnyKind:
    """Return the result with the time of all the model calls that it took.

    Args:
        result: What was made of the parts.
        model: The model that the result is attributed to.
        parts: The results of all calls.
        start: When the first call began, by `time.perf_counter`.
    """
    runs = [part.run for part in parts if part.run is not None]
    stages = [sum(run.latency_ms[stage] for run in runs) for stage in range(3)]
    times = Latency(stages[0], stages[1], stages[2], (perf_counter() - start) * 1e3)
    return result.with_run(
        RunInfo(model.spec.name, model.runtime, model.device, times, model.fallback)
    )
