"""edgecv against its peers: the same model and frame, in turns, in one run.

    python -m benchmarks.peers

Three contests, from a frame of 640x480 to results, one thread each:

- detection: MediaPipe Tasks on the public SSD-MobileNet as it was published. edgecv runs it so too,
  and as it does by itself: the same file rewritten to int8, once, when it is first loaded. For
  fairness MediaPipe gets what `edgecv convert --to tflite --int8` makes of the file as well (it
  wants bytes: uint8).
- classification: MediaPipe Tasks on the public MobileNetV2, in the same four ways.
- OpenVINO: Model API and edgecv on the same IR of a MobileNetV1, made by `edgecv convert`, with
  pictures stretched, as Model API knows no zoom. (The SSD is none that OpenVINO reads, for the
  operator that ends it.)

Each way has a process of its own, and each peer an environment, made on the first run in edgecv's
cache. Exits with 1 when edgecv takes more than its peer's time, or in detection .45 of it where the
processor has instructions for bytes (VNNI, dot products), without which int8 gains less.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from benchmarks.int8_speedup import multiplies_bytes
from benchmarks.photos import photo
from benchmarks.timing import p50, ratio
from edgecv import zoo
from edgecv.cache import cache_dir
from edgecv.rewritten import REWRITERS, SWITCH

DETECTOR, CLASSIFIER = "ssd_mobilenet_v1_coco_int8", "mobilenet_v2_1.0_224_int8"
FLOAT = "mobilenet_v1_0.25_224_fp32"
HERE = Path(__file__).parent


Way: TypeAlias = tuple[Sequence[str | Path], Mapping[str, str]]


class Contest(NamedTuple):
    """Ways to do the same thing, the first of which the others are held against.

    Attributes:
        title: What is done.
        ways: Name -> command, and what variables of its environment it gets.
        limits: Name -> how many times the first one's time it may take.
    """

    title: str
    ways: Mapping[str, Way]
    limits: Mapping[str, float]


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


def mediapipe_contest(task: str, name: str, frame: Path, folder: Path, limit: float) -> Contest:
    """Return the contest against MediaPipe Tasks on a public uint8 file."""
    converted = folder / f"{name}.tflite"
    REWRITERS.load("tflite")(zoo.fetch(name), converted)
    peer: list[str | Path] = [
        environment("mediapipe", ["mediapipe"]),
        HERE / "peer_mediapipe.py",
        task,
    ]
    ours: list[str | Path] = [sys.executable, HERE / "peer_edgecv.py", "tflite", name, frame]
    ways: dict[str, Way] = {
        "MediaPipe": ([*peer, zoo.fetch(name), frame], {}),
        "MediaPipe, rewritten file": ([*peer, converted, frame], {}),
        "edgecv": (ours, {SWITCH: "1"}),
        "edgecv, file as shipped": (ours, {SWITCH: "0"}),
    }
    return Contest(
        f"{task}: {name}, against MediaPipe Tasks on the file as shipped", ways, {"edgecv": limit}
    )


def model_api_contest(frame: Path, folder: Path) -> Contest:
    """Return the contest against OpenVINO Model API on an IR that both read."""
    subprocess.run(
        [sys.executable, "-m", "edgecv.apps.cli", "convert", FLOAT, "--to", "openvino",
         "--fit", "stretch", "--out", folder],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    model = folder / f"{FLOAT}_fp32.xml"
    python = environment("model_api", ["openvino-model-api"])
    ways: dict[str, Way] = {
        "Model API": ([python, HERE / "peer_model_api.py", model, frame], {}),
        "edgecv": ([sys.executable, HERE / "peer_edgecv.py", "openvino", model, frame], {}),
    }
    return Contest(f"classification: {FLOAT} as IR, against Model API", ways, {"edgecv": 1.0})


def measure(contest: Contest, rounds: int, calls: int) -> dict[str, list[float]]:
    """Time all ways in turns; return the milliseconds of each call by way."""
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(closing(Worker(command, {**os.environ, **variables})))
            for name, (command, variables) in contest.ways.items()
        }
        for worker in workers.values():
            worker.times(calls)
        times: dict[str, list[float]] = {name: [] for name in workers}
        for turn in range(rounds):
            for name in list(workers) if turn % 2 else reversed(workers):
                times[name] += workers[name].times(calls)
    return times


def judged(contest: Contest, times: Mapping[str, list[float]], calls: int) -> bool:
    """Print a contest's medians and their ratios to the first; return whether limits hold."""
    print(f"\n{contest.title}")
    passed = []
    for name, values in times.items():
        against = ratio(times, name, next(iter(times)), calls=calls)
        limit = contest.limits.get(name)
        said = f"(limit {limit})" if limit else ""
        print(f"{name:26} {p50(values):6.2f} ms  ratio {against:.3f} {said}".rstrip())
        passed.append(limit is None or against <= limit)
    return all(passed)


def main(arguments: list[str] | None = None) -> int:
    """Hold all contests; return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--calls", type=int, default=20, help="calls in a round")
    given = parser.parse_args(arguments)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # peers take more threads than asked
    print("640x480 BGR, one thread on one core, p50")
    passed = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frame = folder / "frame.npy"
        most = 0.45 if multiplies_bytes() else 1.0
        np.save(frame, photo(480, 640))
        contests = (
            mediapipe_contest("detect", DETECTOR, frame, folder, most),
            mediapipe_contest("classify", CLASSIFIER, frame, folder, 1.0),
            model_api_contest(frame, folder),
        )
        for contest in contests:
            times = measure(contest, given.rounds, given.calls)
            passed.append(judged(contest, times, given.calls))
    print("\nall within the limits" if all(passed) else "\nA LIMIT WAS PASSED")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
