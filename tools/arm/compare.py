"""Two machines' results side by side: a table, and an error where they are not the same.

usage: compare.py X86.json ARM.json     (written by results.py)

On the same pixels a network has to give the same result. Photographs as they were shot are resized
first, by OpenCV's fast way, which rounds differently on the two machines: about a third of the
pixels differ by 1, and INT8 networks jump by a step here and there. What is found, whose faces
they are and how sure that is has to be the same there too; for places there are wider limits.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgecv.boxes import iou
from edgecv.types import FloatArray

COSINE = 0.99
"""The least cosine between the embeddings of the same face here and there."""
SEEN = 0.2
"""The score from which on MoveNet takes a keypoint for seen."""


class Limits(NamedTuple):
    """How far results may be apart."""

    overlap: float
    """The least intersection over union of a box here and there."""
    score: float
    """The most that a score may differ."""
    keypoint: float
    """The most that seen keypoints may be away, on average, by the picture's longer side."""
    furthest: float
    """The same, for the worst of all keypoints."""


LIMITS = {
    "same pixels": Limits(overlap=0.95, score=0.02, keypoint=0.01, furthest=0.01),
    # One step of edgecv-detect's logits is 0.101, and moves a score of one half by 0.025.
    "as shot": Limits(overlap=0.85, score=0.03, keypoint=0.05, furthest=math.inf),
}

Found = dict[str, Any]


class Row(NamedTuple):
    """One figure of one picture, and whether it is within its limit."""

    figure: str
    found: str
    wanted: str
    held: bool


def at_least(figure: str, found: float, limit: float) -> Row:
    """Return a row for a figure that has to be high."""
    return Row(figure, f"{found:.5f}", f">= {limit}", found >= limit)


def at_most(figure: str, found: float, limit: float) -> Row:
    """Return a row for a figure that has to be low."""
    wanted = f"<= {limit}" if math.isfinite(limit) else "no limit"
    return Row(figure, f"{found:.5f}", wanted, found <= limit)


def floats(values: Any) -> FloatArray:
    """Return numbers from JSON as an array."""
    return np.asarray(values, np.float32)


def detection(here: Found, there: Found, limits: Limits) -> Iterator[Row]:
    """Yield how far names, boxes and scores are apart; both sides fall by score."""
    wanted, found = (", ".join(side["names"]) or "nothing" for side in (here, there))
    yield Row("names", found, wanted, found == wanted)
    if found != wanted or not here["names"]:
        return
    overlaps = np.diag(iou(floats(here["boxes"]), floats(there["boxes"])))
    yield at_least("least IoU", float(overlaps.min()), limits.overlap)
    apart = np.abs(floats(here["scores"]) - floats(there["scores"]))
    yield at_most("largest score difference", float(apart.max()), limits.score)


def pose(here: Found, there: Found, limits: Limits) -> Iterator[Row]:
    """Yield how far the keypoints are apart, as a part of the picture's longer side."""
    ways = np.linalg.norm(floats(here["keypoints"]) - floats(there["keypoints"]), axis=1)
    ways = ways / here["side"]
    seen = floats(here["scores"]) >= SEEN
    yield at_most("seen keypoints, mean", float(ways[seen].mean()), limits.keypoint)
    yield at_most("furthest of all keypoints", float(ways.max()), limits.furthest)


def face(here: Found, there: Found, _: Limits) -> Iterator[Row]:
    """Yield whether the face has the same name, and the cosine between its embeddings."""
    yield Row("name", str(there["name"]), str(here["name"]), here["name"] == there["name"])
    cosine = float(floats(here["embedding"]) @ floats(there["embedding"]))
    yield at_least("cosine", cosine, COSINE)


TASKS = {"detection": detection, "pose": pose, "face": face}
LAYOUT = "{:7} {:12} {:10} {:13} {:25} {:>20} {:>20} {}\n"


def compare(models: str, group: str, here: Found, there: Found) -> bool:
    """Print a line for every figure of every picture; tell whether all are within their limits."""
    all_held = True
    for task in here:
        for picture in here[task]:
            for row in TASKS[task](here[task][picture], there[task][picture], LIMITS[group]):
                note = "" if row.held else "NOT THE SAME"
                sys.stdout.write(LAYOUT.format(models, group, task, picture, *row[:3], note))
                all_held &= row.held
    equal = here == there
    sys.stdout.write(f"{models}, {group}: {'every' if equal else 'not every'} number is equal\n\n")
    return all_held


def main(here_path: Path, there_path: Path) -> int:
    """Print the tables; return 1 where anything is further apart than it may be."""
    here, there = (json.loads(path.read_text("utf-8")) for path in (here_path, there_path))
    machines = (there["machine"], f"{here['machine']}, or wanted")
    sys.stdout.write(LAYOUT.format("models", "", "task", "picture", "figure", *machines, ""))
    held = [
        compare(models, group, found[group], there["sets"][models][group])
        for models, found in here["sets"].items()
        for group in LIMITS
    ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
