"""What the commands for pictures share: opening models, and the way from sources to outputs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import TypeAlias, TypeVar

from edgecv import zoo
from edgecv.errors import EdgeCVError, ImageError
from edgecv.model import Model, load
from edgecv.progress import bar
from edgecv.results import Latency, Result, RunInfo
from edgecv.sinks import Output
from edgecv.sources import Source, open_source
from edgecv.stats import Stats
from edgecv.types import Frame, Image

from .options import spec_changes
from .outputs import open_outputs

Predict: TypeAlias = Callable[[Image], Result]
AnyKind = TypeVar("AnyKind", bound=Result)

DEFAULTS = {
    "classification": "mobilenet_v2_1.0_224_int8",
    "detection": "ssd_mobilenet_v1_coco_int8",
    "face_detection": "yunet_n_320",
    "face_embedding": "mobilefacenet_int8",
    "pose": "movenet_lightning_int8",
    "segmentation": "deeplabv3_mnv2_dm05_pascal_quant",
}
"""The model of each task where none is named."""


class UsageError(EdgeCVError):
    """What the command line asks for makes no sense: exit code 2."""


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
        score=args.score,
    )
    return _for_task(model, task)


def open_second(args: argparse.Namespace, name: str, task: str) -> Model:
    """Open a model that helps the first one, on the same device, by whatever runtime reads it.

    Raises:
        UsageError: The model is for another task.
        EdgeCVError: It could not be opened.
    """
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


@contextmanager
def one_model(args: argparse.Namespace, task: str) -> Iterator[Predict]:
    """Give the model that the command line names, as a function of a picture."""
    with open_model(args, task) as model:
        yield model


def run_pictures(
    args: argparse.Namespace,
    opened: Callable[[argparse.Namespace], AbstractContextManager[Predict]],
) -> int:
    """Take every picture of the sources through a model to the outputs.

    A picture that cannot be read is reported and passed over.

    Args:
        args: What `edgecv.apps.options.add_picture_options` parsed.
        opened: Opens what makes a result of a picture, once the sources are known to be there.

    Returns:
        The exit code: 1 when a picture could not be read.
    """
    sources = [open_source(uri) for uri in args.sources]
    unreadable = 0
    with ExitStack() as stack:
        for source in sources:
            stack.callback(source.close)
        predict = stack.enter_context(opened(args))
        sinks = open_outputs(args.json, args.out, inputs=input_paths(sources))
        for sink in sinks:
            stack.callback(sink.close)
        stats = Stats()
        for frame in _frames(sources, args):
            result = None if frame is None else _result(frame, predict)
            if frame is None or result is None:
                unreadable += 1
                continue
            for sink in sinks:
                sink.write(Output(frame, result, stats, {}))
    return 1 if unreadable else 0


def _result(frame: Frame, predict: Predict) -> Result | None:
    """Return what is in a picture; None, which is reported, where what is wanted is not in it."""
    try:
        return predict(frame.image)
    except ImageError as error:
        warn(f"{frame.source}: {error}")
        return None


def _frames(sources: Sequence[Source], args: argparse.Namespace) -> Iterator[Frame | None]:
    """Yield all frames, and None for each that could not be read, which is reported."""
    total = len(input_paths(sources))
    shown = "pictures" if total > 1 and (args.json or args.out or not sys.stdout.isatty()) else ""
    with ExitStack() as stack:
        report = stack.enter_context(bar(shown)) if shown else None
        done = 0
        for source in sources:
            for frame in each(source, warn):
                yield frame
                done += 1
                if report:
                    report(done, total)


def each(source: Source, on_error: Callable[[str], None]) -> Iterator[Frame | None]:
    """Yield a source's frames, and None for each that could not be read, which is reported."""
    while True:
        try:
            yield next(source)
        except StopIteration:
            return
        except ImageError as error:
            on_error(str(error))
            yield None


def input_paths(sources: Sequence[Source]) -> list[Path]:
    """Return the files that are going to be read, as far as they are known."""
    return [path for source in sources for path in getattr(source, "paths", ())]


def warn(text: str) -> None:
    """Say on stderr what went wrong with one of many."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}edgecv: {text}", file=sys.stderr)


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
