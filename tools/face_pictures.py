r"""Make the pictures that edgecv-face-detect learns from: faces of every size, and much without.

    python tools/face_pictures.py --marked fddb_train --photos coco_train \
        --faces lfw_train_aligned --out faces_train

The folder it writes is one of `boxes.json` and images, 320 pixels at most. In it are

- the marked photographs, and cuts round their faces;
- cuts of the photographs round the faces that a teacher finds in them, larger ones only;
- photographs of nobody with aligned faces laid into them, and pieces of other photographs laid in
  the same way, so that an edge is no sign of a face;
- photographs of nobody as they are.

The teacher's boxes are moved to where those who marked would have drawn them: how far, is measured
on the marked photographs. A seed makes the same folder again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

import edgecv
from edgecv.boxes import iou
from edgecv.progress import bar
from edgecv.types import Array, FloatArray, Image

SIDE = 320
"""The longest side of what is written, and the side of pictures that faces are laid into."""
LEAST = 0.06
"""Of the longer side: a smaller face that a teacher finds is no reason for a cut."""


class Marked(NamedTuple):
    """A picture, BGR, and its faces: float32 (N, 4), xyxy in pixels."""

    image: Image
    boxes: FloatArray


def main() -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--marked", type=Path, required=True, help="boxes.json and images")
    parser.add_argument("--photos", type=Path, required=True, help="instances.json and images")
    parser.add_argument("--faces", type=Path, required=True, help="aligned faces, 112 x 112")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher", default="yunet_n_320")
    parser.add_argument("--laid", type=int, default=1200, help="pictures with faces laid in")
    parser.add_argument("--empty", type=int, default=300, help="photographs without anybody")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    teacher = edgecv.load(args.teacher)
    marked = list(_marked(args.marked))
    shift = _shift(teacher, marked)
    print("the teacher's boxes move by", np.round(shift, 3), "of their sides")
    people, nobody = _photos(args.photos)
    faces = sorted(args.faces.rglob("*.jpg"))
    box = _aligned_box(teacher, [_read(faces[i]) for i in range(0, len(faces), 60)], shift)
    made: list[Marked] = []
    for one in marked:
        made += [one, *_cuts(one, 3, rng)]
    with bar("photographs") as report:
        for done, path in enumerate(people, 1):
            image = _read(path)
            made += _cuts(Marked(image, _found(teacher, image, shift)), 2, rng)
            report(done, len(people))
    made += [_laid(nobody, faces, box, rng) for _ in range(args.laid)]
    for path in rng.permutation(np.array(nobody, object))[: args.empty]:
        made.append(Marked(_read(path), np.zeros((0, 4), np.float32)))
    _write(args.out, made)
    print(f"{len(made)} pictures, {sum(len(one.boxes) for one in made)} faces")


def _marked(folder: Path) -> Iterator[Marked]:
    for entry in json.loads((folder / "boxes.json").read_text()):
        boxes = np.asarray(entry["boxes_xyxy"], np.float32).reshape(-1, 4)
        yield Marked(_read(folder / "images" / entry["file"]), boxes)


def _photos(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the photographs with people, and those without."""
    told = json.loads((folder / "instances.json").read_text())
    person = next(c["id"] for c in told["categories"] if c["name"] == "person")
    somebody = {a["image_id"] for a in told["annotations"] if a["category_id"] == person}
    both: tuple[list[Path], list[Path]] = ([], [])
    for entry in told["images"]:
        both[entry["id"] not in somebody].append(folder / "images" / entry["file_name"])
    return both


def _found(teacher: Any, image: Image, shift: FloatArray) -> FloatArray:
    """Return the teacher's boxes as those who marked would have drawn them, (N, 4)."""
    boxes = np.asarray(teacher(image).boxes, np.float32).reshape(-1, 4)
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(boxes + shift * np.tile(sides, 2), np.float32)


def _shift(teacher: Any, marked: list[Marked]) -> FloatArray:
    """Return how far marks lie from the teacher's boxes, float32 (4,), in sides; the median."""
    off = []
    for image, boxes in marked:
        found = np.asarray(teacher(image).boxes, np.float32).reshape(-1, 4)
        if not len(found) or not len(boxes):
            continue
        overlaps = iou(found, boxes)
        for column, row in enumerate(overlaps.argmax(axis=0)):
            if overlaps[row, column] > 0.4:
                sides = np.tile(found[row, 2:] - found[row, :2], 2)
                off.append((boxes[column] - found[row]) / sides)
    return np.asarray(np.median(off, axis=0), np.float32)


def _aligned_box(teacher: Any, faces: list[Image], shift: FloatArray) -> FloatArray:
    """Return where the face is in an aligned picture, float32 (4,), as parts of its sides."""
    boxes = []
    for face in faces:
        margin = face.shape[0] // 2
        wide = cv2.copyMakeBorder(face, *[margin] * 4, cv2.BORDER_REPLICATE)
        found = _found(teacher, wide, shift)
        if len(found) == 1:
            boxes.append((found[0] - margin) / face.shape[0])
    return np.asarray(np.median(boxes, axis=0).clip(0, 1), np.float32)


