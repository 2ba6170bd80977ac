"""edgecv, timed on request in a process of its own, as its peers are.

    python peer_edgecv.py RUNTIME MODEL FRAME.npy

Reads a number of calls from each line of standard input; answers with a JSON list of milliseconds.
"""

import json
import sys
from time import perf_counter

import numpy as np

import edgecv


def main(runtime: str, name: str, frame: str) -> None:
    """Answer requests until standard input ends."""
    model = edgecv.load(name, runtime=runtime, device="cpu", threads=1)
    bgr = np.load(frame)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = perf_counter()
            model(bgr)
            times.append((perf_counter() - start) * 1e3)
        sys.stdout.write(json.dumps(times) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
