"""Labelled pictures on disk: COCO objects and keypoints, faces in boxes, pairs of faces, classes.

A dataset is a folder. What it has to hold is in `LAYOUTS`, and every error quotes it. Coordinates
are pixels of the picture as the annotation file counts them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edgecv.boxes import xywh_to_xyxy
from edgecv.errors import DataError
from edgecv.types import Array, FloatArray, IntArray, Size

LAYOUTS = {
    "instances.json": "COCO objects: instances.json (images, annotations with bbox, categories) "
    "and the pictures in images/",
    "person_keypoints.json": "COCO keypoints: person_keypoints.json (images, annotations with "
    "keypoints, one category that names them) and the pictures in images/",
    "boxes.json": "boxes: boxes.json (a list of {file, width, height, boxes_xyxy}) and the "
    "pictures in images/",
    "pairs.csv": "pairs of faces: pairs.csv (img1,img2,same with same 1 or 0) and the pictures in "
    "images/",
    "classes": "classes: a folder of pictures for each class, named after it",
}
"""What a folder of each kind holds, for people."""

PICTURES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class CocoImage:
    """One picture and the N objects that people have marked in it.

    Attributes:
        file: The picture.
        size: Its size.
        boxes: float32 (N, 4), xyxy, pixels.
        category_ids: int64 (N,).
        areas: float32 (N,), square pixels of the object's outline, or as near as is known.
        crowd: bool (N,): the box holds many objects and is never counted as missed.
        keypoints: float32 (N, K, 3): x, y in pixels and v: 0 not marked, 1 hidden, 2 visible. K is
            0 where the file marks no keypoints.
    """

    file: Path
    size: Size
    boxes: FloatArray
    category_ids: IntArray
    areas: FloatArray
    crowd: Array
    keypoints: FloatArray


@dataclass(frozen=True)
class CocoData:
    """Pictures with objects or keypoints in the format of COCO.

    Attributes:
        images: The pictures, in the file's order.
        categories: Name by category id.
        keypoints: Names of the K keypoints.
    """

    images: tuple[CocoImage, ...]
    categories: Mapping[int, str]
    keypoints: tuple[str, ...] = ()


@dataclass(frozen=True)
class BoxedImage:
    """One picture and the boxes of one kind of thing in it.

    Attributes:
        file: The picture.
        size: Its size.
        boxes: float32 (N, 4), xyxy, pixels.
    """

    file: Path
    size: Size
    boxes: FloatArray


@dataclass(frozen=True)
class Pair:
    """Two pictures of faces, and whether they show the same person."""

    first: Path
    second: Path
    same: bool


@dataclass(frozen=True)
class LabelledImage:
    """One picture and the name of its class."""

    file: Path
    label: str


def spread(items: Sequence[_Item], limit: int | None) -> tuple[_Item, ...]:
    """Return `limit` of the items, evenly spread over all; all of them where `limit` is None.

    Raises:
        ValueError: `limit` is below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit counts from 1, got {limit}")
    if limit is None or limit >= len(items):
        return tuple(items)
    return tuple(items[i * len(items) // limit] for i in range(limit))


def read_objects(folder: str | Path) -> CocoData:
    """Read a folder of COCO objects: instances.json and images/.

    Raises:
        DataError: The folder or one of its files is missing or is not what it should be.
    """
    return _read_coco(Path(folder), "instances.json")


def read_keypoints(folder: str | Path) -> CocoData:
    """Read a folder of COCO keypoints: person_keypoints.json and images/.

    Raises:
        DataError: The folder or one of its files is missing or is not what it should be.
    """
    data = _read_coco(Path(folder), "person_keypoints.json")
    if not data.keypoints:
        raise DataError(f"{folder}/person_keypoints.json: its category names no keypoints")
    return data


def read_boxes(folder: str | Path) -> tuple[BoxedImage, ...]:
    """Read a folder of pictures with boxes: boxes.json and images/.

    Raises:
        DataError: The folder or one of its files is missing or is not what it should be.
    """
    file = _find(Path(folder), "boxes.json")
    pictures = _pictures(file)

    def image(entry: Mapping[str, Any]) -> BoxedImage:
        size = Size(int(entry["height"]), int(entry["width"]))
        return BoxedImage(
            pictures / str(entry["file"]), size, _rows(entry["boxes_xyxy"], "boxes_xyxy", 4)
        )

    images = _each(file, "picture", _read_json(file, list), image)
    _check_pictures(file, [item.file for item in images])
    return images


def read_pairs(folder: str | Path) -> tuple[Pair, ...]:
    """Read a folder of pairs of faces: pairs.csv and images/.

    Raises:
        DataError: The folder or one of its files is missing or is not what it should be.
    """
    file = _find(Path(folder), "pairs.csv")
    pictures = _pictures(file)
    try:
        with file.open(newline="", encoding="utf-8") as text:
            rows = list(csv.DictReader(text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot read {file}: {error}") from error

    def pair(row: Mapping[str, str]) -> Pair:
        if row["same"] not in ("0", "1"):
            raise ValueError(f"same is {row['same']!r}, wanted 1 or 0")
        return Pair(pictures / row["img1"], pictures / row["img2"], row["same"] == "1")

    pairs = _each(file, "pair", rows, pair)
    _check_pictures(file, [item for pair in pairs for item in (pair.first, pair.second)])
    return pairs


def read_classes(folder: str | Path) -> tuple[LabelledImage, ...]:
    """Read a folder of class folders, in the order of their names.

    Raises:
        DataError: The folder is missing, or holds no folder with a picture in it.
    """
    root = _folder(Path(folder), "classes")
    found = tuple(
        LabelledImage(file, inner.name)
        for inner in sorted(root.iterdir())
        if inner.is_dir()
        for file in sorted(inner.iterdir())
        if file.suffix.lower() in PICTURES
    )
    if not found:
        raise DataError(f"{root} holds no class folders with pictures. Wanted {LAYOUTS['classes']}")
    return found


def _folder(folder: Path, layout: str) -> Path:
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {what}. Wanted a folder of {LAYOUTS[layout]}")
    return folder


def _find(folder: Path, name: str) -> Path:
    file = _folder(folder, name) / name
    if not file.is_file():
        raise DataError(f"{folder} holds no {name}. Wanted {LAYOUTS[name]}")
    return file


def _pictures(file: Path) -> Path:
    folder = file.parent / "images"
    if not folder.is_dir():
        raise DataError(f"{file.parent} holds no images/. Wanted {LAYOUTS[file.name]}")
    return folder


def _check_pictures(file: Path, wanted: Sequence[Path]) -> None:
    missing = [path for path in wanted if not path.is_file()]
    if missing:
        raise DataError(
            f"{file} lists {len(missing)} pictures that are not there, the first: {missing[0]}"
        )


def _read_json(file: Path, kind: type) -> Any:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {file}: {error}") from error
    if not isinstance(values, kind):
        text = "an object" if kind is dict else "a list"
        raise DataError(f"{file} does not hold {text} of JSON. Wanted {LAYOUTS[file.name]}")
    return values


def _each(
    file: Path, what: str, entries: Sequence[Any], read: Callable[[Any], _Item]
) -> tuple[_Item, ...]:
    """Read every entry of a file; the error for a bad one says which it is."""
    items = []
    for number, entry in enumerate(entries):
        try:
            items.append(read(entry))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise DataError(
                f"{file}, {what} {number + 1}: {why}. Wanted {LAYOUTS[file.name]}"
            ) from error
    if not items:
        raise DataError(f"{file} lists no {what}. Wanted {LAYOUTS[file.name]}")
    return tuple(items)


def _rows(values: Any, name: str, columns: int) -> FloatArray:
    """Return numbers as float32 (N, columns); an empty list has no rows."""
    rows = np.asarray(values, np.float32)
    if not rows.size:
        return np.zeros((0, columns), np.float32)
    if rows.ndim != 2 or rows.shape[1] != columns or not np.isfinite(rows).all():
        raise ValueError(f"{name} has shape {rows.shape}, wanted (N, {columns}), all finite")
    return rows


def _read_coco(folder: Path, name: str) -> CocoData:
    file = _find(folder, name)
    pictures = _pictures(file)
    values = _read_json(file, dict)
    for key in ("images", "annotations", "categories"):
        if not isinstance(values.get(key), list):
            raise DataError(f"{file} lacks the list {key!r}. Wanted {LAYOUTS[name]}")
    categories = dict(
        _each(file, "category", values["categories"], lambda c: (int(c["id"]), str(c["name"])))
    )
    names = next((c["keypoints"] for c in values["categories"] if c.get("keypoints")), ())
    by_image: dict[int, list[_Object]] = {}
    for item in _each(file, "annotation", values["annotations"], lambda a: _object(a, len(names))):
        if item.category_id not in categories:
            raise DataError(f"{file}: an annotation has the unknown category {item.category_id}")
        by_image.setdefault(item.image_id, []).append(item)

    def image(entry: Mapping[str, Any]) -> CocoImage:
        size = Size(int(entry["height"]), int(entry["width"]))
        objects = by_image.get(int(entry["id"]), [])
        return _image(pictures / str(entry["file_name"]), size, objects, len(names))

    images = _each(file, "image", values["images"], image)
    _check_pictures(file, [item.file for item in images])
    return CocoData(images, categories, tuple(str(name) for name in names))


@dataclass(frozen=True)
class _Object:
    """One annotation of a COCO file."""

    image_id: int
    category_id: int
    box_xywh: FloatArray
    area: float
    crowd: bool
    keypoints: FloatArray


def _object(entry: Mapping[str, Any], keypoints: int) -> _Object:
    box = _rows([entry["bbox"]], "bbox", 4)[0]
    points = np.zeros((0, 3), np.float32)
    if keypoints:
        points = np.asarray(entry["keypoints"], np.float32)
        if points.size != keypoints * 3:
            raise ValueError(f"it has {points.size} numbers for {keypoints} keypoints of 3 each")
    return _Object(
        int(entry["image_id"]),
        int(entry["category_id"]),
        box,
        float(entry.get("area", box[2] * box[3])),
        bool(entry.get("iscrowd", 0)),
        points.reshape(keypoints, 3),
    )


def _image(file: Path, size: Size, objects: Sequence[_Object], keypoints: int) -> CocoImage:
    boxes = np.array([item.box_xywh for item in objects], np.float32).reshape(-1, 4)
    points = np.array([item.keypoints for item in objects], np.float32)
    return CocoImage(
        file=file,
        size=size,
        boxes=xywh_to_xyxy(boxes),
        category_ids=np.array([item.category_id for item in objects], np.int64),
        areas=np.array([item.area for item in objects], np.float32),
        crowd=np.array([item.crowd for item in objects], bool),
        keypoints=points.reshape(len(objects), keypoints, 3),
    )
