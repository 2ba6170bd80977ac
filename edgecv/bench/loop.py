"""The loop that measures: warm-up until steady, then so long and so often, stage by stage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

from edgecv.errors import InferenceError
from edgecv.types import Array

WINDOW = 8
"""Calls that a warm-up compares with as many before them."""
STEADY = 0.03
"""How far apart their medians may be for the warm-up to end."""

Marks = tuple[float, ...]
"""Instants of one pass, in seconds of `perf_counter`: the start, then the end of each stage."""


@dataclass(frozen=True)
class Effort:
    """How long is measured: until both the seconds and the count are reached.

    Attributes:
        seconds: The least time.
        count: The least number of passes.
        most_seconds: The time after which it ends though the count is not reached.
        warmup_seconds: The most time that a warm-up takes.
    """

    seconds: float = 1.0
    count: int = 20
    most_seconds: float = 30.0
    warmup_seconds: float = 3.0


@dataclass(frozen=True)
class WarmUp:
    """How a warm-up went.

    Attributes:
        count: Passes.
        seconds: Their time.
        steady: Whether the time of a pass had settled at the end.
    """

    count: int
    seconds: float
    steady: bool


def warm_up(once: Callable[[], object], most_seconds: float) -> WarmUp:
    """Call `once` until the time it takes has settled.

    It has when the medians of the last `WINDOW` calls and of those before are within `STEADY`.

    Args:
        once: What is called.
        most_seconds: When to give up. One window is waited for in any case where a call is shorter.
    """
    start = perf_counter()
    times: list[float] = []
    while True:
        before = perf_counter()
        once()
        now = perf_counter()
        times.append(now - before)
        if _settled(times):
            return WarmUp(len(times), now - start, steady=True)
        if now - start > most_seconds:
            return WarmUp(len(times), now - start, steady=False)


def _settled(times: Sequence[float]) -> bool:
    if len(times) < 2 * WINDOW:
        return False
    last, before = median(times[-WINDOW:]), median(times[-2 * WINDOW : -WINDOW])
    return abs(last - before) <= STEADY * before


def passes(once: Callable[[], Marks], effort: Effort) -> tuple[Array, float, str]:
    """Measure passes.

    Args:
        once: Makes one pass and returns its marks.
        effort: How many.

    Returns:
        Milliseconds, float64 (passes, stages + 1): each stage, and last the pass from its first
        mark to its last; the seconds of the wall clock that all of them took together; and why
        they ended before their time, empty where they did not.

    Raises:
        InferenceError: The first pass failed.
    """
    marks: list[Marks] = []
    keep = marks.append
    error = ""
    start = perf_counter()
    least, most = start + effort.seconds, start + effort.most_seconds
    try:
        while True:
            found = once()
            keep(found)
            now = found[-1]
            if now >= least and (len(marks) >= effort.count or now >= most):
                break
    except InferenceError as failed:
        if not marks:
            raise
        error = str(failed)
    wall = perf_counter() - start
    times = np.array(marks) * 1e3
    whole = times[:, -1:] - times[:, :1]
    return np.hstack([np.diff(times, axis=1), whole]), wall, error
