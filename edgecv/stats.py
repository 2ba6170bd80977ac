"""What a live run measures of itself, in memory that does not grow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import numpy as np

STEP = 1.02
"""Bins of the histogram grow by two per cent: percentiles are right to one per cent."""
LOWEST_MS = 1e-3
BINS = math.ceil(math.log(1e6 / LOWEST_MS) / math.log(STEP))  # up to 1000 s


class Histogram:
    """Durations in bins of equal ratio, for percentiles of any number of values."""

    def __init__(self) -> None:
        self._counts = np.zeros(BINS, np.int64)
        self._largest = 0.0
        self._sum = 0.0

    def add(self, milliseconds: float) -> None:
        """Count one duration."""
        place = math.log(max(milliseconds, LOWEST_MS) / LOWEST_MS) / math.log(STEP)
        self._counts[min(int(place), BINS - 1)] += 1
        self._largest = max(self._largest, milliseconds)
        self._sum += milliseconds

    def __len__(self) -> int:
        return int(self._counts.sum())

    def percentile(self, percent: float) -> float:
        """Return the duration that `percent` of the values do not pass, in milliseconds.

        It is right to one per cent; NaN where there are no values.
        """
        total = len(self)
        if not total:
            return math.nan
        rank = max(1, math.ceil(total * percent / 100))
        place = int(np.searchsorted(np.cumsum(self._counts), rank))
        return float(min(LOWEST_MS * STEP ** (place + 0.5), self._largest))

    def summary(self) -> dict[str, float]:
        """Return mean, p50, p90, p99 and max, in milliseconds; empty where there are no values."""
        total = len(self)
        if not total:
            return {}
        values = {f"p{p}": round(self.percentile(p), 3) for p in (50, 90, 99)}
        mean, largest = round(self._sum / total, 3), round(self._largest, 3)
        return {"mean": mean, **values, "max": largest}


STAGES = ("wait", "preprocess", "inference", "decode", "capture_to_result")
"""wait: from capture to the start of inference; capture_to_result: a new result's age."""


@dataclass
class Stats:
    """The counts and durations of one run. Several threads may add to it."""

    stages: dict[str, Histogram] = field(
        default_factory=lambda: {name: Histogram() for name in STAGES}
    )
    captured: int = 0
    results: int = 0
    dropped: int = 0
    errors: int = 0
    first: float = 0.0
    last: float = 0.0
    device: str = ""
    runtime: str = ""
    sink_dropped: dict[str, int] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    event_counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the lock."""
        self._lock = Lock()

    def add_result(self, durations: dict[str, float], now: float) -> None:
        """Count one result.

        Args:
            durations: Stage -> milliseconds.
            now: Seconds of the monotonic clock.
        """
        with self._lock:
            for name, value in durations.items():
                self.stages[name].add(value)
            self.first = self.first or now
            self.last = now
            self.results += 1

    def add_event(self, kind: str, message: str) -> None:
        """Count an event; the last hundred are kept."""
        with self._lock:
            self.event_counts[kind] = self.event_counts.get(kind, 0) + 1
            self.events.append(f"{kind}: {message}")
            del self.events[:-100]

    @property
    def fps(self) -> float:
        """Results per second by the wall clock; 0 before the second one."""
        seconds = self.last - self.first
        return (self.results - 1) / seconds if seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        with self._lock:
            return {
                "captured": self.captured,
                "results": self.results,
                "dropped": self.dropped,
                "errors": self.errors,
                "fps": round(self.fps, 2),
                "runtime": self.runtime,
                "device": self.device,
                "latency_ms": {name: hist.summary() for name, hist in self.stages.items()},
                "sink_dropped": dict(self.sink_dropped),
                "event_counts": dict(self.event_counts),
                "events": list(self.events),
            }
