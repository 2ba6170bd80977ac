"""edgecv against its peers: the same published model and frame, in turns, in one run.

    python -m benchmarks.peers

MediaPipe runs the file as it was published. edgecv does so too, and also runs what it does by
itself: the same file rewritten to int8, once, when it is first loaded. For fairness MediaPipe gets
what `edgecv convert --to tflite --int8` makes of the file as well (it wants bytes: uint8). Each
peer lives in an environment of its own, made on the first run in edgecv's cache folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np

import edgecv
from benchmarks.photos import photo
from benchmarks.timing import p50, ratio
from edgecv import zoo
from edgecv.cache import cache_dir
from edgecv.rewritten import REWRITERS, SWITCH

MODEL = "ssd_mobilenet_v1_coco_int8"
PEER, PEER_INT8 = "MediaPipe", "MediaPipe, rewritten file"
OURS, OURS_SHIPPED = "edgecv", "edgecv, file as shipped"
LIMITS = {OURS: 0.45, OURS_SHIPPED: 0.95}
"""How many times MediaPipe's time, with the file as shipped, ours may be."""


def environment(name: str, packages: Sequence[str]) -> Path:
    """Return the Python of a peer's own environment, made where it is not there yet."""
    folder = cache_dir() / "peers" / name
    python = folder / "bin" / "python"
    if not (folder / "complete").is_file():
        print(f"installing {', '.join(packages)} into {folder} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        (folder / "complete").touch()
    return python


class Worker:
    """A peer's process that times a number of its own calls on request."""

    def __init__(self, command: Sequence[str | Path]) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def times(self, calls: int) -> list[float]:
        """Return the milliseconds of `calls` calls."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the peer's process has no pipes")
        self._process.stdin.write(f"{calls}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer's process ended with {self._process.wait()}")
        out: list[float] = json.loads(line)
        return out

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(10)


@contextmanager
def mediapipe(model: Path, frame: Path) -> Iterator[Worker]:
    """Run MediaPipe Tasks on a model file and a frame stored as .npy."""
    script = Path(__file__).with_name("peer_mediapipe.py")
    worker = Worker([environment("mediapipe", ["mediapipe"]), script, model, frame])
    try:
        yield worker
    finally:
        worker.close()


@contextmanager
def ours(*, rewritten: bool) -> Iterator[edgecv.Model]:
    """Open the model on one thread, as edgecv does by itself or as it was published."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "1" if rewritten else "0"
    try:
        with edgecv.load(MODEL, runtime="tflite", device="cpu", threads=1) as model:
            if (model.original is not None) != rewritten:
                raise RuntimeError(f"{MODEL} was {'not ' if rewritten else ''}rewritten")
            yield model
    finally:
        if before is None:
            del os.environ[SWITCH]
        else:
            os.environ[SWITCH] = before


def timed(call: Callable[[], object], calls: int) -> list[float]:
    """Return the milliseconds of `calls` calls."""
    times = []
    for _ in range(calls):
        start = perf_counter()
        call()
        times.append((perf_counter() - start) * 1e3)
    return times


def measure(rounds: int, calls: int) -> dict[str, list[float]]:
    """Time all ways in turns; return the milliseconds of each call by way."""
    image = photo(480, 640)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        frame, converted = folder / "frame.npy", folder / "int8.tflite"
        np.save(frame, image)
        REWRITERS.load("tflite")(zoo.fetch(MODEL), converted)
        fast = stack.enter_context(ours(rewritten=True))
        slow = stack.enter_context(ours(rewritten=False))
        peer = stack.enter_context(mediapipe(zoo.fetch(MODEL), frame))
        peer_int8 = stack.enter_context(mediapipe(converted, frame))
        ways: dict[str, Callable[[int], list[float]]] = {
            PEER: peer.times,
            PEER_INT8: peer_int8.times,
            OURS: lambda count: timed(lambda: fast(image), count),
            OURS_SHIPPED: lambda count: timed(lambda: slow(image), count),
        }
        for way in ways.values():
            way(calls)
        times: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds):
            for name in list(ways) if turn % 2 else reversed(ways):
                times[name] += ways[name](calls)
    return times


def main(arguments: list[str] | None = None) -> int:
    """Print all medians and their ratios to MediaPipe's; return 1 when one passes its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=20, help="calls in a round")
    given = parser.parse_args(arguments)
    times = measure(given.rounds, given.calls)
    print(f"{MODEL}, 640x480 BGR, one thread, against MediaPipe Tasks on the file as shipped")
    passed = []
    for name, values in times.items():
        against, limit = ratio(times, name, PEER, calls=given.calls), LIMITS.get(name)
        said = f"(limit {limit})" if limit else ""
        print(f"{name:26} {p50(values):6.2f} ms  ratio {against:.3f} {said}".rstrip())
        passed.append(limit is None or against <= limit)
    print("all within the limits" if all(passed) else "A LIMIT WAS PASSED")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
