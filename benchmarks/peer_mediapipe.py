"""MediaPipe Tasks, timed on request; runs in an environment of its own.

    python peer_mediapipe.py detect|classify MODEL.tflite FRAME.npy

Reads a number of calls from each line of standard input; answers with a JSON list of milliseconds.
"""

import sys

import cv2
import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from peer_loop import answer


def opened(task: str, model: str) -> object:
    """Return the function that looks at a picture."""
    base = BaseOptions(model_asset_path=model)
    if task == "detect":
        options = vision.ObjectDetectorOptions(
            base_options=base, max_results=10, score_threshold=0.4
        )
        return vision.ObjectDetector.create_from_options(options).detect
    options = vision.ImageClassifierOptions(base_options=base, max_results=5)
    return vision.ImageClassifier.create_from_options(options).classify


def main(task: str, model: str, frame: str) -> None:
    """Answer requests until standard input ends."""
    look = opened(task, model)
    bgr = np.load(frame)

    def call() -> object:
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        return look(mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb))

    answer(call)


if __name__ == "__main__":
    main(*sys.argv[1:])
