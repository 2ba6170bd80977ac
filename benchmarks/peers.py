"""edgecv against its peers: the same published model and frame, in turns, in one run.

    python -m benchmarks.peers

MediaPipe runs the file as it was published. edgecv does so too, and also runs what it does by
itself: the same file rewritten to int8, once, when it is first loaded. For fairness MediaPipe gets
what `edgecv convert --to tflite --int8` makes of the file as well (it wants bytes: uint8). Each
way has a process of its own, and MediaPipe an environment, made on the first run in edgecv's cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from benchmarks.photos import photo
from benchmarks.timing import p50, ratio
from edgecv import zoo
from edgecv.cache import cache_dir
from edgecv.rewritten import REWRITERS, SWITCH

MODEL = "ssd_mobilenet_v1_coco_int8"
PEER, PEER_INT8 = "MediaPipe", "MediaPipe, rewritten file"
OURS, OURS_SHIPPED = "edgecv", "edgecv, file as shipped"
LIMITS = {OURS: 0.45, OURS_SHIPPED: 1.0}
"""How many times MediaPipe's time, with the file as shipped, ours may be. With that file the bare
interpreter alone took .96 of it here: there is little to be won but by another file."""


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

    def __init__(
        self, command: Sequence[str | Path], variables: Mapping[str, str] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=variables,
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
def ours(frame: Path, *, rewritten: bool) -> Iterator[Worker]:
    """Run edgecv on the model, as it does by itself or on the file as it was published."""
    script = Path(__file__).with_name("peer_edgecv.py")
    worker = Worker(
        [sys.executable, script, MODEL, frame], {**os.environ, SWITCH: "1" if rewritten else "0"}
    )
    try:
        yield worker
    finally:
        worker.close()


def measure(rounds: int, calls: int) -> dict[str, list[float]]:
    """Time all ways in turns; return the milliseconds of each call by way."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        frame, converted = folder / "frame.npy", folder / "int8.tflite"
        np.save(frame, photo(480, 640))
        REWRITERS.load("tflite")(zoo.fetch(MODEL), converted)
        ways = {
            PEER: mediapipe(zoo.fetch(MODEL), frame),
            PEER_INT8: mediapipe(converted, frame),
            OURS: ours(frame, rewritten=True),
            OURS_SHIPPED: ours(frame, rewritten=False),
        }
        workers = {name: stack.enter_context(way) for name, way in ways.items()}
        for worker in workers.values():
            worker.times(calls)
        times: dict[str, list[float]] = {name: [] for name in workers}
        for turn in range(rounds):
            for name in list(workers) if turn % 2 else reversed(workers):
                times[name] += workers[name].times(calls)
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
