"""The figures of a run, as a page shows them."""

from __future__ import annotations

from collections import deque
from math import isnan
from threading import Lock
from time import monotonic, time
from typing import Any

from edgecv.results import Result
from edgecv.sinks import Event, Output
from edgecv.sinks.speed import Speed
from edgecv.sinks.summary import counts
from edgecv.stats import Stats
from edgecv.temperature import temperature
from edgecv.types import Frame

EVENTS = 50
LEAST_STALE, MOST_STALE = 1.0, 30.0
"""Seconds: a picture is never old before the first, and always old after the second."""


class Status:
    """What is known of a run. One thread adds to it, others read.

    Attributes:
        newest: The last output; None before the first.
    """

    def __init__(self) -> None:
        self.newest: Output | None = None
        self._lock = Lock()
        self._speed = Speed()
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._lost: dict[str, tuple[float, Event]] = {}

    def add(self, output: Output) -> None:
        """Take a new output."""
        now = monotonic()
        self._speed.add(now, output.stats.results)
        with self._lock:
            self.newest = output
            since = self._lost.get("source", (now, None))[0]
            if output.frame.time > since:  # pictures come again, whether or not somebody said so
                del self._lost["source"]

    def add_event(self, event: Event) -> None:
        """Take an event; what was lost is remembered until it is back."""
        what, _, happened = event.kind.rpartition("_")
        with self._lock:
            self._events.append(event)
            if happened == "lost":
                self._lost.setdefault(what, (monotonic(), event))
            elif happened == "back":
                self._lost.pop(what, None)

    @property
    def fps(self) -> float:
        """Results per second in the last seconds; 0 where none come any more."""
        newest = self.newest
        old = newest is None or monotonic() - newest.frame.time > self.stale_after()
        return 0.0 if old else self._speed.fps

    def stale_after(self) -> float:
        """Return the age in seconds from which on a picture is old, as this run goes.

        It is a second, or longer where the model is slow: twice the usual age of a new result, and
        three times the time between two.
        """
        newest = self.newest
        if newest is None:
            return LEAST_STALE
        age = newest.stats.stages["capture_to_result"].percentile(50) / 1e3
        usual = 3 * self._speed.between + 2 * (0.0 if isnan(age) else age)
        return min(max(LEAST_STALE, usual), MOST_STALE)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        with self._lock:
            newest = self.newest
            events = [event.to_dict() for event in reversed(self._events)]
            lost = {what: event for what, (_, event) in self._lost.items()}
        return {
            "now": monotonic(),
            "lost": {
                what: {"message": event.message, "seconds": max(0.0, time() - event.time)}
                for what, event in lost.items()
            },
            "temperature": temperature(),
            "fps": round(self.fps, 1),
            "stale_after": round(self.stale_after(), 2),
            "events": events,
            **(_of_output(newest) if newest is not None else {"frame": None}),
        }


def _of_output(output: Output) -> dict[str, Any]:
    return {
        "frame": _of_frame(output.frame),
        "found": counts(output.result),
        "extra": output.extra,
        **_of_run(output.result),
        **_of_stats(output.stats, monotonic() - output.frame.time),
    }


def _of_frame(frame: Frame) -> dict[str, Any]:
    height, width = frame.image.shape[:2]
    return {
        "index": frame.index,
        "source": frame.source,
        "time": frame.time,
        "width": width,
        "height": height,
    }


def _of_run(result: Result) -> dict[str, str]:
    run = result.run
    if run is None:
        return {"model": "", "runtime": "", "device": "", "fallback": ""}
    return {
        "model": run.model,
        "runtime": run.runtime,
        "device": run.device,
        "fallback": run.fallback,
    }


def _of_stats(stats: Stats, age: float) -> dict[str, Any]:
    values = stats.to_dict()
    ages = values["latency_ms"].get("capture_to_result", {})
    return {
        "age_ms": {"current": round(age * 1e3, 1), "p50": ages.get("p50"), "p99": ages.get("p99")},
        **{key: values[key] for key in ("latency_ms", "captured", "results", "dropped", "errors")},
    }
