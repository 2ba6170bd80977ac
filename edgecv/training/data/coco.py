"""COCO objects and keypoints, and boxes of one class, as samples.

`edgecv.datasets` reads the same files for evaluation, where every mark counts and one bad entry is
an error. Here a bad entry is listed and its picture left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.boxes import xywh_to_xyxy
from edgecv.datasets import LAYOUTS, read_boxes
from edgecv.errors import DataError, unknown_name
from edgecv.training.data.bad import Problems
from edgecv.training.data.stored import PLAIN, Entry, Reading, StoredSamples, store
from edgecv.types import Array, FloatArray, Size

PER = ("person", "image")


@dataclass(frozen=True)
class _Mark:
    """One annotation: a box, a class and perhaps keypoints."""

    category: int
    box_xywh: FloatArray
    keypoints: FloatArray


@dataclass(frozen=True)
class _Coco:
    """What an annotation file says."""

    entries: Sequence[Entry]
    names: tuple[str, ...]
    keypoints: tuple[str, ...]
    problems: Problems


def coco_instances(
    path: str | Path,
    *,
    only: Sequence[str] | None = None,
    empty: bool = True,
    reading: Reading = PLAIN,
) -> StoredSamples:
    """Read COCO objects: instances.json and images/. Crowds are left out.

    Args:
        path: The folder, or the JSON file in COCO's own layout:
            annotations/instances_train2017.json and train2017/.
        only: Names of the classes that count, in the order of their new ids; None for all of them
            by rising id.
        empty: Whether pictures without a box stay: background is a lesson too.
        reading: How it is read; its `names` are the same as `only`.

    Raises:
        DataError: The file is missing or is not what it should be, a class of `only` is unknown or
            has no box, or too many pictures are bad.
    """
    file = _file(Path(path), "instances.json")
    coco = _read(file, tuple(only or reading.names), reading)
    samples = _store(file, coco, coco.entries, reading)
    boxes = np.bincount(_classes(samples), minlength=len(coco.names))
    for name, count in zip(coco.names, boxes.tolist(), strict=True):
        if not count and only:
            raise DataError(f"the class {name!r} is empty: {file} holds no usable box of it")
        if not count:
            samples.problems.mend(file, f"no box of the class {name!r}")
    if empty:
        return samples
    return replace(samples, entries=[entry for entry in samples.entries if len(entry.boxes)])


def coco_keypoints(
    path: str | Path,
    *,
    per: str = "person",
    pad: float = 1.25,
    min_keypoints: int = 5,
    reading: Reading = PLAIN,
) -> StoredSamples:
    """Read COCO keypoints: person_keypoints.json and images/. Crowds are left out.

    Args:
        path: The folder, or the JSON file in COCO's own layout:
            annotations/instances_train2017.json and train2017/.
        per: "person" for a sample of each person, cut out around the box; "image" for a sample of
            each picture with all its people.
        pad: Width and height of a cut-out by those of the box.
        min_keypoints: People with fewer marked keypoints are no samples of their own.
        reading: How it is read.

    Raises:
        DataError: The file is missing or is not what it should be, nobody has enough keypoints, or
            too many pictures are bad.
        ValueError: `per` or `pad` is none of those.
    """
    if per not in PER:
        raise ValueError(f"per is one of {', '.join(PER)}, got {per!r}")
    if not pad >= 1:
        raise ValueError(f"pad is 1 or more times the box, got {pad}")
    file = _file(Path(path), "person_keypoints.json")
    coco = _read(file, reading.names, reading)
    if not coco.keypoints:
        raise DataError(f"{file}: its categories name no keypoints")
    entries = list(coco.entries)
    if per == "person":
        entries = [one for entry in entries for one in _people(entry, pad, min_keypoints)]
        few = sum(len(entry.boxes) for entry in coco.entries) - len(entries)
        if few:
            coco.problems.mend(file, f"{few} people with fewer than {min_keypoints} keypoints")
    if not entries:
        raise DataError(f"{file}: nobody has {min_keypoints} marked keypoints or more")
    return _store(file, coco, entries, reading)


def boxes(path: str | Path, *, name: str = "face", reading: Reading = PLAIN) -> StoredSamples:
    """Read pictures with boxes of one class: boxes.json and images/.

    Args:
        path: The folder.
        name: What the class is called.
        reading: How it is read.

    Raises:
        DataError: The file is missing or is not what it should be, or too many pictures are bad.
    """
    entries = [
        Entry(image.file, boxes=image.boxes, classes=np.zeros(len(image.boxes), np.int64))
        for image in read_boxes(path)
    ]
    return store(Path(path), entries, (name,), Problems(reading.max_bad), reading)


def _store(file: Path, coco: _Coco, entries: Sequence[Entry], reading: Reading) -> StoredSamples:
    return store(file, entries, coco.names, coco.problems, reading, keypoints=coco.keypoints)


def _classes(samples: StoredSamples) -> Array:
    return np.concatenate([entry.classes for entry in samples.entries])


def _people(entry: Entry, pad: float, least: int) -> list[Entry]:
    """Make a sample of each person with enough keypoints."""
    people = []
    for i, box in enumerate(entry.boxes):
        if int((entry.keypoints[i, :, 2] > 0).sum()) < least:
            continue
        centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * pad / 2
        one = slice(i, i + 1)
        people.append(
            replace(
                entry,
                boxes=entry.boxes[one],
                classes=entry.classes[one],
                keypoints=entry.keypoints[one],
                region=(*_pair(centre - half), *_pair(centre + half)),
            )
        )
    return people


def _pair(point: Array) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def _file(path: Path, name: str) -> Path:
    file = path if path.suffix == ".json" else path / name
    if not file.is_file():
        what = f"holds no {name}" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}. Wanted a folder of {LAYOUTS[name]}")
    return file


def _pictures(file: Path) -> Path:
    """Return images/ beside the file, or where COCO's own archives have them: ../train2017/."""
    folders = (file.parent / "images", file.parent.parent / file.stem.rpartition("_")[2])
    for folder in folders:
        if folder.is_dir():
            return folder
    raise DataError(
        f"{file} has no pictures beside it: there is no {' and no '.join(map(str, folders))}"
    )


