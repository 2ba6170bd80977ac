"""One round of one setting: load, first result, warm-up, stages, streams, memory, energy."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier, Thread
from time import perf_counter
from typing import Any

import cv2
import numpy as np

from edgecv.bench.loop import Effort, Marks, WarmUp, passes, warm_up
from edgecv.bench.picture import pixels
from edgecv.bench.setting import Setting
from edgecv.errors import EdgeCVError
from edgecv.machine import EnergyMeter, conditions, cpu_share, cpu_times
from edgecv.model import Model, load
from edgecv.types import Array, Image

STAGES = ("read", "preprocess", "inference", "decode", "end_to_end")
"""What a pass consists of: the JPEG's bytes to pixels, pixels to the input tensor, that to raw
outputs, those to the result; and all of it."""
CLAIMS = 20
"""Calls whose own account of their time is held against the wall clock; of slow models, fewer."""


@dataclass(frozen=True)
class Round:
    """What one process measured of a setting.

    Attributes:
        load_ms: Opening the model, its runtime's import included, in a process that had done
            neither.
        first_ms: The first result after that, from the picture's bytes.
        warmup: How the warm-up went.
        samples_ms: Stage -> milliseconds of each pass, float64 (passes,).
        wall_s: The wall clock over all passes.
        claimed_ms: What `Result.run` said of `CLAIMS` calls or fewer, on average.
        clocked_ms: What the wall clock said of the same calls.
        streams: Number of models side by side -> results a second of all together.
        rss_mb: The most memory that the process held.
        base_mb: What it held before the model was opened.
        energy_mj: Millijoules of a result, by the widest sensor; None where there is none.
        energy_note: What that sensor is and covers, or which may not be read and why.
        share: Whose the processors were meanwhile, as `CpuShare.to_dict` gives it; None where
            the system does not tell.
        before: The machine at the start, as `Conditions.to_dict` gives it.
        after: The machine at the end.
        device: What the runtime says that it ran on.
        fallback: Why that is not the device that was asked for.
        error: Why the round ended early; empty where it did not.
    """

    load_ms: float
    first_ms: float
    warmup: WarmUp
    samples_ms: dict[str, Array]
    wall_s: float
    claimed_ms: float
    clocked_ms: float
    streams: dict[int, float]
    rss_mb: float
    base_mb: float
    energy_mj: float | None
    energy_note: str
    share: Mapping[str, float] | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    device: str
    fallback: str = ""
    error: str = ""


def measure(
    setting: Setting, picture: bytes, effort: Effort, *, streams: Sequence[int] = ()
) -> Round:
    """Measure one round in this process, which should be a new one.

    Args:
        setting: What is run.
        picture: A JPEG or PNG file.
        effort: How long.
        streams: Numbers of models to run side by side, after the passes.

    Raises:
        EdgeCVError: The model cannot be opened, or fails before anything was measured; the picture
            is none.
    """
    image = pixels(picture)
    before, base = conditions(), peak_rss_mb()
    start = perf_counter()
    model = open_setting(setting)
    loaded = perf_counter()
    with model:
        model(pixels(picture))
        first = perf_counter()
        warm = warm_up(lambda: model(image), effort.warmup_seconds)
        meter, times = EnergyMeter(), cpu_times()
        with meter:
            timed, wall, error = passes(one_pass(model, picture), effort)
        share = cpu_share(times, later) if times and (later := cpu_times()) else None
        energy, note = _energy(meter, len(timed))
        found = Round(
            load_ms=(loaded - start) * 1e3, first_ms=(first - loaded) * 1e3, warmup=warm,
            samples_ms=dict(zip(STAGES, timed.T, strict=True)), wall_s=wall,
            claimed_ms=0.0, clocked_ms=0.0, streams={}, rss_mb=peak_rss_mb(), base_mb=base,
            energy_mj=energy, energy_note=note, share=share.to_dict() if share else None,
            before=before.to_dict(), after=conditions().to_dict(),
            device=model.device, fallback=model.fallback, error=error,
        )  # fmt: skip
        return found if error else _more(found, setting, model, image, effort, streams)


def _more(
    found: Round, setting: Setting, model: Model, image: Image, effort: Effort,
    streams: Sequence[int],
) -> Round:  # fmt: skip
    """Add what needs the model once more: its claims, and streams side by side."""
    try:
        passes_made = len(found.samples_ms["end_to_end"])
        claimed, clocked = claims(model, image, min(CLAIMS, passes_made))
        found = replace(found, claimed_ms=claimed, clocked_ms=clocked)
        for number in streams:
            rate = throughput(setting, image, number, effort.seconds)
            found = replace(found, streams={**found.streams, number: rate})
    except EdgeCVError as error:
        return replace(found, error=str(error))
    return found


def _energy(meter: EnergyMeter, count: int) -> tuple[float | None, str]:
    """Return the millijoules of one of `count` results, and what measured them."""
    best = meter.best()
    if best is None or not count:
        return None, "; ".join(str(sensor) for sensor in meter.unreadable)
    return best.joules / count * 1e3, f"{best.name} ({best.covers})"


def open_setting(setting: Setting) -> Model:
    """Open the model of a setting.

    Raises:
        EdgeCVError: It cannot be opened.
    """
    return load(
        setting.model, device=setting.device, runtime=setting.runtime,
        threads=setting.threads or None,
    )  # fmt: skip


def one_pass(model: Model, picture: bytes) -> Any:
    """Return what makes one pass: from bytes to a result, with an instant between stages."""
    data = np.frombuffer(picture, np.uint8)
    preprocess, infer, decode = model.preprocess, model.infer, model.decode
    read, color, now = cv2.imdecode, cv2.IMREAD_COLOR, perf_counter

    def once() -> Marks:
        start = now()
        image: Any = read(data, color)
        have = now()
        tensor, placement = preprocess(image)
        ready = now()
        outputs = infer(tensor)
        inferred = now()
        decode(outputs, placement)
        return start, have, ready, inferred, now()

    return once


def claims(model: Model, image: Image, count: int = CLAIMS) -> tuple[float, float]:
    """Return what a model says that a call takes, and what the wall clock says, in milliseconds."""
    said = 0.0
    start = perf_counter()
    for _ in range(count):
        run = model(image).run
        said += run.latency_ms.total if run is not None else 0.0
    return said / count, (perf_counter() - start) / count * 1e3


def throughput(setting: Setting, image: Image, streams: int, seconds: float) -> float:
    """Return the results a second of several models that run side by side, each in its thread.

    Raises:
        EdgeCVError: One of them cannot be opened.
    """
    models = [open_setting(setting) for _ in range(streams)]
    try:
        for model in models:
            model(image)
        return _side_by_side(models, image, seconds)
    finally:
        for model in models:
            model.close()


def _side_by_side(models: Sequence[Model], image: Image, seconds: float) -> float:
    ready = Barrier(len(models) + 1)
    counts = [0] * len(models)
    spans: list[tuple[float, float]] = []
    failed: list[EdgeCVError] = []

    def work(number: int) -> None:
        ready.wait()
        start = perf_counter()
        end = start + seconds
        try:
            while perf_counter() < end:
                models[number](image)
                counts[number] += 1
        except EdgeCVError as error:
            failed.append(error)
        spans.append((start, perf_counter()))

    threads = [Thread(target=work, args=(i,), daemon=True) for i in range(len(models))]
    for thread in threads:
        thread.start()
    ready.wait()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return sum(counts) / (max(end for _, end in spans) - min(start for start, _ in spans))


def peak_rss_mb() -> float:
    """Return the most memory that this process has held so far, in millions of bytes.

    From the kernel's own count of it (VmHWM, proc_pid_status(5)): that of getrusage(2) begins with
    what the parent held. Other systems than Linux have but the latter.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e6
