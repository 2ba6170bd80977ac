r"""Cut the objects of COCO's photographs out, a folder for each class: what edgecv-classify learns.

    python tools/object_crops.py coco_train --out objects_train

An object is cut out with some room around it where it is large enough, and where no smaller object
of another class covers much of it. The folder `other` has objects of the classes that are not
named, and places without any object: else a classifier would call them one of the names. A seed
makes the same folders again.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from edgecv.boxes import area
from edgecv.datasets import CocoImage, read_objects
from edgecv.image import read_image
from edgecv.progress import bar
from edgecv.types import Array, FloatArray, Image

CLASSES = (
    "person", "bicycle", "car", "motorbike", "aeroplane", "bus", "train", "truck", "boat", "bird",
    "cat", "dog", "horse", "sheep", "cow", "elephant", "umbrella", "suitcase", "bottle", "cup",
    "pizza", "cake", "chair", "sofa", "bed", "potted plant", "tvmonitor", "laptop",
)  # fmt: skip
"""Those with a score of cuts in 1,552 photographs, and little that they are mistaken for."""
OTHER = "other"
SIDE = 192
"""Pixels of the longer side of what is written."""
ROOM = 1.15
"""Sides of a cut by those of the box."""
COVERED = 0.4
"""An object is left out where a smaller box of another class covers more of it than this."""
LEAST = 0.1
"""The shorter side of a box by the longer side of its photograph; smaller ones are left out."""


def main() -> None:
    """Write the folders."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", type=Path, help="instances.json and images/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--classes", nargs="+", default=CLASSES)
    parser.add_argument("--most", type=int, default=600, help="cuts of a class")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    data = read_objects(args.photos)
    found: dict[str, list[tuple[CocoImage, FloatArray]]] = {OTHER: []}
    found |= {name: [] for name in args.classes}
    for image in data.images:
        names = [data.categories[int(number)] for number in image.category_ids]
        least = LEAST * max(image.size)
        for box, name in zip(image.boxes, names, strict=True):
            if (box[2:] - box[:2]).min() >= least and alone(box, name, image.boxes, names):
                found[name if name in found else OTHER].append((image, box))
        found[OTHER] += [(image, box) for box in _empty(image, least, rng)]
    counts: Counter[str] = Counter()
    with bar("cutting") as report:
        for done, (name, cuts) in enumerate(found.items(), 1):
            (args.out / name).mkdir(parents=True)
            for index in sorted(rng.permutation(len(cuts))[: args.most].tolist()):
                image, box = cuts[index]
                file = args.out / name / f"{image.file.stem}_{index}.jpg"
                cv2.imwrite(str(file), cut(read_image(image.file), box))
                counts[name] += 1
            report(done, len(found))
    print(", ".join(f"{name} {count}" for name, count in counts.most_common()))


def alone(box: FloatArray, name: str, boxes: FloatArray, names: list[str]) -> bool:
    """Tell whether no smaller box of another class, of (N, 4), covers much of a box, (4,)."""
    others = boxes[np.array([other != name for other in names]) & (area(boxes) < area(box[None]))]
    return not len(others) or float(_covered(box, others).max()) <= COVERED


def cut(image: Image, box: FloatArray) -> Image:
    """Return the part of a picture around a box, with room, `SIDE` pixels at most."""
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * ROOM / 2
    left, top = np.maximum(centre - half, 0).astype(int)
    right, bottom = np.ceil(centre + half).astype(int)
    part = image[top:bottom, left:right]
    scale = min(1.0, SIDE / max(part.shape[:2]))
    size = [max(1, round(side * scale)) for side in part.shape[1::-1]]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)


def _empty(image: CocoImage, least: float, rng: np.random.Generator) -> list[FloatArray]:
    """Return a square without objects where three tries find one."""
    height, width = image.size
    for _ in range(3):
        side = rng.uniform(least, max(least, min(height, width) / 2))
        x, y = rng.uniform(0, width - side), rng.uniform(0, height - side)
        square = np.array([x, y, x + side, y + side], np.float32)
        if not len(image.boxes) or _covered(square, image.boxes).max() < 0.05:
            return [square]
    return []


def _covered(box: FloatArray, others: FloatArray) -> Array:
    """Return how much of a box each of the others covers, 0..1: float (N,)."""
    shared = np.concatenate(
        [np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])], axis=1
    )
    return np.asarray(area(shared) / area(box[None]))


if __name__ == "__main__":
    main()
