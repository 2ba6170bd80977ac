"""What a run says of itself: a line while it goes on, a table and a file at its end."""

from __future__ import annotations

import json
import shutil
import sys
from collections import deque
from pathlib import Path
from time import monotonic
from typing import Any

import edgecv
from edgecv.cache import write_atomic
from edgecv.stats import Stats

from .table import columns

WINDOW = 2.0
"""Seconds over which the speed of the status line is measured."""
INTERVAL = 0.5
SILENT = 2.0
"""Seconds without a result after which the status line says so."""
NAMES = {"capture_to_result": "frame age"}


class Status:
    """A line on stderr that is drawn again and again, where that is a terminal.

    Args:
        stats: The run's figures.
        total: How many frames there are; 0 where nobody knows.
    """

    def __init__(self, stats: Stats, total: int = 0) -> None:
        self._stats, self._total = stats, total
        self._marks: deque[tuple[float, int]] = deque(maxlen=int(WINDOW / INTERVAL) + 1)
        self._start = self._drawn = monotonic()

    def __call__(self) -> None:
        """Draw it, if it is time to."""
        now = monotonic()
        if now - self._drawn < INTERVAL or not sys.stderr.isatty():
            return
        self._drawn = now
        self._marks.append((now, self._stats.results))
        width = shutil.get_terminal_size().columns - 1
        sys.stderr.write(f"\r{self.text(now)[:width]}\x1b[K")
        sys.stderr.flush()

    def text(self, now: float) -> str:
        """Return the line, at `now` of the monotonic clock."""
        stats = self._stats
        silent = now - (stats.last or self._start)
        if silent > SILENT:
            return f"no result for {silent:.0f} s"
        (start, first), (end, last) = self._marks[0], self._marks[-1]
        fps = (last - first) / (end - start) if end > start else stats.fps
        age = stats.stages["capture_to_result"].percentile(50)
        done = f"  {stats.results}/{self._total}" if self._total else ""
        return f"{fps:.1f} fps  {age:.0f} ms old  {stats.device}  {stats.dropped} dropped{done}"

    def clear(self) -> None:
        """Take the line away."""
        if sys.stderr.isatty():
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def table(stats: Stats) -> str:
    """Return a run's figures for people."""
    counts = ", ".join(f"{kind} {count}" for kind, count in sorted(stats.event_counts.items()))
    where = f"{stats.device} ({stats.runtime})" if stats.device else "nothing"
    rows = [("milliseconds", "p50", "p90", "p99")]
    for name, stage in stats.stages.items():
        if len(stage):
            values = [f"{stage.percentile(p):.1f}" for p in (50, 90, 99)]
            rows.append((NAMES.get(name, name), values[0], values[1], values[2]))
    lines = [
        f"captured {stats.captured}, results {stats.results}, dropped {stats.dropped}",
        f"{stats.fps:.1f} results a second, on {where}",
        f"events: {counts or 'none'}",
    ]
    if any(stats.sink_dropped.values()):
        dropped = (f"{name} {count}" for name, count in stats.sink_dropped.items() if count)
        lines.append(f"dropped by outputs: {', '.join(dropped)}")
    return "\n".join([*lines, "", columns(rows, right=[1, 2, 3])])


def write_stats(path: Path, stats: Stats, about: dict[str, Any]) -> None:
    """Write a run's figures as JSON, whole or not at all.

    Args:
        path: The file.
        stats: The figures.
        about: What else there is to say of the run.

    Raises:
        OutputError: It cannot be written.
    """
    values = {**about, "edgecv": edgecv.__version__, **stats.to_dict()}
    write_atomic(path, json.dumps(values, indent=1) + "\n")
