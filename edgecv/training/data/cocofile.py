"""An annotation file of COCO: what it marks in its pictures, and what is wrong with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgecv.boxes import xywh_to_xyxy
from edgecv.errors import DataError, unknown_name
from edgecv.training.data.bad import Problems
from edgecv.training.data.boxed import note_unknown
from edgecv.training.data.stored import Entry, Reading
from edgecv.types import FloatArray, Size

_WRONG = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
"""What reading an entry of a file raises where the entry is not what it should be."""


@dataclass(frozen=True)
class CocoFile:
    """What an annotation file says.

    Attributes:
        entries: Its usable pictures with their marks.
        names: Class names by id.
        keypoints: Names of the keypoints; empty where they are not asked for.
        problems: What is wrong with it.
        lost: How many annotations do not count, by reason.
    """

    entries: Sequence[Entry]
    names: tuple[str, ...]
    keypoints: tuple[str, ...]
    problems: Problems
    lost: Mapping[str, int]


class _Classes(NamedTuple):
    """The file's categories.

    Attributes:
        listed: Name by category id.
        ids: Class id by category id, of those that count.
        names: Class names by id.
        keypoints: Names of the keypoints of those that count.
    """

    listed: Mapping[int, str]
    ids: Mapping[int, int]
    names: tuple[str, ...]
    keypoints: tuple[str, ...]


class _Mark(NamedTuple):
    """One annotation: a box, a class and perhaps keypoints."""

    category: int
    box_xywh: FloatArray
    keypoints: FloatArray


@dataclass(frozen=True)
class _Marks:
    """The annotations.

    Attributes:
        good: Those that count, by picture.
        bad: What is wrong with one of a picture's.
        others: How many mark something of a class that does not count, by its name.
        lost: How many do not count for another reason.
    """

    good: dict[int, list[_Mark]] = field(default_factory=dict)
    bad: dict[int, str] = field(default_factory=dict)
    others: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)


def read_coco(
    file: Path, reading: Reading, *, only: Sequence[str] = (), points: bool = False
) -> CocoFile:
    """Read an annotation file; its pictures are looked for, and not opened.

    Args:
        file: The file.
        reading: How it is read. The file may list a part of its `names` alone.
        only: Names of the classes that count; empty for those of `reading`, else for all.
        points: Whether keypoints are wanted: classes without them do not count then.

    Raises:
        DataError: It is no file of COCO, has no pictures, or names classes that are unknown.
    """
    values, pictures = _json(file), _pictures(file)
    problems = Problems(reading.max_bad)
    classes = _classes(file, values["categories"], tuple(only), reading.names, points=points)
    marks = _marks(file, values["annotations"], classes, problems)
    entries = _entries(file, pictures, values["images"], marks, classes, problems)
    if not only:
        note_unknown(problems, file, marks.others, classes.names)
    others = {f"are of the class {name!r}": n for name, n in marks.others.most_common(3)}
    return CocoFile(entries, classes.names, classes.keypoints, problems, {**marks.lost, **others})


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


def _pictures(file: Path) -> Path:
    """Return images/ beside the file, or where COCO's own archives have them: ../train2017/."""
    folders = (file.parent / "images", file.parent.parent / file.stem.rpartition("_")[2])
    for folder in folders:
        if folder.is_dir():
            return folder
    raise DataError(
        f"{file} has no pictures beside it: there is no {' and no '.join(map(str, folders))}"
    )


def _classes(
    file: Path,
    categories: Sequence[Any],
    only: tuple[str, ...],
    known: tuple[str, ...],
    *,
    points: bool,
) -> _Classes:
    listed, marked = {}, {}
    try:
        for item in categories:
            number = _id(item, "id")
            listed[number] = str(item["name"])
            marked[number] = tuple(map(str, item.get("keypoints") or ()))
    except _WRONG as error:
        raise DataError(f"{file}: a category is wrong: {_reason(error)}") from error
    keypoints: tuple[str, ...] = ()
    if points:
        keypoints = next((names for names in marked.values() if names), ())
        if not keypoints:
            raise DataError(f"{file}: its categories name no keypoints")
    fit = [number for number in sorted(listed) if not points or marked[number] == keypoints]
    names = _names(file, tuple(dict.fromkeys(listed[number] for number in fit)), only, known)
    ids = {number: names.index(listed[number]) for number in fit if listed[number] in names}
    return _Classes(listed, ids, names, keypoints)


