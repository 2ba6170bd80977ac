"""Pictures on disk with what is marked in them: checked once, kept decoded in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from edgecv.errors import DataError, ImageError
from edgecv.image import read_image
from edgecv.progress import Report, silent
from edgecv.training.data.bad import Problems
from edgecv.training.data.samples import (
    IGNORED,
    Sample,
    no_boxes,
    no_classes,
    no_keypoints,
)
from edgecv.types import Array, FloatArray, IntArray, Size

_THREADS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True)
class Reading:
    """How a dataset is read: what all formats have in common.

    Attributes:
        names: Class names by id, where they are known before: those of the training set, for its
            validation set. Empty for the names that the dataset gives.
        max_bad: The part of the pictures that may be skipped, 0..1.
        max_side: Larger pictures are made smaller when they are read, to this many pixels at the
            longer side; None for pictures as they are. What is marked shrinks along.
        cache_mb: How much memory decoded pictures may take; the rest is read again at every use.
        report: Is called with how many pictures have been read, and of how many.
    """

    names: tuple[str, ...] = ()
    max_bad: float = 0.01
    max_side: int | None = None
    cache_mb: float = 4096
    report: Report = silent

    def __post_init__(self) -> None:
        """Refuse sizes below one."""
        if self.max_side is not None and self.max_side < 1:
            raise ValueError(f"max_side counts pixels from 1, got {self.max_side}")
        if self.cache_mb < 0:
            raise ValueError(f"cache_mb is an amount of memory, got {self.cache_mb}")


PLAIN = Reading()


@dataclass(frozen=True, eq=False)
class Entry:
    """One sample before its picture is read: a `Sample` with a file in place of the picture.

    Attributes:
        file: The picture.
        label: As in `Sample`.
        boxes: As in `Sample`.
        classes: As in `Sample`.
        keypoints: As in `Sample`.
        mask: The file of the mask; None for none.
        region: The part of the picture that is the sample: left, top, right, bottom in pixels, cut
            off at the picture's edge. None for all of it. Boxes and keypoints still count from the
            picture's corner.
        size: What the annotation says of the picture's size; None where it says nothing.
    """

    file: Path
    label: int = -1
    boxes: FloatArray = field(default_factory=no_boxes)
    classes: IntArray = field(default_factory=no_classes)
    keypoints: FloatArray = field(default_factory=no_keypoints)
    mask: Path | None = None
    region: tuple[float, float, float, float] | None = None
    size: Size | None = None


class Picture(NamedTuple):
    """What is known of a picture once it has been read.

    Attributes:
        size: Its size in the file.
        scale: Width and height in memory by those in the file.
        digest: A fingerprint of its pixels.
        seen: The bytes that occur in a mask, in the file's size; empty for a picture.
    """

    size: Size
    scale: tuple[float, float]
    digest: bytes
    seen: frozenset[int] = frozenset()

    @property
    def highest(self) -> int:
        """Return the highest class of a mask; 0 where there is none."""
        return max(self.seen - {IGNORED}, default=0)


class Pictures:
    """Decoded pictures or masks, kept in memory as far as they may.

    Args:
        read: Reads one file.
        max_side: As in `Reading`.
        cache_mb: As in `Reading`.
        smooth: Whether bytes between two pixels mean something: true for pictures, not for masks.
    """

    def __init__(
        self, read: Callable[[Path], Array], *, max_side: int | None, cache_mb: float, smooth: bool
    ) -> None:
        self._read, self._max_side = read, max_side
        self._shrink = cv2.INTER_AREA if smooth else cv2.INTER_NEAREST_EXACT
        self._room = cache_mb * 1e6
        self._kept: dict[Path, Array] = {}

    def __getitem__(self, file: Path) -> Array:
        """Return a picture as it is in memory. It cannot be written to."""
        kept = self._kept.get(file)
        return self._open(file)[0] if kept is None else kept

    def load(
        self, files: Sequence[Path], problems: Problems, report: Report
    ) -> dict[Path, Picture]:
        """Read every file once; unreadable ones are listed and missing from what comes back."""
        found: dict[Path, Picture] = {}
        report(0, len(files))
        with ThreadPoolExecutor(_THREADS) as pool:
            results = pool.map(self._try, files)
            for number, (file, result) in enumerate(zip(files, results, strict=True), 1):
                report(number, len(files))
                if isinstance(result, ImageError):
                    problems.skip(file, str(result).removeprefix(str(file)).strip(" :"))
                    continue
                image, found[file] = result
                if image.nbytes <= self._room:
                    self._room -= image.nbytes
                    self._kept[file] = image
        return found

    def _try(self, file: Path) -> tuple[Array, Picture] | ImageError:
        try:
            return self._open(file)
        except ImageError as error:
            return error

    def _open(self, file: Path) -> tuple[Array, Picture]:
        image = self._read(file)
        size = Size(*image.shape[:2])
        scale = (1.0, 1.0)
        seen = _bytes(image) if image.ndim == 2 else frozenset[int]()
        if self._max_side is not None and max(size) > self._max_side:
            ratio = self._max_side / max(size)
            wide, high = (max(1, round(side * ratio)) for side in (size.width, size.height))
            image = np.asarray(cv2.resize(image, (wide, high), interpolation=self._shrink))
            scale = (wide / size.width, high / size.height)
        image.setflags(write=False)
        digest = blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
        return image, Picture(size, scale, digest, seen)


def _bytes(image: Array) -> frozenset[int]:
    """Return which bytes occur in an image, uint8 (H, W)."""
    counts = cv2.calcHist([image], [0], None, [256], [0, 256])
    return frozenset(np.flatnonzero(counts).tolist())


@dataclass(frozen=True, eq=False)
class StoredSamples:
    """A dataset on disk whose pictures have all been read once.

    Attributes:
        entries: What is marked, in pixels of the pictures in memory.
        names: Class names by id.
        pictures: The pictures.
        masks: The masks.
        keypoints: Names of the keypoints.
        problems: What was wrong with the dataset.
        seen: The bytes that occur in the masks.
    """

    entries: Sequence[Entry]
    names: tuple[str, ...]
    pictures: Pictures
    masks: Pictures
    keypoints: tuple[str, ...] = ()
    problems: Problems = field(default_factory=Problems)
    seen: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int, /) -> Sample:
        """Return one sample.

        Raises:
            ImageError: A picture that does not fit in memory has become unreadable.
        """
        entry = self.entries[index]
        image = self.pictures[entry.file]
        mask = None if entry.mask is None else self.masks[entry.mask]
        boxes, keypoints = entry.boxes, entry.keypoints
        if entry.region is not None:
            x0, y0, x1, y1 = (int(value) for value in entry.region)
            image = image[y0:y1, x0:x1]
            boxes = boxes - np.array((x0, y0, x0, y0), np.float32)
            keypoints = keypoints - np.array((x0, y0, 0), np.float32)
        return Sample(
            image,
            entry.label,
            boxes,
            entry.classes,
            keypoints,
            mask,
            source=str(entry.file),
        )


def store(
    dataset: Path,
    entries: Sequence[Entry],
    names: tuple[str, ...],
    problems: Problems,
    reading: Reading,
    *,
    keypoints: tuple[str, ...] = (),
    read_mask: Callable[[Path], Array] = read_image,
) -> StoredSamples:
    """Read the pictures of the entries once; leave out, with the reason, what cannot be used.

    Args:
        dataset: What the dataset is called in messages.
        entries: What is marked.
        names: Class names by id.
        problems: Where bad pictures and marks are listed.
        reading: How it is read.
        keypoints: Names of the keypoints.
        read_mask: Reads the file of a mask: uint8 (H, W).

    Raises:
        DataError: Too many pictures are bad, or none is left.
    """
    pictures = Pictures(
        read_image, max_side=reading.max_side, cache_mb=reading.cache_mb, smooth=True
    )
    masks = Pictures(read_mask, max_side=reading.max_side, cache_mb=reading.cache_mb, smooth=False)
    files = list(dict.fromkeys(entry.file for entry in entries))
    total = len(files) + len({item.where for item in problems.skipped})
    found = pictures.load(files, problems, reading.report)
    mask_files = [e.mask for e in entries if e.mask is not None and e.file in found]
    found |= masks.load(mask_files, problems, reading.report)
    contradicted = _contradicted(entries, found, names)
    kept = []
    for entry in entries:
        wrong = contradicted.get(entry.file) or _wrong(entry, found, len(names))
        if wrong:
            problems.skip(entry.file, wrong)
        elif entry.file in found and (entry.mask is None or entry.mask in found):
            kept.append(_scaled(_mended(entry, found[entry.file], problems), found[entry.file]))
    problems.check(dataset, total)
    if not kept:
        raise DataError(f"{dataset} holds no picture that can be used")
    seen = frozenset[int]().union(*(found[entry.mask].seen for entry in kept if entry.mask))
    return StoredSamples(kept, names, pictures, masks, keypoints, problems, seen)


def _contradicted(
    entries: Iterable[Entry], found: dict[Path, Picture], names: Sequence[str]
) -> dict[Path, str]:
    """Find pictures that are there twice, with two labels: at least one of them is wrong."""
    alike: dict[bytes, list[Entry]] = {}
    for entry in entries:
        if entry.label >= 0 and entry.file in found:
            alike.setdefault(found[entry.file].digest, []).append(entry)
    wrong = {}
    for group in alike.values():
        labels = sorted({entry.label for entry in group})
        if len(labels) > 1:
            text = " and ".join(repr(names[label]) for label in labels)
            for entry in group:
                wrong[entry.file] = f"the same picture is labelled {text}"
    return wrong


def _wrong(entry: Entry, found: dict[Path, Picture], classes: int) -> str:
    """Tell why the marks cannot be those of the picture; empty where they can."""
    picture, mask = found.get(entry.file), found.get(entry.mask or Path())
    if picture is None:
        return ""
    if entry.size is not None and entry.size != picture.size:
        return (
            f"its annotation is of a picture of {_text(entry.size)}, it has {_text(picture.size)}"
        )
    if mask is not None and mask.size != picture.size:
        return f"its mask has {_text(mask.size)} pixels, it has {_text(picture.size)}"
    if mask is not None and mask.highest >= classes:
        return f"its mask holds the class {mask.highest}, but there are {classes}, from 0"
    return ""


def _text(size: Size) -> str:
    return f"{size.width}x{size.height}"


def _mended(entry: Entry, picture: Picture, problems: Problems) -> Entry:
    """Cut boxes off at the picture's edge, drop empty ones, unmark keypoints outside."""
    height, width = picture.size
    high = np.array((width, height) * 2, np.float32)
    boxes = np.clip(entry.boxes, 0, high)
    kept = np.asarray((boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1))
    for before, after, keep in zip(entry.boxes, boxes, kept, strict=True):
        if not keep:
            problems.mend(entry.file, f"the box {_corners(before)} is empty or outside: dropped")
        elif (np.abs(before - after) > 1).any():
            problems.mend(entry.file, f"the box {_corners(before)} was cut to {_corners(after)}")
    keypoints = entry.keypoints
    rows = len(keypoints) == len(boxes)
    x, y, seen = np.moveaxis(keypoints, -1, 0)
    outside = (seen > 0) & ((x < 0) | (y < 0) | (x > width) | (y > height))
    if outside.any():
        problems.mend(entry.file, f"{int(outside.sum())} keypoints lie outside: unmarked")
        keypoints = np.where(outside[..., None], np.float32(0), keypoints)
    return replace(
        entry,
        boxes=boxes[kept],
        classes=entry.classes[kept],
        keypoints=keypoints[kept] if rows else keypoints,
    )


def _corners(box: FloatArray) -> str:
    return "({:.0f}, {:.0f}, {:.0f}, {:.0f})".format(*box.tolist())


def _scaled(entry: Entry, picture: Picture) -> Entry:
    """Move the marks to the pixels of the picture in memory."""
    x, y = picture.scale
    region = entry.region
    if region is not None:
        x0, y0, x1, y1 = region
        wide, high = round(picture.size.width * x), round(picture.size.height * y)
        x0, y0 = max(0, int(x0 * x)), max(0, int(y0 * y))
        x1, y1 = min(wide, int(np.ceil(x1 * x))), min(high, int(np.ceil(y1 * y)))
        region = (x0, y0, max(x1, x0 + 1), max(y1, y0 + 1))
    return replace(
        entry,
        boxes=(entry.boxes * np.array((x, y, x, y), np.float32)).astype(np.float32),
        keypoints=(entry.keypoints * np.array((x, y, 1), np.float32)).astype(np.float32),
        region=region,
    )
