"""edgecv against its peers: the same model file and frame, in turns, in one run.

    python -m benchmarks.peers

Each peer lives in an environment of its own, made on the first run in edgecv's cache folder.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

import numpy as np

import edgecv
from benchmarks.photos import photo
from benchmarks.timing import p50, ratio
from edgecv import zoo
from edgecv.cache import cache_dir

MODEL = "ssd_mobilenet_v1_coco_int8"
MOST_RATIO = 0.95


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


def main(arguments: list[str] | None = None) -> int:
    """Print both medians and their ratio; return 1 when the ratio passes its limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=20, help="calls in a round")
    given = parser.parse_args(arguments)
    image = photo(480, 640)
    model = edgecv.load(MODEL, runtime="tflite", device="cpu", threads=1)
    times: dict[str, list[float]] = {"edgecv": [], "MediaPipe": []}
    with tempfile.TemporaryDirectory() as folder:
        frame = Path(folder) / "frame.npy"
        np.save(frame, image)
        with mediapipe(zoo.fetch(MODEL), frame) as worker:
            worker.times(given.calls)
            for _ in range(given.calls):
                model(image)
            for _ in range(given.rounds):
                times["MediaPipe"] += worker.times(given.calls)
                for _ in range(given.calls):
                    start = perf_counter()
                    model(image)
                    times["edgecv"].append((perf_counter() - start) * 1e3)
    against = ratio(times, "edgecv", "MediaPipe", calls=given.calls)
    print(
        f"{MODEL}, 640x480 BGR, one thread: edgecv {p50(times['edgecv']):.2f} ms, "
        f"MediaPipe Tasks {p50(times['MediaPipe']):.2f} ms, ratio {against:.3f} "
        f"(limit {MOST_RATIO})"
    )
    return 0 if against <= MOST_RATIO else 1


if __name__ == "__main__":
    sys.exit(main())
