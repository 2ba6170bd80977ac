from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled import picture

from edgecv.errors import DataError, ImageError
from edgecv.training.data.masks import masks, read_mask
from edgecv.training.data.stored import Reading

CLASSES = np.zeros((40, 60), np.uint8)
CLASSES[10:20, 10:30] = 1
CLASSES[25:30, 5:9] = 2
CLASSES[0, :] = 255


def palette_png(file: Path, numbers: np.ndarray, palette: np.ndarray) -> None:
    """Write a PNG with a palette, which OpenCV cannot."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, width = numbers.shape
    rows = np.concatenate((np.zeros((height, 1), np.uint8), numbers), axis=1)
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", palette.tobytes())
        + chunk(b"IDAT", zlib.compress(rows.tobytes()))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    picture(tmp_path / "images" / "a.png", 40, 60)
    (tmp_path / "masks").mkdir()
    cv2.imwrite(str(tmp_path / "masks" / "a.png"), CLASSES)
    return tmp_path


def test_masks_are_read_and_classes_counted(folder: Path) -> None:
    samples = masks(folder)
    assert samples.names == ("0", "1", "2")
    assert (samples[0].mask == CLASSES).all()


def test_names_come_from_a_file_or_the_reading(folder: Path) -> None:
    (folder / "names.txt").write_text("background\nroad\ncar\n")
    assert masks(folder).names == ("background", "road", "car")
    assert masks(folder, reading=Reading(names=("a", "b", "c"))).names == ("a", "b", "c")


@pytest.fixture
def binary(folder: Path) -> Path:
    """Masks of 0 and 255."""
    cv2.imwrite(str(folder / "masks" / "a.png"), np.where(CLASSES == 1, 255, 0).astype(np.uint8))
    return folder


EMPTY = {
    "255 for 1": (b"background\nthing\n", "hold 0, 255; 255 counts as nothing: write 1 for it"),
    "no names": (b"", "the class '1', number 1, they hold 0, 255; 255 counts as nothing"),
    "no background": (b"road\ncar\n", "no mask has a pixel of the class 'car', number 1"),
}


@pytest.mark.parametrize(("names", "message"), EMPTY.values(), ids=EMPTY)
def test_masks_that_lack_a_class_are_refused(binary: Path, names: bytes, message: str) -> None:
    if names:
        (binary / "names.txt").write_bytes(names)
    with pytest.raises(DataError, match=message):
        masks(binary)


def test_a_background_may_be_absent_and_nothing_else_of_the_names(folder: Path) -> None:
    cv2.imwrite(str(folder / "masks" / "a.png"), CLASSES * 0 + 1)
    (folder / "names.txt").write_text("background\nthing\n")
    assert not masks(folder).problems.lines()
    (folder / "names.txt").write_text("background\nthing\nother\n")
    with pytest.raises(DataError, match="the class 'other', number 2, they hold 1; mark some"):
        masks(folder)


def test_a_validation_set_may_lack_some_classes_but_not_all(folder: Path, binary: Path) -> None:
    with pytest.raises(DataError, match="write 1 for it"):
        masks(binary, reading=Reading(names=("background", "thing")))
    cv2.imwrite(str(folder / "masks" / "a.png"), CLASSES)
    samples = masks(folder, reading=Reading(names=("background", "a", "b", "c", "d")))
    assert [item.what for item in samples.problems.noted] == [
        "no mask has a pixel of the class 'c', number 3, nor of 1 more classes"
    ]


def test_a_class_that_is_lost_when_masks_shrink_is_not_missing(folder: Path) -> None:
    thin = np.zeros((40, 60), np.uint8)
    thin[1, 1] = 1
    cv2.imwrite(str(folder / "masks" / "a.png"), thin)
    samples = masks(folder, reading=Reading(names=("background", "thing"), max_side=10))
    assert (samples.seen, samples.problems.lines()) == ({0, 1}, [])


def test_a_palette_is_turned_back_into_numbers(tmp_path: Path) -> None:
    palette = np.random.default_rng(0).permutation(256 * 3).astype(np.uint8).reshape(256, 3)
    palette_png(tmp_path / "a.png", CLASSES, palette)
    assert (read_mask(tmp_path / "a.png") == CLASSES).all()


def test_the_folders_of_pascal_voc_hold_masks_of_some_pictures(folder: Path) -> None:
    (folder / "images").rename(folder / "JPEGImages")
    (folder / "masks").rename(folder / "SegmentationClass")
    picture(folder / "JPEGImages" / "b.png")
    samples = masks(folder)
    assert (len(samples), samples.problems.lines()) == (1, [])


def color(file: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    cv2.imwrite(str(file), noise)


BAD = {
    "missing": (Path.unlink, "has no mask"),
    "of another size": (lambda f: picture(f, 60, 40) and cv2.imwrite(str(f), CLASSES.T), "40x60"),
    "in colour": (color, "grey or with a palette"),
    "of 16 bits": (lambda f: cv2.imwrite(str(f), CLASSES.astype(np.uint16)), "wanted bytes"),
    "cut short": (lambda f: f.write_bytes(f.read_bytes()[:60]), "not a picture"),
    "of an unknown class": (lambda f: cv2.imwrite(str(f), CLASSES * 0 + 7), "holds the class 7"),
}


@pytest.mark.parametrize(("spoil", "what"), BAD.values(), ids=BAD)
def test_a_bad_mask_is_listed_and_its_picture_skipped(folder: Path, spoil, what: str) -> None:
    picture(folder / "images" / "b.png", 40, 60)
    cv2.imwrite(str(folder / "masks" / "b.png"), CLASSES)
    spoil(folder / "masks" / "b.png")
    reading = Reading(names=("a", "b", "c"), max_bad=0.5)
    samples = masks(folder, reading=reading)
    assert len(samples) == 1
    assert what in samples.problems.skipped[0].what


def test_a_mask_shrinks_without_inventing_classes(folder: Path) -> None:
    sample = masks(folder, reading=Reading(max_side=30))[0]
    assert sample.mask is not None
    assert sample.mask.shape == (20, 30)
    assert set(np.unique(sample.mask)) <= {0, 1, 2, 255}


def test_colours_that_the_palette_lacks_are_refused(tmp_path: Path) -> None:
    palette_png(tmp_path / "a.png", CLASSES[1:], np.zeros((3, 3), np.uint8))
    assert (read_mask(tmp_path / "a.png") == 0).all()  # three blacks: the first one's number
    color(tmp_path / "b.png")
    with pytest.raises(ImageError, match="is not a mask"):
        read_mask(tmp_path / "b.png")


def test_a_folder_without_masks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no images/ and masks/"):
        masks(tmp_path)
