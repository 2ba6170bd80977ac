"""Pictures with a class for every pixel."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from edgecv.datasets import PICTURES
from edgecv.errors import DataError, ImageError, SpecError
from edgecv.spec import read_labels
from edgecv.training.data.bad import Problems
from edgecv.training.data.samples import IGNORED
from edgecv.training.data.stored import PLAIN, Entry, Reading, StoredSamples, store
from edgecv.types import Array

LAYOUT = (
    "masks: pictures in images/, for each one of the same name in masks/, a PNG of class numbers "
    "(grey or with a palette, 255 for none), and names.txt with a name a line; or JPEGImages/ and "
    "SegmentationClass/ as in Pascal VOC"
)
_FOLDERS = (("images", "masks"), ("JPEGImages", "SegmentationClass"))
_BACKGROUNDS = ("background", "bg", "none", "void")
_SHOWN = 8
_PNG = b"\x89PNG\r\n\x1a\n"


def masks(path: str | Path, *, reading: Reading = PLAIN) -> StoredSamples:
    """Read pictures with a class for every pixel.

    The names come from `reading`, else from names.txt, else they are the numbers in the masks. A
    class of names.txt has to occur, but for a background at 0; so has another number than 0 where
    nothing names them. A class of `reading` that does not is noted, as long as another one does.

    Args:
        path: The folder.
        reading: How it is read.

    Raises:
        DataError: There are no such files, too many pictures are bad, or a class is empty.
    """
    root = Path(path)
    pictures, labels = folders(root)
    problems = Problems(reading.max_bad)
    entries = []
    for file in sorted(pictures.iterdir()):
        if file.suffix.lower() not in PICTURES:
            continue
        mask = labels / f"{file.stem}.png"
        if mask.is_file():
            entries.append(Entry(file, mask=mask))
        elif labels.name == "masks":  # Pascal VOC has masks of a part of its pictures
            problems.skip(file, f"has no mask {mask}")
    if not entries:
        raise DataError(f"{root} holds no picture with a mask. Wanted {LAYOUT}")
    named = reading.names
    if not named and (root / "names.txt").is_file():
        named = _names(root / "names.txt")
    names = named or tuple(str(number) for number in range(_highest(entries) + 1))
    samples = store(root, entries, names, problems, reading, read_mask=read_mask)
    if named or not samples.seen - {0, IGNORED}:
        _check_classes(root, samples, named or ("background", "1"), known=bool(reading.names))
    return samples


def _check_classes(
    root: Path, samples: StoredSamples, names: tuple[str, ...], *, known: bool
) -> None:
    """Refuse classes that no pixel belongs to; note a few that were known before."""
    first = 1 if names[0].strip("_ ").lower() in _BACKGROUNDS else 0
    wanted = range(first, len(names))
    absent = [number for number in wanted if number not in samples.seen]
    if not absent:
        return
    number = absent[0]
    what = f"no mask has a pixel of the class {names[number]!r}, number {number}"
    if known and len(absent) < len(wanted):
        others = f", nor of {len(absent) - 1} more classes" if len(absent) > 1 else ""
        samples.problems.note(root, what + others)
        return
    hint = "mark some, or leave the class out of names.txt"
    if IGNORED in samples.seen:
        hint = f"{IGNORED} counts as nothing: write {number} for it where it stands for the class"
    raise DataError(f"{root}: {what}, they hold {_listed(samples.seen)}; {hint}")


def _listed(numbers: frozenset[int]) -> str:
    shown = [str(number) for number in sorted(numbers)]
    return ", ".join(shown if len(shown) <= _SHOWN else [*shown[: _SHOWN - 1], "...", shown[-1]])


def _names(file: Path) -> tuple[str, ...]:
    try:
        return read_labels(file)
    except SpecError as error:
        raise DataError(str(error)) from error


def folders(root: Path) -> tuple[Path, Path]:
    """Return the folder of pictures and that of masks.

    Raises:
        DataError: They are not there.
    """
    for pictures, labels in _FOLDERS:
        if (root / pictures).is_dir() and (root / labels).is_dir():
            return root / pictures, root / labels
    what = "holds no images/ and masks/" if root.is_dir() else "does not exist"
    raise DataError(f"{root} {what}. Wanted a folder of {LAYOUT}")


def read_mask(file: Path) -> Array:
    """Read a mask as uint8 (H, W): the numbers in the file, not the colours of its palette.

    Raises:
        ImageError: It cannot be read, or is neither grey nor a PNG with a palette.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {file}: {error.strerror or error}") from error
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise ImageError(f"{file} is not a picture that OpenCV reads, or is cut short")
    if image.ndim == 2 and image.dtype == np.uint8:
        return np.asarray(image)
    palette = _palette(data)
    if palette is None or image.dtype != np.uint8:
        raise ImageError(f"{file} is not a mask: wanted bytes, grey or with a palette")
    return _numbers(image, palette, file)


def _palette(data: bytes) -> Array | None:
    """Return a PNG's palette, uint8 (N, 3) RGB; None for another picture. ISO/IEC 15948, 11.2.3."""
    at = len(_PNG)
    if data[:at] != _PNG:
        return None
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"PLTE":
            return np.frombuffer(data[at + 8 : at + 8 + length], np.uint8).reshape(-1, 3)
        if kind in (b"IDAT", b"IEND"):
            break
        at += 12 + length
    return None


def _numbers(image: Array, palette: Array, file: Path) -> Array:
    """Turn colours back into the numbers that the palette drew them by."""
    colors = palette.astype(np.int64) @ (1 << 16, 1 << 8, 1)
    kinds, first = np.unique(colors, return_index=True)
    pixels = image[..., 2::-1].astype(np.int64) @ (1 << 16, 1 << 8, 1)
    at = np.searchsorted(kinds, pixels).clip(max=len(kinds) - 1)
    if not (kinds[at] == pixels).all():
        raise ImageError(f"{file} has colours that its palette does not name")
    return np.asarray(first[at], np.uint8)


def _highest(entries: list[Entry]) -> int:
    """Return the highest class of all masks; unreadable ones are dealt with later."""
    highest = 0
    for entry in entries:
        try:
            numbers = read_mask(entry.mask or Path())
        except ImageError:
            continue
        highest = max(highest, int(numbers[numbers != IGNORED].max(initial=0)))
    return highest
