"""edgecv, timed on request in a process of its own, as its peers are.

    python peer_edgecv.py RUNTIME MODEL FRAME.npy

Reads a number of calls from each line of standard input; answers with a JSON list of milliseconds.
"""

import sys

import numpy as np
from peer_loop import answer

import edgecv


def main(runtime: str, name: str, frame: str) -> None:
    """Answer requests until standard input ends."""
    model = edgecv.load(name, runtime=runtime, device="cpu", threads=1)
    bgr = np.load(frame)
    answer(lambda: model(bgr))


if __name__ == "__main__":
    main(*sys.argv[1:])
