"""Folders of pictures: one for each class, or one for each person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from edgecv.datasets import LAYOUTS, PICTURES
from edgecv.errors import DataError, unknown_name
from edgecv.training.data.bad import Problems
from edgecv.training.data.stored import PLAIN, Entry, Reading, StoredSamples, store


def class_folders(path: str | Path, *, reading: Reading = PLAIN) -> StoredSamples:
    """Read a folder of class folders: class ids follow the order of their names.

    The same picture under two classes counts as mislabelled, and both copies as bad.

    Args:
        path: The folder.
        reading: How it is read; its `names` are the classes and their order.

    Raises:
        DataError: There are no class folders, one has no usable picture or an unknown name, or too
            many pictures are bad.
    """
    root = Path(path)
    folders = _folders(root)
    names = reading.names or tuple(folder.name for folder in folders)
    ids = {name: label for label, name in enumerate(names)}
    for folder in folders:
        if folder.name not in ids:
            raise DataError(f"{folder}: {unknown_name('class', folder.name, names)}")
    problems = Problems(reading.max_bad)
    entries = [
        Entry(file, label=ids[folder.name])
        for folder in folders
        for file in _pictures(folder, problems)
    ]
    samples = store(root, entries, names, problems, reading)
    found = {entry.label for entry in samples.entries}
    empty = [folder for folder in folders if ids[folder.name] not in found]
    if empty:
        raise DataError(f"the class {empty[0].name!r} is empty: {empty[0]} has no usable picture")
    return samples


def identities(
    path: str | Path, *, min_pictures: int = 1, reading: Reading = PLAIN
) -> StoredSamples:
    """Read a folder of folders of faces, one for each person: labels are ids of people.

    Args:
        path: The folder.
        min_pictures: People with fewer usable pictures are left out; their number is listed.
        reading: How it is read; its `names` are of people and their order.

    Raises:
        DataError: As for `class_folders`, or nobody has that many pictures.
        ValueError: `min_pictures` is below 1.
    """
    if min_pictures < 1:
        raise ValueError(f"min_pictures counts from 1, got {min_pictures}")
    samples = class_folders(path, reading=reading)
    if min_pictures == 1 or reading.names:
        return samples
    counts = Counter(entry.label for entry in samples.entries)
    people = [label for label in range(len(samples.names)) if counts[label] >= min_pictures]
    if not people:
        raise DataError(f"{path}: nobody has {min_pictures} pictures or more")
    fewer = len(samples.names) - len(people)
    if fewer:
        samples.problems.note(path, f"{fewer} people with fewer than {min_pictures} left out")
    return _only(samples, people)


def _only(samples: StoredSamples, labels: list[int]) -> StoredSamples:
    """Keep some of the people, and number them anew."""
    new = {label: number for number, label in enumerate(labels)}
    entries = [
        Entry(entry.file, label=new[entry.label], size=entry.size)
        for entry in samples.entries
        if entry.label in new
    ]
    names = tuple(samples.names[label] for label in labels)
    return StoredSamples(entries, names, samples.pictures, samples.masks, problems=samples.problems)


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        what = "is not a folder" if root.exists() else "does not exist"
        raise DataError(f"{root} {what}. Wanted a folder of {LAYOUTS['classes']}")
    found = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not found:
        raise DataError(f"{root} holds no folders. Wanted {LAYOUTS['classes']}")
    return found


def _pictures(folder: Path, problems: Problems) -> Iterator[Path]:
    """Yield the pictures of one class; list what else lies there."""
    some, inner = False, None
    for file in sorted(folder.iterdir()):
        if file.name.startswith("."):
            continue
        if file.is_dir():
            inner = inner or file
            problems.mend(file, "a folder inside a class folder: not looked into")
        elif file.suffix.lower() in PICTURES:
            some = True
            yield file
        else:
            problems.mend(file, f"not a picture by its name ({', '.join(PICTURES)}): left out")
    if not some:
        hint = f"; it holds the folder {inner.name}: is {folder} the dataset?" if inner else ""
        raise DataError(f"the class {folder.name!r} is empty: {folder} holds no pictures{hint}")