def _cuts(one: Marked, count: int, rng: np.random.Generator) -> list[Marked]:
    """Return squares round faces that are large enough, up to `count` of a picture."""
    height, width = one.image.shape[:2]
    sides = (one.boxes[:, 2:] - one.boxes[:, :2]).max(axis=1, initial=0)
    large = np.flatnonzero(sides > max(LEAST * max(height, width), 16))
    out = []
    for index in rng.permutation(large)[:count]:
        side = int(min(sides[index] * np.exp(rng.uniform(np.log(1.4), np.log(6))), width, height))
        centre = (one.boxes[index, :2] + one.boxes[index, 2:]) / 2
        free = centre - rng.uniform(0.25, 0.75, 2) * side
        x, y = np.clip(free, 0, [width - side, height - side]).astype(int)
        out.append(_inside(one, int(x), int(y), side))
    return out


def _inside(one: Marked, x: int, y: int, side: int) -> Marked:
    """Return a square of a picture with those faces of which half and more is in it."""
    moved = one.boxes - np.array([x, y, x, y], np.float32)
    cut = moved.clip(0, side)
    kept = _area(cut) >= 0.5 * _area(moved)
    return Marked(one.image[y : y + side, x : x + side], cut[kept])


def _area(boxes: FloatArray) -> Array:
    return np.asarray(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))


def _laid(
    nobody: list[Path], faces: list[Path], box: FloatArray, rng: np.random.Generator
) -> Marked:
    """Return a photograph of nobody with faces, and pieces of photographs, laid into it."""
    canvas = _square(_read(nobody[rng.integers(len(nobody))]), SIDE, rng).astype(np.float32)
    taken = np.zeros((0, 4), np.float32)
    boxes = []
    for is_face in rng.permutation([True] * rng.integers(1, 6) + [False] * rng.integers(0, 5)):
        side = int(np.exp(rng.uniform(np.log(24), np.log(200))))
        x, y = rng.integers(0, SIDE - side, 2)
        place = np.array([[x, y, x + side, y + side]], np.float32)
        if len(taken) and iou(place, taken).max() > 0.02:
            continue
        taken = np.concatenate([taken, place])
        if is_face:
            piece = _read(faces[rng.integers(len(faces))])
            boxes.append(place[0, [0, 1, 0, 1]] + box * side)
        else:
            piece = _square(_read(nobody[rng.integers(len(nobody))]), 112, rng)
        piece = cv2.resize(piece, (side, side), interpolation=cv2.INTER_AREA)
        _blend(canvas[y : y + side, x : x + side], piece, rng)
    image = canvas.clip(0, 255).astype(np.uint8)
    return Marked(image, np.asarray(boxes, np.float32).reshape(-1, 4))


def _square(image: Image, side: int, rng: np.random.Generator) -> Image:
    """Return a square of a picture, of random place and a third of its shorter side or more."""
    height, width = image.shape[:2]
    part = int(min(height, width) * rng.uniform(0.35, 1))
    x, y = rng.integers(0, width - part + 1), rng.integers(0, height - part + 1)
    cut = image[y : y + part, x : x + part]
    return np.asarray(cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _blend(under: FloatArray, piece: Image, rng: np.random.Generator) -> None:
    """Lay a piece over a part of a picture, with a soft edge and a brightness of its own."""
    side = len(piece)
    away = np.abs(np.linspace(-1, 1, side, dtype=np.float32))
    power = rng.uniform(2, 8)  # from an ellipse to nearly a square
    out = (away[:, None] ** power + away[None] ** power) ** (1 / power)
    alpha = np.clip((1 - out) / rng.uniform(0.05, 0.25), 0, 1)[..., None]
    under[:] = (1 - alpha) * under + alpha * piece * rng.uniform(0.6, 1.3)


def _read(path: Path) -> Image:
    image = cv2.imread(str(path))
    if image is None:
        raise SystemExit(f"{path} is no picture")
    return np.asarray(image, np.uint8)


def _write(folder: Path, made: list[Marked]) -> None:
    (folder / "images").mkdir(parents=True)
    entries = []
    for number, (image, boxes) in enumerate(made):
        scale = min(1.0, SIDE / max(image.shape[:2]))
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        height, width = image.shape[:2]
        name = f"{number:05}.jpg"
        cv2.imwrite(str(folder / "images" / name), image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        rows = (boxes * scale).clip(0, [width, height] * 2).round(1).tolist()
        entries.append({"file": name, "width": width, "height": height, "boxes_xyxy": rows})
    (folder / "boxes.json").write_text(json.dumps(entries))


if __name__ == "__main__":
    main()
