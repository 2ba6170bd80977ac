"""What a live run costs over bare inference, and how old its results are.

    python -m benchmarks.live

Three questions, each a ratio within one run; exits with 1 when a limit is passed:

- throughput: results per second from a camera that is faster than the model, against the same model
  run on one tensor again and again (limit: 0.95 of it);
- age: how old a result is when it is given out, when the camera is four times faster than the
  model (limit at p99: one frame interval + 1.3 x (preprocess + inference + decode));
- and, to compare with, the age in a plain loop that takes frame after frame from a queue.
"""

from __future__ import annotations

import argparse
import os
import sys
from time import monotonic

import numpy as np

import edgecv
from edgecv.model import Model
from edgecv.pipeline import Pipeline
from edgecv.sources.pattern import Pattern, PatternOptions
from edgecv.stats import Histogram, Stats

MODEL = "ssd_mobilenet_v1_coco_int8"
LEAST_THROUGHPUT = 0.95
NO_LIMIT = "no limit: the model leaves no core to the camera"
CAMERA_FPS = 120
"""The camera's speed; a model that is faster gets a camera of one and a half times its speed."""


def bare_rate(model: Model, seconds: float) -> float:
    """Return inferences per second on one prepared tensor."""
    tensor, _ = model.preprocess(np.zeros((480, 640, 3), np.uint8))
    tensors = {model.session.inputs[0].name: tensor}
    count, start = 0, monotonic()
    while monotonic() - start < seconds:
        model.session.run(tensors)
        count += 1
    return count / (monotonic() - start)


def live(model: Model, fps: float, seconds: float) -> Stats:
    """Return the figures of a live run on the test pattern."""
    options = PatternOptions(fps=fps, frames=int(fps * seconds), live=True)
    return Pipeline(Pattern(options), model).run()


def queued_age(model: Model, fps: float, seconds: float) -> Histogram:
    """Return the ages in milliseconds in a loop that takes every frame of a camera in its turn."""
    ages = Histogram()
    pattern = Pattern(PatternOptions(fps=0, frames=int(fps * seconds), live=False))
    start = monotonic()
    for frame in pattern:
        due = start + frame.index / fps
        while monotonic() < due:
            pass
        model(frame.image)
        ages.add((monotonic() - due) * 1e3)
        if monotonic() - start > seconds:
            break
    return ages


def limited(threads: int) -> bool:
    """Tell whether the model leaves a core to the camera, which is drawn on this machine too."""
    return threads < len(os.sched_getaffinity(0))


def throughput(threads: int, seconds: float, rounds: int) -> float:
    """Print and return the median ratio of a live run's rate to the bare rate."""
    model = edgecv.load(MODEL, runtime="tflite", device="cpu", threads=threads)
    pairs = []
    for _ in range(rounds):
        bare = bare_rate(model, seconds)
        camera = max(CAMERA_FPS, 1.5 * bare)
        pairs.append((live(model, camera, seconds).fps, bare))
    ratio = float(np.median([run / bare for run, bare in pairs]))
    runs, bares = (float(np.median(values)) for values in zip(*pairs, strict=True))
    print(
        f"throughput, {threads} thread(s): live {runs:.1f}/s, bare {bares:.1f}/s, "
        f"ratio {ratio:.3f} ({f'limit {LEAST_THROUGHPUT}' if limited(threads) else NO_LIMIT})"
    )
    return ratio


def age(seconds: float) -> tuple[float, float]:
    """Print the ages; return p99 and its limit, in milliseconds."""
    model = edgecv.load(MODEL, runtime="tflite", device="cpu", threads=1)
    fps = round(4 * bare_rate(model, 1.0))
    stats = live(model, fps, seconds)
    stages = [stats.stages[name].percentile(50) for name in ("preprocess", "inference", "decode")]
    limit = 1e3 / fps + 1.3 * sum(stages)
    p50, p99 = (stats.stages["capture_to_result"].percentile(p) for p in (50, 99))
    queue = queued_age(model, fps, seconds)
    print(
        f"age, camera at {fps}/s: p50 {p50:.1f} ms, p99 {p99:.1f} ms (limit {limit:.1f}); "
        f"{stats.dropped} of {stats.captured} frames dropped\n"
        f"age in a loop that queues: p50 {queue.percentile(50):.0f} ms, after {seconds:.0f} s "
        f"{queue.percentile(100):.0f} ms and growing"
    )
    return p99, limit


def main(arguments: list[str] | None = None) -> int:
    """Run all three; return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args(arguments)
    ratios = {n: throughput(n, given.seconds, given.rounds) for n in (1, 2)}
    p99, limit = age(2 * given.seconds)
    enough = all(r >= LEAST_THROUGHPUT for threads, r in ratios.items() if limited(threads))
    passed = enough and p99 <= limit
    print("all within the limits" if passed else "A LIMIT WAS PASSED")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
