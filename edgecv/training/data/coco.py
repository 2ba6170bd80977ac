"""COCO objects and keypoints, and boxes of one class, as samples.

`edgecv.datasets` reads the same files for evaluation, where every mark counts and one bad entry is
an error. Here a bad entry is listed and its picture left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgecv.datasets import LAYOUTS, read_boxes
from edgecv.errors import DataError
from edgecv.training.data.bad import Problems
from edgecv.training.data.boxed import check_classes
from edgecv.training.data.cocofile import CocoFile, read_coco
from edgecv.training.data.stored import PLAIN, Entry, Reading, StoredSamples, store
from edgecv.types import Array

PER = ("person", "image")


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
        reading: How it is read. Its `names` give the ids; classes without a box are noted, those
            of `only` too.

    Raises:
        DataError: The file is missing or is not what it should be, a class of `only` is unknown or
            has no box, there is no box at all, or too many pictures are bad.
    """
    file = _file(Path(path), "instances.json")
    coco = read_coco(file, reading, only=only or ())
    asked = bool(only) and not reading.names
    samples = _store(file, coco, coco.entries, reading, asked=asked)
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
        DataError: The file is missing or is not what it should be, nobody is marked or has enough
            keypoints, or too many pictures are bad.
        ValueError: `per` or `pad` is none of those.
    """
    if per not in PER:
        raise ValueError(f"per is one of {', '.join(PER)}, got {per!r}")
    if not 1 <= pad < float("inf"):
        raise ValueError(f"pad is 1 or more times the box, got {pad}")
    file = _file(Path(path), "person_keypoints.json")
    coco = read_coco(file, reading, points=True)
    entries = list(coco.entries)
    if per == "person":
        entries = [one for entry in entries for one in _people(entry, pad, min_keypoints)]
        few = sum(len(entry.boxes) for entry in coco.entries) - len(entries)
        if few:
            coco.problems.note(file, f"{few} people with fewer than {min_keypoints} keypoints")
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
        DataError: The file is missing or is not what it should be, there is no box, or too many
            pictures are bad.
    """
    entries = [
        Entry(
            image.file,
            boxes=image.boxes,
            classes=np.zeros(len(image.boxes), np.int64),
            size=image.size,
        )
        for image in read_boxes(path)
    ]
    samples = store(Path(path), entries, (name,), Problems(reading.max_bad), reading)
    check_classes(Path(path), samples)
    return samples


def _store(
    file: Path, coco: CocoFile, entries: Sequence[Entry], reading: Reading, *, asked: bool = False
) -> StoredSamples:
    samples = store(file, entries, coco.names, coco.problems, reading, keypoints=coco.keypoints)
    check_classes(file, samples, asked=asked, lost=coco.lost)
    return samples


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
