"""OpenVINO Model API, timed on request; runs in an environment of its own.

    python peer_model_api.py MODEL.xml FRAME.npy

It runs on one thread and in full float32, as edgecv does. Reads a number of calls from each line of
standard input; answers with a JSON list of milliseconds.
"""

import sys

import numpy as np
from model_api.adapters import OpenvinoAdapter, create_core
from model_api.models import Model
from peer_loop import answer


def main(path: str, frame: str) -> None:
    """Answer requests until standard input ends."""
    settings = {"INFERENCE_NUM_THREADS": "1", "INFERENCE_PRECISION_HINT": "f32"}
    adapter = OpenvinoAdapter(create_core(), path, device="CPU", plugin_config=settings)
    model = Model.create_model(adapter)
    bgr = np.load(frame)
    answer(lambda: model(bgr))


if __name__ == "__main__":
    main(*sys.argv[1:])
