"""Whether a long live run grows: memory, threads, open files.

    python -m benchmarks.soak --frames 200000

Runs the test pattern through a small model as fast as it goes, with a sink for JSON lines; exits
with 1 when the memory grows by more than 1 MB in 100,000 frames, or threads or files are left over.
`--model fake` soaks the pipeline alone, where no model is at hand.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import edgecv
from edgecv.model import Model
from edgecv.pipeline import Pipeline
from edgecv.sinks import Event, Output
from edgecv.sinks.jsonl import JsonLines
from edgecv.sources.pattern import Pattern, PatternOptions
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession
from edgecv.types import Array

MOST_MB = 1.0
SAMPLES = 40


def resident_mb() -> float:
    """Return the memory that this process holds, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def open_files() -> int:
    """Return how many files this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


class Watch:
    """A sink that looks at the process now and then."""

    buffer = 1

    def __init__(self, every: int) -> None:
        self._every, self._count = every, 0
        self.samples: list[tuple[int, float]] = []

    def write(self, output: Output) -> None:
        """Take a sample where it is time to."""
        self._count += 1
        if self._count % self._every == 0:
            self.samples.append((output.frame.index, resident_mb()))

    def event(self, event: Event) -> None:
        """Leave events to others."""

    def close(self) -> None:
        """There is nothing to finish."""


def fake_model() -> Model:
    """Return a model that finds one thing in every frame and takes no time."""
    outputs = {
        "boxes": np.array([[[0.25, 0.5, 0.75, 1.0]]], np.float32),
        "classes": np.zeros((1, 1), np.float32),
        "scores": np.full((1, 1), 0.9, np.float32),
        "count": np.ones(1, np.float32),
    }
    spec = ModelSpec("fake", "detection", "ssd_postprocess", labels=("thing",))
    return Model(ForgetfulSession(outputs), spec, runtime="fake", device="cpu")


class ForgetfulSession(FakeSession):
    """A fake session that does not keep what it was given."""

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Run, and forget the input."""
        out = super().run(tensors)
        self.seen.clear()
        return out


def slope(samples: list[tuple[int, float]]) -> float:
    """Return the growth in MB per 100,000 frames over the second half of a run."""
    later = np.array(samples[len(samples) // 2 :])
    return float(np.polyfit(later[:, 0], later[:, 1], 1)[0] * 1e5)


def main(arguments: list[str] | None = None) -> int:
    """Run, print the figures, return 1 where something grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--model", default="mobilenet_v1_0.25_128_quant")
    given = parser.parse_args(arguments)
    watch = Watch(max(1, given.frames // SAMPLES))
    options = PatternOptions(width=160, height=120, fps=0, frames=given.frames, live=False)
    model = fake_model() if given.model == "fake" else edgecv.load(given.model, threads=1)
    model(np.zeros((120, 160, 3), np.uint8))
    threads, files = threading.active_count(), open_files()
    stats = Pipeline(Pattern(options), model, [watch, JsonLines(os.devnull)]).run()
    growth = slope(watch.samples)
    left_threads, left_files = threading.active_count() - threads, open_files() - files
    print(
        f"{stats.results} frames at {stats.fps:.0f}/s: memory {watch.samples[0][1]:.1f} -> "
        f"{watch.samples[-1][1]:.1f} MB, {growth:+.3f} MB per 100,000 frames (limit {MOST_MB}); "
        f"{left_threads} threads and {left_files} files left open"
    )
    return 0 if growth <= MOST_MB and left_threads <= 0 and left_files <= 0 else 1


if __name__ == "__main__":
    sys.exit(main())
