"""How many track ids a film gives at its own frame rate, and when most frames are left out.

    python -m benchmarks.tracking cars.mp4 --model ssd_mobilenet_v1_coco_int8 --every 1 2 3 5

A tracker that needs the full rate gives more and more ids the more frames are left out. Also prints
what an update costs for several numbers of tracked things.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from time import perf_counter

import cv2
import numpy as np

import edgecv
from edgecv.results import Detections
from edgecv.tracking import Tracker
from edgecv.types import Size


def detect(film: str, model_name: str, label: str | None) -> tuple[float, list[Detections]]:
    """Return a film's frames a second, and what is found in each of its frames."""
    capture, found = cv2.VideoCapture(film), []
    fps = capture.get(cv2.CAP_PROP_FPS)
    with edgecv.load(model_name, device="cpu", score=0.1) as model:
        while (read := capture.read())[0]:
            result = model(np.asarray(read[1], np.uint8))
            if not isinstance(result, Detections):
                raise SystemExit(f"{model_name} detects no objects")
            keep = [label in (None, name) for name in result.names]
            found.append(result[np.array(keep, bool)])
    capture.release()
    return fps, found


def ids(found: Sequence[Detections], fps: float, every: int, start: int) -> int:
    """Return how many ids there are when only every so many frames are used."""
    tracker, seen = Tracker(), set()
    for number in range(start, len(found), every):
        seen.update(tracker.update(found[number], number / fps).track_ids.tolist())
    return len(seen - {-1})


def microseconds(things: int) -> float:
    """Return the median time of an update, with so many things in a grid that drifts."""
    tracker, times = Tracker(), []
    x, y = np.meshgrid(np.arange(things) % 10 * 120.0, np.arange(-(-things // 10)) * 120.0)
    corners = np.stack((x[:, :10], y[:, :10]), -1).reshape(-1, 2)[:things]
    for i in range(60):
        boxes = np.concatenate((corners + i, corners + i + 80), 1).astype(np.float32)
        scores, ids_ = np.full(len(boxes), 0.9, np.float32), np.zeros(len(boxes), np.int64)
        found = Detections(frame=Size(1300, 1300), boxes=boxes, scores=scores, class_ids=ids_)
        start = perf_counter()
        tracker.update(found, i / 30)
        times.append(perf_counter() - start)
    return float(np.median(times[10:]) * 1e6)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("film", nargs="*")
    parser.add_argument("--model", default="ssd_mobilenet_v1_coco_int8")
    parser.add_argument("--label", help="count this class alone")
    parser.add_argument("--every", type=int, nargs="+", default=[1, 2, 3, 5])
    args = parser.parse_args()
    for film in args.film:
        fps, found = detect(film, args.model, args.label)
        for every in args.every:
            counts = [ids(found, fps, every, start) for start in range(every)]
            print(f"{film}: {fps / every:5.1f} frames a second: ids {counts}")
    for things in (1, 10, 50):
        print(f"{things} things: {microseconds(things):.0f} microseconds an update")


if __name__ == "__main__":
    main()
