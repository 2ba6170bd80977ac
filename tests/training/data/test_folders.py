from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled import picture

from edgecv.errors import DataError
from edgecv.training.data.folders import class_folders, identities
from edgecv.training.data.stored import Reading

LOOSE = Reading(max_bad=1.0)


def flowers(folder: Path, counts: dict[str, int]) -> Path:
    """Write pictures of different greys, so that none is there twice."""
    byte = 0
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture(folder / name / f"{number}.png", byte=byte)
            byte += 1
    return folder


def test_classes_are_numbered_by_name_and_pictures_come_as_they_are(tmp_path: Path) -> None:
    samples = class_folders(flowers(tmp_path, {"tulip": 2, "daisy": 1}))
    assert samples.names == ("daisy", "tulip")
    assert [samples[i].label for i in range(len(samples))] == [0, 1, 1]
    assert samples[0].image.shape == (40, 60, 3)
    assert samples[0].image.mean() == 2
    assert samples[0].source.endswith("daisy/0.png")
    assert not samples.problems.lines()


def test_known_names_keep_their_order_and_may_be_missing(tmp_path: Path) -> None:
    samples = class_folders(flowers(tmp_path, {"b": 1}), reading=Reading(names=("c", "b", "a")))
    assert samples.names == ("c", "b", "a")
    assert samples[0].label == 1


def cut_short(file: Path) -> None:
    data = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    file.write_bytes(data[1].tobytes()[:600])


BAD_FILES = {
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_text("<html>not found</html>"),
    "truncated": cut_short,
    "gone": lambda file: file.symlink_to("nowhere"),
}


@pytest.mark.parametrize("spoil", BAD_FILES.values(), ids=BAD_FILES)
def test_an_unreadable_picture_is_listed_and_skipped(tmp_path: Path, spoil) -> None:
    spoil(flowers(tmp_path, {"a": 2, "b": 2}) / "a" / "bad.jpg")
    samples = class_folders(tmp_path, reading=Reading(max_bad=0.2))
    assert len(samples) == 4
    assert [Path(item.where).name for item in samples.problems.skipped] == ["bad.jpg"]
    with pytest.raises(DataError, match=r"1 of 5 pictures cannot be used.*bad\.jpg"):
        class_folders(tmp_path)


def test_the_same_picture_in_two_classes_is_mislabelled(tmp_path: Path) -> None:
    flowers(tmp_path, {"a": 2, "b": 2})
    picture(tmp_path / "b" / "copy.png", byte=0)
    picture(tmp_path / "a" / "copy.png", byte=1)  # of its own class: no contradiction
    samples = class_folders(tmp_path, reading=LOOSE)
    assert sorted(Path(item.where).name for item in samples.problems.skipped) == [
        "0.png",
        "copy.png",
    ]
    assert samples.problems.skipped[0].what == "the same picture is labelled 'a' and 'b'"
    assert len(samples) == 4


def test_what_is_no_picture_is_listed_and_hidden_files_are_not(tmp_path: Path) -> None:
    flowers(tmp_path, {"a": 1, "b": 1})
    (tmp_path / "a" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "a" / ".DS_Store").write_bytes(b"x")
    (tmp_path / ".cache").mkdir()
    samples = class_folders(tmp_path)
    assert [Path(item.where).name for item in samples.problems.mended] == ["Thumbs.db"]
    assert not samples.problems.skipped


WRONG = {
    "missing": (None, "does not exist. Wanted a folder of classes"),
    "no folders": ({}, "holds no folders"),
    "an empty class": ({"a": 1, "b": 0}, "the class 'b' is empty"),
}


@pytest.mark.parametrize(("counts", "message"), WRONG.values(), ids=WRONG)
def test_a_folder_without_classes_is_refused(
    tmp_path: Path, counts: dict[str, int] | None, message: str
) -> None:
    folder = tmp_path / "set"
    if counts is not None:
        folder.mkdir()
        flowers(folder, counts)
    with pytest.raises(DataError, match=message):
        class_folders(folder)


def test_a_class_of_bad_pictures_alone_is_empty(tmp_path: Path) -> None:
    flowers(tmp_path, {"a": 1, "b": 0})
    (tmp_path / "b" / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="the class 'b' is empty"):
        class_folders(tmp_path, reading=LOOSE)


def test_the_folder_above_the_dataset_gets_a_hint(tmp_path: Path) -> None:
    flowers(tmp_path / "train", {"a": 1, "b": 1})
    with pytest.raises(DataError, match=r"holds the folder a: is .*train the dataset\?"):
        class_folders(tmp_path)


def test_an_unknown_class_names_the_nearest(tmp_path: Path) -> None:
    flowers(tmp_path, {"tulips": 1})
    with pytest.raises(DataError, match="no class 'tulips'; did you mean 'tulip'"):
        class_folders(tmp_path, reading=Reading(names=("rose", "tulip")))


def test_people_with_few_pictures_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flowers(tmp_path, {"ann": 1, "bob": 3, "cid": 2})
    samples = identities(tmp_path, min_pictures=2)
    assert samples.names == ("bob", "cid")
    assert [samples[i].label for i in range(len(samples))] == [0, 0, 0, 1, 1]
    assert "1 people with fewer than 2" in samples.problems.lines()[0]
    assert "1 people with fewer than 2" in caplog.text
    with pytest.raises(DataError, match="nobody has 9"):
        identities(tmp_path, min_pictures=9)
    with pytest.raises(ValueError, match="from 1"):
        identities(tmp_path, min_pictures=0)


@pytest.mark.data
def test_the_flowers_hold_two_pictures_under_two_names_each(data: Path) -> None:
    samples = class_folders(data / "flowers_train")
    assert samples.names == ("daisy", "dandelion", "rose", "sunflower", "tulip")
    assert len(samples) == 3717 - 4
    assert {item.what for item in samples.problems.skipped} == {
        "the same picture is labelled 'rose' and 'tulip'"
    }
