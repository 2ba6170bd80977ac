"""How large and how fast two files of a model are next to each other: no benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

import numpy as np

from edgecv.session import Session, open_session
from edgecv.types import Array, TensorSpec

ROUNDS, CALLS = 8, 5
LONGEST = 4.0
"""Seconds after which no new round begins."""


def latencies(
    files: Mapping[str, Path], *, runtime: str, rounds: int = ROUNDS, calls: int = CALLS
) -> dict[str, float]:
    """Return the median time of a call of each file, in milliseconds, on one thread.

    The files take turns, so that what else the machine does strikes all of them alike.

    Args:
        files: Model files by name.
        runtime: What runs them.
        rounds: How often each has its turn; fewer where that would take long.
        calls: Calls a turn.

    Raises:
        InferenceError: The runtime refuses one.
    """
    with ExitStack() as stack:
        sessions: dict[str, Session] = {}
        for name, file in files.items():
            opened = open_session(file, device="cpu", runtime=runtime, threads=1)
            stack.callback(opened.session.close)
            sessions[name] = opened.session
        return _measured(sessions, rounds, calls)


def _measured(sessions: Mapping[str, Session], rounds: int, calls: int) -> dict[str, float]:
    feeds = {name: _noise(session.inputs) for name, session in sessions.items()}
    times: dict[str, list[float]] = {name: [] for name in sessions}
    for name, session in sessions.items():
        session.run(feeds[name])  # the first call is not like the others
    start = perf_counter()
    for _ in range(rounds):
        for name, session in sessions.items():
            times[name] += [_one(session, feeds[name]) for _ in range(calls)]
        if perf_counter() - start > LONGEST:
            break
    return {name: float(np.median(found)) for name, found in times.items()}


def _one(session: Session, feed: Mapping[str, Array]) -> float:
    start = perf_counter()
    session.run(feed)
    return (perf_counter() - start) * 1e3


def _noise(inputs: Sequence[TensorSpec]) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    feed: dict[str, Array] = {}
    for spec in inputs:
        shape = [side or 1 for side in spec.shape]
        low, high = (-128, 127) if spec.dtype == np.int8 else (0, 255)
        values = (
            rng.uniform(-1, 1, shape) if spec.dtype.kind == "f" else rng.integers(low, high, shape)
        )
        feed[spec.name] = values.astype(spec.dtype)
    return feed
