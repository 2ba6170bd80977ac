from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled import picture

from edgecv.errors import DataError
from edgecv.training.data.bad import Problems
from edgecv.training.data.stored import Entry, Reading, store
from edgecv.types import Size

ONE = np.zeros(1, np.int64)


def boxed(file: Path, *corners: float, **changes: object) -> Entry:
    return Entry(file, boxes=np.array([corners], np.float32), classes=ONE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("corners", "after", "said"),
    [
        ((5, 5, 20, 20), [[5, 5, 20, 20]], ""),
        ((-0.4, 0, 60.5, 40), [[0, 0, 60, 40]], ""),  # rounding is not worth a word
        ((-9, 5, 20, 90), [[0, 5, 20, 40]], "was cut to (0, 5, 20, 40)"),
        ((70, 5, 90, 20), [], "is empty or outside: dropped"),
        ((20, 20, 5, 5), [], "is empty or outside: dropped"),
        ((5, 5, 5, 20), [], "is empty or outside: dropped"),
    ],
)
def test_boxes_are_cut_at_the_edge_or_dropped_and_listed(
    tmp_path: Path, corners: tuple[float, ...], after: list[list[float]], said: str
) -> None:
    problems = Problems()
    entry = boxed(picture(tmp_path / "a.png", 40, 60), *corners)
    samples = store(tmp_path, [entry], ("thing",), problems, Reading())
    assert samples[0].boxes.tolist() == after
    assert len(samples[0].classes) == len(after)
    assert len(problems.mended) == bool(said)
    assert not said or said in problems.mended[0].what


def test_keypoints_outside_lose_their_mark_and_are_listed(tmp_path: Path) -> None:
    problems = Problems()
    points = np.array([[[5, 5, 2], [70, 5, 2], [90, 90, 0]]], np.float32)
    entry = boxed(picture(tmp_path / "a.png", 40, 60), 0, 0, 9, 9, keypoints=points)
    samples = store(tmp_path, [entry], ("p",), problems, Reading())
    assert samples[0].keypoints[0, :, 2].tolist() == [2, 0, 0]
    assert "1 keypoints lie outside" in problems.lines()[0]


def test_an_annotation_of_another_size_is_mislabelled(tmp_path: Path) -> None:
    entry = boxed(picture(tmp_path / "a.png", 40, 60), 0, 0, 9, 9, size=Size(60, 40))
    with pytest.raises(DataError, match="of a picture of 40x60, it has 60x40"):
        store(tmp_path, [entry], ("p",), Problems(), Reading())


def test_marks_shrink_with_their_picture(tmp_path: Path) -> None:
    points = np.array([[[30, 20, 2]]], np.float32)
    entry = boxed(picture(tmp_path / "a.png", 40, 60), 10, 20, 40, 40, keypoints=points)
    sample = store(tmp_path, [entry], ("p",), Problems(), Reading(max_side=30))[0]
    assert sample.image.shape == (20, 30, 3)
    assert sample.boxes.tolist() == [[5, 10, 20, 20]]
    assert sample.keypoints.tolist() == [[[15, 10, 2]]]


def test_a_region_is_cut_out_with_its_marks_and_cannot_leave_the_picture(tmp_path: Path) -> None:
    image = np.arange(40 * 60 * 3, dtype=np.uint32).astype(np.uint8).reshape(40, 60, 3)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    points = np.array([[[30, 20, 2]]], np.float32)
    entry = boxed(
        tmp_path / "a.png", 10, 20, 40, 40, keypoints=points, region=(-5.0, 15.0, 45.0, 99.0)
    )
    sample = store(tmp_path, [entry], ("p",), Problems(), Reading())[0]
    assert (sample.image == image[15:40, 0:45]).all()
    assert sample.boxes.tolist() == [[10, 5, 40, 25]]
    assert sample.keypoints.tolist() == [[[30, 5, 2]]]


@pytest.mark.parametrize("cache_mb", [0, 0.008, 100], ids=["none", "one of three", "all"])
def test_what_does_not_fit_in_memory_is_read_again(tmp_path: Path, cache_mb: float) -> None:
    files = [picture(tmp_path / f"{i}.png", byte=i) for i in range(3)]  # 7.2 kB each
    entries = [Entry(file, label=0) for file in files]
    samples = store(tmp_path, entries, ("a",), Problems(), Reading(cache_mb=cache_mb))
    before = [samples[i].image.max() for i in range(3)]
    assert before == [0, 1, 2]
    for file in files:
        picture(file, byte=99)
    kept = {0: 0, 0.008: 1, 100: 3}[cache_mb]
    assert [samples[i].image.max() for i in range(3)].count(99) == 3 - kept


def test_pictures_in_memory_cannot_be_written_to(tmp_path: Path) -> None:
    samples = store(tmp_path, [Entry(picture(tmp_path / "a.png"))], ("a",), Problems(), Reading())
    with pytest.raises(ValueError, match="read-only"):
        samples[0].image[0, 0] = 1


def test_reading_is_reported(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    entries = [Entry(picture(tmp_path / f"{i}.png")) for i in range(3)]
    reading = Reading(report=lambda done, total: seen.append((done, total)))
    store(tmp_path, entries, ("a",), Problems(), reading)
    assert seen[:4] == [(0, 3), (1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("wrong", [{"max_side": 0}, {"cache_mb": -1}], ids=["side", "cache"])
def test_a_reading_of_nothing_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="got"):
        Reading(**wrong)  # type: ignore[arg-type]
