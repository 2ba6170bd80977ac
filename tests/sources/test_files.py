from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecv.errors import ImageError, UnknownNameError
from edgecv.sources import open_source
from edgecv.sources.files import Files, natural_key

GREY = np.full((4, 6, 3), 128, np.uint8)


def picture(path: Path, value: int = 128) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((4, 6, 3), value, np.uint8))
    return path


def names(source) -> list[str]:
    return [Path(frame.source).name for frame in source]


def test_a_file_is_one_frame(tmp_path) -> None:
    path = picture(tmp_path / "a.png")
    before = time.monotonic()
    (frame,) = open_source(path)
    np.testing.assert_array_equal(frame.image, GREY)
    assert (frame.index, frame.source) == (0, str(path))
    assert before <= frame.time <= time.monotonic()


def test_a_file_may_have_any_suffix(tmp_path) -> None:
    path = picture(tmp_path / "a.png").rename(tmp_path / "upload")
    assert len(list(open_source(path))) == 1


def test_a_folder_gives_its_pictures_in_the_order_of_counting(tmp_path) -> None:
    for name in ("shot10.png", "shot9.PNG", "Shot1.jpg", "notes.txt", "sub/shot2.png"):
        if name.endswith("txt"):
            (tmp_path / name).write_text("no picture")
        else:
            picture(tmp_path / name)
    source = open_source(tmp_path)
    assert len(source) == 3
    assert names(source) == ["Shot1.jpg", "shot9.PNG", "shot10.png"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.png", ["b2.png", "b10.png"]),
        ("b?.png", ["b2.png"]),
        ("**/*.png", ["b2.png", "b10.png", "c.png"]),
        ("**", ["a.jpg", "b2.png", "b10.png", "c.png"]),
    ],
)
def test_a_pattern_gives_the_pictures_that_fit_it(tmp_path, pattern, found) -> None:
    for name in ("a.jpg", "b10.png", "b2.png", "sub/c.png"):
        picture(tmp_path / name)
    assert names(open_source(f"{tmp_path}/{pattern}")) == found


def test_a_file_whose_name_looks_like_a_pattern_is_found(tmp_path) -> None:
    assert names(open_source(picture(tmp_path / "a[1].png"))) == ["a[1].png"]


def test_an_address_of_a_file_is_a_path(tmp_path) -> None:
    assert names(open_source(f"file://{picture(tmp_path / 'a.png')}")) == ["a.png"]


def test_a_picture_that_cannot_be_read_does_not_end_the_source(tmp_path) -> None:
    paths = [picture(tmp_path / "a.png"), tmp_path / "b.png", picture(tmp_path / "c.png")]
    paths[1].write_text("no picture")
    source = open_source(tmp_path)
    assert next(source).index == 0
    with pytest.raises(ImageError, match=r"b\.png is not a picture"):
        next(source)
    assert next(source).index == 2
    with pytest.raises(StopIteration):
        next(source)


def test_a_closed_source_gives_no_more(tmp_path) -> None:
    picture(tmp_path / "a.png")
    source = open_source(tmp_path)
    source.close()
    assert list(source) == []


def test_larger_pictures_than_allowed_are_refused(tmp_path) -> None:
    with pytest.raises(ImageError, match="6x4 pixels"):
        next(Files([picture(tmp_path / "a.png")], max_pixels=23))
    assert len(list(Files([picture(tmp_path / "a.png")], max_pixels=24))) == 1


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("", "name of an image file or folder is empty"),
        ("{}/photo.jpg", r"no such file or folder: .*photo.jpg; did you mean '.*photos.jpg'"),
        ("{}/gone/photo.jpg", r"nor is there a folder .*gone"),
        ("{}/empty", r"no pictures in the folder .*empty"),
        ("{}/nested", r"those in its subfolders give '.*nested/\*\*'"),
        ("{}/*.webp", r"no pictures fit the pattern '.*\*.webp'"),
    ],
    ids=["nothing", "missing", "no folder", "no pictures", "subfolders", "no match"],
)
def test_what_is_not_there_is_said(tmp_path, uri, said) -> None:
    picture(tmp_path / "photos.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested" / "inner").mkdir(parents=True)
    with pytest.raises(ImageError, match=said):
        open_source(uri.format(tmp_path))


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path) -> None:
    if not os.geteuid():
        pytest.skip("root may list every folder")
    tmp_path.chmod(0)
    try:
        with pytest.raises(ImageError, match="cannot read the folder"):
            open_source(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_an_unknown_kind_of_source_is_named() -> None:
    with pytest.raises(UnknownNameError, match="no kind of source 'gopher'"):
        open_source("gopher://somewhere/a.png")


def test_natural_order_counts_and_ignores_case() -> None:
    names = ["b", "a10", "A9", "a", "a1b2", "a1b10", "10", "9"]
    ordered = sorted(map(Path, names), key=natural_key)
    assert [str(path) for path in ordered] == ["9", "10", "a", "a1b2", "a1b10", "A9", "a10", "b"]
