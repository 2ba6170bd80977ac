"""Pascal VOC: an XML file of boxes for each picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from edgecv.datasets import PICTURES
from edgecv.errors import DataError, unknown_name
from edgecv.training.data.bad import Problems
from edgecv.training.data.boxed import check_classes, note_unknown
from edgecv.training.data.stored import PLAIN, Entry, Reading, StoredSamples, store
from edgecv.types import Size

LAYOUT = (
    "Pascal VOC: an XML file for each picture in Annotations/ and the pictures in JPEGImages/ or "
    "images/, or both side by side in one folder"
)
_MAX_BYTES = 4_000_000


class _Object(NamedTuple):
    name: str
    box: tuple[float, float, float, float]


def voc(
    path: str | Path,
    *,
    only: Sequence[str] | None = None,
    split: str = "",
    difficult: bool = True,
    reading: Reading = PLAIN,
) -> StoredSamples:
    """Read Pascal VOC. Pixels count from 1 in its files and from 0 in the samples.

    Source: Everingham et al., "The PASCAL Visual Object Classes Challenge 2012 Development Kit",
    annotation format: the corners belong to the box.

    Args:
        path: The folder.
        only: Names of the classes that count, in the order of their ids; None for all that occur,
            sorted.
        split: The list of pictures in ImageSets/Main/ ("train"); empty for all pictures.
        difficult: Whether objects that are marked as difficult count.
        reading: How it is read. Its `names` give the ids; classes without a box are noted, those
            of `only` too.

    Raises:
        DataError: There are no such files, a class of `only` has no box, there is no box at all, or
            too many pictures are bad.
    """
    root = Path(path)
    problems = Problems(reading.max_bad)
    found: list[tuple[Entry, list[_Object]]] = []
    for file in _files(root, split):
        try:
            found.append(_annotation(root, file, difficult=difficult))
        except ValueError as error:
            problems.skip(file, str(error))
    seen = Counter(item.name for _, objects in found for item in objects)
    names = tuple(only or reading.names or sorted(seen))
    asked = bool(only) and not reading.names
    unseen = [name for name in names if name not in seen]
    if asked and unseen:
        raise DataError(f"{root}: {unknown_name('class', unseen[0], seen)}")
    if found and not names:
        raise DataError(f"{root}: its XML files mark no object")
    left = Counter({name: count for name, count in seen.items() if name not in names})
    if not only:
        note_unknown(problems, root, left, names)
    entries = [_marked(entry, objects, names) for entry, objects in found]
    samples = store(root, entries, names, problems, reading)
    lost = {f"are of the class {name!r}": count for name, count in left.most_common(3)}
    check_classes(root, samples, asked=asked, lost=lost)
    return samples


def _files(root: Path, split: str) -> list[Path]:
    folder = root / "Annotations"
    folder = folder if folder.is_dir() else root
    if split:
        return [folder / f"{stem}.xml" for stem in _split(root, split)]
    files = sorted(folder.glob("*.xml"))
    if not files:
        what = "holds no XML file" if root.is_dir() else "does not exist"
        raise DataError(f"{root} {what}. Wanted a folder of {LAYOUT}")
    return files


def _split(root: Path, split: str) -> list[str]:
    file = root / "ImageSets" / "Main" / f"{split}.txt"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the split {split!r}: {error}") from error
    return [line.split()[0] for line in lines if line.strip()]


def _annotation(root: Path, file: Path, *, difficult: bool) -> tuple[Entry, list[_Object]]:
    """Read one XML file.

    Raises:
        ValueError: It is not what it should be, or its picture is not there.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise ValueError(f"is larger than {_MAX_BYTES} bytes")
        tree = ElementTree.fromstring(file.read_bytes())
    except (OSError, ElementTree.ParseError) as error:
        raise ValueError(f"cannot be read: {error}") from error
    if tree.tag != "annotation":
        raise ValueError(f"holds <{tree.tag}>, wanted <annotation>")
    picture = _picture(root, file, tree.findtext("filename") or "")
    size = Size(*(int(_number(tree, f"size/{side}", 0)) for side in ("height", "width")))
    objects = [
        _object(item)
        for item in tree.iter("object")
        if difficult or (item.findtext("difficult") or "0").strip() != "1"
    ]
    return Entry(picture, size=size if all(size) else None), objects


def _object(item: ElementTree.Element) -> _Object:
    name = (item.findtext("name") or "").strip()
    if not name:
        raise ValueError("an object has no name")
    x0, y0, x1, y1 = (
        _number(item, f"bndbox/{side}", None) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return _Object(name, (x0 - 1, y0 - 1, x1, y1))


def _number(item: ElementTree.Element, where: str, missing: float | None) -> float:
    text = item.findtext(where)
    if text is None and missing is not None:
        return missing
    try:
        number = float(text or "")
    except ValueError:
        number = float("nan")
    if not np.isfinite(number):
        raise ValueError(f"{where} is {text!r}, wanted a number")
    return number


def _picture(root: Path, file: Path, name: str) -> Path:
    """Find the picture by the name in the XML file, or by the XML file's own."""
    folders = [root / "JPEGImages", root / "images", file.parent]
    names = [Path(name).name] if name else []
    names += [file.stem + suffix for suffix in (*PICTURES, ".JPG", ".JPEG", ".PNG")]
    for folder in folders:
        for candidate in names:
            if (folder / candidate).is_file():
                return folder / candidate
    raise ValueError(f"its picture {name or file.stem} is not there")


def _marked(entry: Entry, objects: Sequence[_Object], names: Sequence[str]) -> Entry:
    wanted = [item for item in objects if item.name in names]
    return Entry(
        entry.file,
        boxes=np.array([item.box for item in wanted], np.float32).reshape(-1, 4),
        classes=np.array([names.index(item.name) for item in wanted], np.int64),
        size=entry.size,
    )
