"""OpenVINO Model API, timed on request; runs in an environment of its own.

    python peer_model_api.py MODEL.xml FRAME.npy

It runs on one thread and in full float32, as edgecv does. Reads a number of calls from each line of
standard input; answers with a JSON list of milliseconds.
"""

import json
import sys
from time import perf_counter

import numpy as np
from model_api.adapters import OpenvinoAdapter, create_core
from model_api.models import Model


def main(path: str, frame: str) -> None:
    """Answer requests until standard input ends."""
    settings = {"INFERENCE_NUM_THREADS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    adapter = OpenvinoAdapter(create_core(), path, device="CPU", plugin_config=settings)
    model = Model.create_model(adapter)
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
