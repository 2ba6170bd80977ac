"""MediaPipe Tasks' object detector, timed on request; runs in an environment of its own.

    python peer_mediapipe.py MODEL.tflite FRAME.npy

Reads a number of calls from each line of standard input; answers with a JSON list of milliseconds.
"""

import json
import sys
from time import perf_counter

import cv2
import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision


def main(model: str, frame: str) -> None:
    """Answer requests until standard input ends."""
    options = vision.ObjectDetectorOptions(
        base_options=BaseOptions(model_asset_path=model), max_results=10, score_threshold=0.4
    )
    detector = vision.ObjectDetector.create_from_options(options)
    bgr = np.load(frame)

    def detect() -> object:
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        return detector.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb))

    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = perf_counter()
            detect()
            times.append((perf_counter() - start) * 1e3)
        sys.stdout.write(json.dumps(times) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
