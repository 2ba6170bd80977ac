"""What `model(image)` costs over the best loop that one would write by hand for the same file.

    python -m benchmarks.overhead

The file is the one that runs: the int8 form of a model that edgecv rewrites. Exits with 1 when a
limit is passed: SSD 1.05 x the hand-written loop, MobileNet 150 microseconds a call,
`import edgecv` 60 ms over numpy and OpenCV.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import edgecv
from benchmarks.photos import photo
from benchmarks.timing import interleaved, p50, ratio
from edgecv.types import Image

SSD, SMALL = "ssd_mobilenet_v1_coco_int8", "mobilenet_v1_0.25_224_int8"
MOST_RATIO, MOST_MICROSECONDS, MOST_IMPORT_MS = 1.05, 150.0, 60.0


def bare_interpreter(path: Path, threads: int) -> Any:
    """Return LiteRT's own interpreter for a model file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def by_hand(path: Path, image: Image, threads: int) -> Callable[[], object]:
    """Return the loop that one would write: resize, swap, set the tensor, invoke, read."""
    interpreter = bare_interpreter(path, threads)
    detail = interpreter.get_input_details()[0]
    index, (_, height, width, _) = detail["index"], detail["shape"]
    outputs = [output["index"] for output in interpreter.get_output_details()]
    signed = detail["dtype"] == np.int8

    def call() -> object:
        small = cv2.resize(image, (width, height))
        rgb: Any = cv2.cvtColor(small, cv2.COLOR_BGR2RGB)[None]
        if signed:
            rgb = np.bitwise_xor(rgb, 128).view(np.int8)  # less 128, the fastest way
        interpreter.set_tensor(index, rgb)
        interpreter.invoke()
        return [interpreter.get_tensor(output) for output in outputs]

    return call


def compare(name: str, image: Image, threads: int, rounds: int) -> tuple[float, float]:
    """Print one line; return the ratio and the difference in microseconds."""
    model = edgecv.load(name, runtime="tflite", device="cpu", threads=threads)
    if model.path is None:
        raise RuntimeError(f"{name} was not opened from a file")
    ways = {"edgecv": lambda: model(image), "by hand": by_hand(model.path, image, threads)}
    times = interleaved(ways, rounds=rounds)
    times_ratio = ratio(times, "edgecv", "by hand")
    extra = (p50(times["edgecv"]) - p50(times["by hand"])) * 1e3
    print(
        f"{name:32} {threads} thread(s)  edgecv {p50(times['edgecv']):7.3f} ms  "
        f"by hand {p50(times['by hand']):7.3f} ms  ratio {times_ratio:5.3f}  {extra:+6.1f} us"
    )
    return times_ratio, extra


def import_cost(tries: int = 9) -> float:
    """Return how much longer `import edgecv` takes than numpy and OpenCV, in milliseconds."""
    code = "import time; s = time.perf_counter(); {}; print((time.perf_counter() - s) * 1e3)"
    seconds: dict[str, list[float]] = {"import numpy, cv2": [], "import edgecv": []}
    for _ in range(tries):
        for line, kept in seconds.items():
            command = [sys.executable, "-c", code.format(line)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            kept.append(float(done.stdout))
    base, ours = (statistics.median(kept) for kept in seconds.values())
    print(f"import edgecv {ours:.0f} ms, numpy and cv2 alone {base:.0f} ms: {ours - base:+.0f} ms")
    return ours - base


def main(arguments: list[str] | None = None) -> int:
    """Run all comparisons; return 1 when a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args(arguments)
    image = photo(480, 640)
    passed = []
    for threads in (1, 2):
        times_ratio, _ = compare(SSD, image, threads, given.rounds)
        passed.append(times_ratio <= MOST_RATIO)
        _, extra = compare(SMALL, image, threads, given.rounds)
        passed.append(extra <= MOST_MICROSECONDS)
    passed.append(import_cost() <= MOST_IMPORT_MS)
    print("all within the limits" if all(passed) else "A LIMIT WAS PASSED")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