def _read(file: Path, only: tuple[str, ...], reading: Reading) -> _Coco:
    values, pictures = _json(file), _pictures(file)
    problems = Problems(reading.max_bad)
    categories, keypoints = _categories(file, values["categories"])
    names = only or tuple(categories[number] for number in sorted(categories))
    for name in names:
        if name not in categories.values():
            raise DataError(f"{file}: {unknown_name('class', name, categories.values())}")
    ids = {number: names.index(name) for number, name in categories.items() if name in names}
    marks, bad = _marks(values["annotations"], set(categories), len(keypoints))
    entries = []
    for number, image in enumerate(values["images"]):
        try:
            key, entry = _entry(pictures, image)
        except (KeyError, TypeError, ValueError) as error:
            problems.skip(f"{file}, image {number + 1}", _reason(error))
            continue
        if not entry.file.is_file():
            problems.skip(entry.file, "is listed but not there")
        elif key in bad:
            problems.skip(entry.file, bad[key])
        else:
            entries.append(_marked(entry, marks.get(key, []), ids, len(keypoints)))
    _unplaced(file, set(marks) | set(bad), values["images"], problems)
    return _Coco(entries, names, keypoints, problems)


def _json(file: Path) -> Mapping[str, Any]:
    try:
        values: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {file}: {error}") from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(values, dict) or not isinstance(values.get(key), list):
            raise DataError(f"{file} is not in the format of COCO: it lacks the list {key!r}")
        if not values[key]:
            raise DataError(f"{file}: its list {key!r} is empty")
    checked: Mapping[str, Any] = values
    return checked


def _categories(file: Path, listed: Sequence[Any]) -> tuple[dict[int, str], tuple[str, ...]]:
    try:
        names = {int(item["id"]): str(item["name"]) for item in listed}
        points = next((item["keypoints"] for item in listed if item.get("keypoints")), ())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{file}: a category is wrong: {_reason(error)}") from error
    return names, tuple(str(name) for name in points)


def _marks(
    listed: Sequence[Any], categories: set[int], keypoints: int
) -> tuple[dict[int, list[_Mark]], dict[int, str]]:
    """Return the marks by picture, and what is wrong with the marks of others."""
    marks: dict[int, list[_Mark]] = {}
    bad: dict[int, str] = {}
    for item in listed:
        image = item.get("image_id", -1) if isinstance(item, dict) else -1
        try:
            mark = _mark(item, categories, keypoints)
        except (KeyError, TypeError, ValueError) as error:
            bad[image] = f"its annotation {item.get('id')} is wrong: {_reason(error)}"
            continue
        if mark is not None:
            marks.setdefault(image, []).append(mark)
    return marks, bad


def _mark(item: Mapping[str, Any], categories: set[int], keypoints: int) -> _Mark | None:
    """Read one annotation; None for a crowd."""
    box = np.array(item["bbox"], np.float32)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise ValueError(f"bbox is {item['bbox']}, wanted x, y, width, height")
    if item["category_id"] not in categories:
        raise ValueError(f"category {item['category_id']} is not listed")
    points = np.array(item["keypoints"] if keypoints else [], np.float32)
    if points.size != keypoints * 3:
        raise ValueError(f"it has {points.size} numbers for {keypoints} keypoints of 3 each")
    if item.get("iscrowd"):
        return None
    return _Mark(int(item["category_id"]), box, points.reshape(keypoints, 3))


def _entry(pictures: Path, image: Mapping[str, Any]) -> tuple[int, Entry]:
    size = Size(int(image["height"]), int(image["width"]))
    return int(image["id"]), Entry(pictures / str(image["file_name"]), size=size)


def _marked(entry: Entry, marks: Sequence[_Mark], ids: Mapping[int, int], keypoints: int) -> Entry:
    wanted = [mark for mark in marks if mark.category in ids]
    xywh = np.array([mark.box_xywh for mark in wanted], np.float32).reshape(-1, 4)
    points = np.array([mark.keypoints for mark in wanted], np.float32)
    return replace(
        entry,
        boxes=xywh_to_xyxy(xywh),
        classes=np.array([ids[mark.category] for mark in wanted], np.int64),
        keypoints=points.reshape(len(wanted), keypoints, 3),
    )


def _unplaced(file: Path, marked: set[int], images: Sequence[Any], problems: Problems) -> None:
    known = {image.get("id") for image in images if isinstance(image, dict)}
    lost = len(marked - known)
    if lost:
        problems.mend(file, f"annotations of {lost} pictures that it does not list")


def _reason(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)
