"""Fair timing of several ways to do the same thing: interleaved rounds in one process."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from time import perf_counter


def interleaved(
    ways: Mapping[str, Callable[[], object]], *, rounds: int = 15, calls: int = 20, warmup: int = 10
) -> dict[str, list[float]]:
    """Time every way in turn, so that a change of the machine's speed touches all alike.

    Args:
        ways: Name -> what to call.
        rounds: How often each way has its turn.
        calls: Calls in a turn.
        warmup: Calls of each way before anything is timed.

    Returns:
        Name -> milliseconds of each call, in the order of the calls.
    """
    times: dict[str, list[float]] = {name: [] for name in ways}
    for call in ways.values():
        for _ in range(warmup):
            call()
    names = list(ways)
    for turn in range(rounds):
        for name in names if turn % 2 else reversed(names):
            call, kept = ways[name], times[name]
            for _ in range(calls):
                start = perf_counter()
                call()
                kept.append((perf_counter() - start) * 1e3)
    return times


def ratio(times: Mapping[str, list[float]], way: str, against: str, *, calls: int = 20) -> float:
    """Return the median over rounds of the ratio of two ways' medians within the round."""
    a, b = times[way], times[against]
    turns = range(0, len(a), calls)
    pairs = [
        statistics.median(a[t : t + calls]) / statistics.median(b[t : t + calls]) for t in turns
    ]
    return statistics.median(pairs)


def p50(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)