def _names(
    file: Path, listed: tuple[str, ...], only: tuple[str, ...], known: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the names that count: `only`, else those known before, else those of the file."""
    missing = [name for name in only or known if name not in listed]
    if missing and not known:
        raise DataError(f"{file}: {unknown_name('class', missing[0], listed)}")
    strange = [name for name in listed if name not in known]
    if missing and strange and not only:
        raise DataError(f"{file}: {unknown_name('class of the training set', strange[0], known)}")
    return only or known or listed


def _marks(file: Path, listed: Sequence[Any], classes: _Classes, problems: Problems) -> _Marks:
    marks = _Marks()
    for number, item in enumerate(listed, 1):
        try:
            image = _id(item, "image_id")
        except _WRONG as error:
            problems.skip(f"{file}, annotation {number}", _reason(error))
            continue
        try:
            mark = _mark(item, classes)
        except _WRONG as error:
            marks.bad[image] = f"its annotation {item.get('id')} is wrong: {_reason(error)}"
            continue
        if mark is None:
            marks.lost["are of crowds"] += 1
        elif mark.category not in classes.ids:
            marks.others[classes.listed[mark.category]] += 1
        else:
            marks.good.setdefault(image, []).append(mark)
    return marks


def _mark(item: Mapping[str, Any], classes: _Classes) -> _Mark | None:
    """Read one annotation; None for a crowd."""
    if item.get("iscrowd") not in (None, 0, "0", ""):
        return None
    category = _id(item, "category_id")
    if category not in classes.listed:
        raise ValueError(f"category {category} is not listed")
    box = np.array(item["bbox"], np.float32)
    if box.shape != (4,) or not np.isfinite(box).all():
        raise ValueError(f"bbox is {item['bbox']}, wanted x, y, width, height")
    count = len(classes.keypoints) if category in classes.ids else 0
    points = np.array(item["keypoints"] if count else [], np.float32)
    if points.size != count * 3:
        raise ValueError(f"it has {points.size} numbers for {count} keypoints of 3 each")
    return _Mark(category, box, points.reshape(count, 3))


def _entries(
    file: Path,
    pictures: Path,
    images: Sequence[Any],
    marks: _Marks,
    classes: _Classes,
    problems: Problems,
) -> list[Entry]:
    """Return the usable pictures; list the others, and the annotations of none."""
    entries, unplaced = [], {*marks.good, *marks.bad}
    for number, image in enumerate(images, 1):
        try:
            key = _id(image, "id")
            unplaced.discard(key)
            size = Size(int(image["height"]), int(image["width"]))
            entry = Entry(pictures / str(image["file_name"]), size=size)
        except _WRONG as error:
            problems.skip(f"{file}, image {number}", _reason(error))
            continue
        if not entry.file.is_file():
            problems.skip(entry.file, "is listed but not there")
        elif key in marks.bad:
            problems.skip(entry.file, marks.bad[key])
        else:
            entries.append(_marked(entry, marks.good.get(key, []), classes))
    if unplaced:
        problems.mend(file, f"annotations of {len(unplaced)} pictures that it does not list")
        lost = sum(len(marks.good.get(key, ())) for key in unplaced)
        marks.lost["are of pictures that it does not list"] += lost
    return entries


def _marked(entry: Entry, marks: Sequence[_Mark], classes: _Classes) -> Entry:
    xywh = np.array([mark.box_xywh for mark in marks], np.float32).reshape(-1, 4)
    points = np.array([mark.keypoints for mark in marks], np.float32)
    return replace(
        entry,
        boxes=xywh_to_xyxy(xywh),
        classes=np.array([classes.ids[mark.category] for mark in marks], np.int64),
        keypoints=points.reshape(len(marks), len(classes.keypoints), 3),
    )


def _id(item: Any, key: str) -> int:
    """Return an id; some tools write the number as text.

    Raises:
        KeyError: There is none.
        TypeError: The item is no object of JSON.
        ValueError: It is no whole number.
    """
    if not isinstance(item, dict):
        raise TypeError(f"it is {item!r:.40}, wanted an object")
    value = item[key]
    text = str(value).removesuffix(".0")
    if not text.removeprefix("-").isdecimal():
        raise ValueError(f"{key} is {value!r:.40}, wanted a whole number")
    return int(text)


def _reason(error: Exception) -> str:
    return f"it lacks {error}" if isinstance(error, KeyError) else str(error)
