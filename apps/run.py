"""The way from sources through a model to outputs: the same for pictures, films and cameras."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sized
from contextlib import ExitStack, nullcontext
from time import monotonic
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from edgecv.controls import Controls
from edgecv.errors import ImageError, unknown_name
from edgecv.failover import Failover
from edgecv.pipeline import Call, Pipeline
from edgecv.progress import bar
from edgecv.session import COMBINED, DEVICE_KINDS
from edgecv.sources import Source
from edgecv.sources.addresses import hide_password

from .inputs import input_paths, open_sources, picture_paths
from .outputs import open_outputs, uses_stdout, wanted
from .report import Status, table, write_stats
from .steps import Emit, Step, Steps, Threshold

Open: TypeAlias = Callable[[argparse.Namespace], Call]
"""Opens what makes a result of a picture, on the device that the arguments name."""


class Plan(NamedTuple):
    """What is done with a command's results.

    Attributes:
        steps: What is done with each.
        controls: What may be changed meanwhile; None for nothing.
    """

    steps: tuple[Step, ...] = ()
    controls: Controls | None = None


MakePlan: TypeAlias = Callable[[argparse.Namespace, Callable[[], Call], Emit], Plan]
"""Makes the plan for the arguments; it is given what is in use at the moment, and where to tell of
events."""


class Events:
    """Where events go: to the run, once there is one.

    Attributes:
        pipeline: The run.
    """

    pipeline: Pipeline | None = None

    def emit(self, kind: str, message: str, **data: Any) -> None:
        """Tell of an event."""
        if self.pipeline is not None:
            self.pipeline.emit(kind, message, **data)


def no_plan(args: argparse.Namespace, current: Callable[[], Call], emit: Emit) -> Plan:
    """Return that results go out as they are."""
    return Plan()


def run_sources(args: argparse.Namespace, opened: Open, make_plan: MakePlan = no_plan) -> int:
    """Take every frame of the sources through a model to the outputs.

    A picture that cannot be read is reported and passed over.

    Args:
        args: What `edgecv.apps.options.add_source_options` parsed.
        opened: Opens the model, once the sources are known to be there. The arguments say besides,
            as `moving`, whether frames follow each other as in a film.
        make_plan: Makes what is done with results.

    Returns:
        The exit code: 1 when a picture could not be read, or an output failed.
    """
    events = Events()
    with ExitStack() as stack:
        source, args.moving = open_sources(args.sources)
        stack.callback(source.close)
        model = open_model_on(args, opened, events.emit)
        stack.callback(model.close)
        plan = make_plan(args, lambda: current(model), events.emit)
        sinks = open_outputs(args, inputs=input_paths(args.sources, source), controls=plan.controls)
        steps = Steps(plan.steps)
        events.pipeline = Pipeline(
            source, model, sinks, after=steps, overlay=steps.draw, max_frames=args.max_frames
        )
        return run_to_end(args, source, events.pipeline)


def open_model_on(args: argparse.Namespace, opened: Open, emit: Emit) -> Call | Failover[Call]:
    """Open the model on the device that the command line names, or on the first of several.

    Raises:
        UnknownNameError: One of the devices is none.
        EdgeCVError: It cannot be opened.
    """
    devices = device_list(args.device)

    def open_on(device: str) -> Call:
        return opened(argparse.Namespace(**{**vars(args), "device": device}))

    if len(devices) == 1:
        return open_on(devices[0])
    return Failover(open_on, devices, check=prove, report=emit)


def current(model: Call | Failover[Call]) -> Call:
    """Return what is in use at the moment."""
    return model.current if isinstance(model, Failover) else model


def device_list(text: str) -> list[str]:
    """Return the devices of "coral,cpu"; OpenVINO's combinations have commas of their own.

    Raises:
        UnknownNameError: One of several is none.
    """
    if text.partition(":")[0] in COMBINED or "," not in text:
        return [text]
    devices = [name.strip() for name in text.split(",")]
    for name in devices:
        if name.partition(":")[0] not in DEVICE_KINDS:
            raise unknown_name("device", name, DEVICE_KINDS)
    return devices


def prove(model: Call) -> None:
    """Run a model once, to see that its device works.

    Raises:
        InferenceError: It does not.
    """
    try:
        model(np.zeros((240, 320, 3), np.uint8))
    except ImageError:  # nothing to be seen there, and the device has said so
        return


def threshold(controls: Controls | None) -> tuple[Step, ...]:
    """Return the step that leaves out what the user does not want to see, where that can change."""
    return () if controls is None or controls.score is None else (Threshold(controls),)


def run_to_end(args: argparse.Namespace, source: Source, pipeline: Pipeline) -> int:
    """Run to the end, then say how it went, whatever ended it, and return the exit code."""
    start = monotonic()
    try:
        if args.moving:
            _run_film(args, source, pipeline)
        else:
            _run_pictures(args, source, pipeline)
    finally:
        if args.moving:
            target = sys.stderr if uses_stdout(args) else sys.stdout
            print(table(pipeline.stats), file=target, flush=True)
        if args.stats is not None:
            sources = [hide_password(uri) for uri in args.sources]
            about = {"sources": sources, "seconds": round(monotonic() - start, 3)}
            write_stats(args.stats, pipeline.stats, about)
    return 1 if pipeline.failed or (pipeline.stats.errors and not source.live) else 0


def _run_film(args: argparse.Namespace, source: Source, pipeline: Pipeline) -> None:
    total = args.max_frames or (len(source) if isinstance(source, Sized) else 0)
    status = Status(pipeline.stats, total)
    lines_there = not wanted(args) and sys.stdout.isatty()
    try:
        pipeline.run(None if lines_there else status)
    finally:
        status.clear()


def _run_pictures(args: argparse.Namespace, source: Source, pipeline: Pipeline) -> None:
    total = len(picture_paths(source))
    seen = total > 1 and (wanted(args) or not sys.stdout.isatty())
    with bar("pictures") if seen else nullcontext(lambda done, total: None) as report:
        stats = pipeline.stats
        pipeline.run(lambda: report(stats.results + stats.errors, total))
        report(stats.results + stats.errors, total)
