from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import coco_folder, person_folder, picture

from edgecv import datasets
from edgecv.errors import DataError
from edgecv.types import Size

CAT = {"image_id": 10, "category_id": 3, "bbox": [10, 20, 30, 40], "area": 900.5, "iscrowd": 0}
DOGS = {"image_id": 11, "category_id": 7, "bbox": [0, 0, 5, 5], "area": 25, "iscrowd": 1}
PERSON = {**CAT, "category_id": 1, "keypoints": [1.5, 2.5, 2] + [0, 0, 0] * 16}


def test_coco_objects_are_read_picture_by_picture(tmp_path: Path) -> None:
    data = datasets.read_objects(coco_folder(tmp_path, [DOGS, CAT], images=3))
    assert data.categories == {3: "cat", 7: "dog"}
    assert [len(image.boxes) for image in data.images] == [1, 1, 0]
    first, second, empty = data.images
    assert first.file == tmp_path / "images" / "0.png"
    assert first.size == Size(400, 600)
    np.testing.assert_array_equal(first.boxes, [[10, 20, 40, 60]])
    np.testing.assert_array_equal(first.areas, [900.5])
    np.testing.assert_array_equal(second.category_ids, [7])
    np.testing.assert_array_equal(second.crowd, [True])
    assert (empty.boxes.shape, empty.keypoints.shape) == ((0, 4), (0, 0, 3))


def test_coco_keypoints_have_a_row_for_each_name(tmp_path: Path) -> None:
    data = datasets.read_keypoints(person_folder(tmp_path, [PERSON]))
    assert data.keypoints[0] == "nose"
    assert data.images[0].keypoints.shape == (1, 17, 3)
    np.testing.assert_array_equal(data.images[0].keypoints[0, 0], [1.5, 2.5, 2])
    assert data.images[1].keypoints.shape == (0, 17, 3)


def test_boxes_are_read_also_where_a_picture_has_none(tmp_path: Path) -> None:
    write_boxes(tmp_path, [boxed("a.png", [[1, 2, 3, 4.5]]), boxed("b.png", [])])
    first, second = datasets.read_boxes(tmp_path)
    np.testing.assert_array_equal(first.boxes, np.array([[1, 2, 3, 4.5]], np.float32))
    assert (first.size, second.boxes.shape) == (Size(40, 60), (0, 4))


def test_pairs_are_read_with_their_folders(tmp_path: Path) -> None:
    write_pairs(tmp_path, "img1,img2,same\nA/1.png,A/2.png,1\nA/1.png,B/1.png,0\n")
    pairs = datasets.read_pairs(tmp_path)
    assert [pair.same for pair in pairs] == [True, False]
    assert pairs[1].second == tmp_path / "images" / "B" / "1.png"


def test_class_folders_give_their_names_to_the_pictures_in_them(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1.JPG", "a/1.png"):
        picture(tmp_path / name.replace("JPG", "png")).rename(tmp_path / name)
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    (tmp_path / "README").write_text("no folder")
    found = [(item.file.name, item.label) for item in datasets.read_classes(tmp_path)]
    assert found == [("1.png", "a"), ("1.JPG", "b"), ("2.png", "b")]


READERS = {
    "instances.json": datasets.read_objects,
    "person_keypoints.json": datasets.read_keypoints,
    "boxes.json": datasets.read_boxes,
    "pairs.csv": datasets.read_pairs,
}


@pytest.mark.parametrize("name", READERS)
def test_a_folder_without_its_annotations_is_told_what_it_should_hold(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(DataError, match=f"holds no {name}. Wanted .*images/"):
        READERS[name](tmp_path)


@pytest.mark.parametrize("read", [*READERS.values(), datasets.read_classes])
def test_a_folder_that_is_not_there_is_named(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist\. Wanted a folder of"):
        read(tmp_path / "nowhere")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = picture(tmp_path / "a.png")
    with pytest.raises(DataError, match="is not a folder"):
        datasets.read_classes(file)


def test_class_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    with pytest.raises(DataError, match="holds no class folders with pictures"):
        datasets.read_classes(tmp_path)


def test_missing_pictures_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    coco_folder(tmp_path, [CAT], images=3)
    (tmp_path / "images" / "1.png").unlink()
    (tmp_path / "images" / "2.png").unlink()
    with pytest.raises(DataError, match=r"2 pictures that are not there, the first: .*1\.png"):
        datasets.read_objects(tmp_path)


def test_a_missing_folder_of_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text("[]")
    with pytest.raises(DataError, match="holds no images/"):
        datasets.read_boxes(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": None}, "annotation 1"),
        ({"bbox": [1, 2, 3]}, r"bbox has shape \(1, 3\), wanted \(N, 4\)"),
        ({"bbox": [1, 2, float("nan"), 4]}, "all finite"),
        ({"category_id": 99}, "unknown category 99"),
        ({"image_id": "x"}, "annotation 1: invalid literal"),
    ],
    ids=["no box", "short box", "NaN", "no such category", "no number"],
)
def test_a_bad_annotation_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    coco_folder(tmp_path, [{**CAT, **change}])
    with pytest.raises(DataError, match=message):
        datasets.read_objects(tmp_path)


def test_an_annotation_that_lacks_its_box_says_so(tmp_path: Path) -> None:
    coco_folder(tmp_path, [{key: value for key, value in CAT.items() if key != "bbox"}])
    with pytest.raises(DataError, match="annotation 1: it lacks 'bbox'"):
        datasets.read_objects(tmp_path)


def test_keypoints_of_another_number_are_refused(tmp_path: Path) -> None:
    person_folder(tmp_path, [{**PERSON, "keypoints": [1, 2, 2]}])
    with pytest.raises(DataError, match="3 numbers for 17 keypoints"):
        datasets.read_keypoints(tmp_path)


def test_keypoints_without_names_are_refused(tmp_path: Path) -> None:
    coco_folder(tmp_path, [CAT], name="person_keypoints.json")
    with pytest.raises(DataError, match="names no keypoints"):
        datasets.read_keypoints(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read"),
        ("[]", "does not hold an object of JSON"),
        ("{}", "lacks the list 'images'"),
    ],
)
def test_a_file_that_is_not_coco_is_refused(tmp_path: Path, text: str, message: str) -> None:
    coco_folder(tmp_path, [])
    (tmp_path / "instances.json").write_text(text)
    with pytest.raises(DataError, match=message):
        datasets.read_objects(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("img1,img2,same\nA/1.png,A/2.png,yes\n", "pair 1: same is 'yes', wanted 1 or 0"),
        ("left,right\na,b\n", "pair 1: it lacks 'same'"),
        ("img1,img2,same\n", "lists no pair"),
        ("img1,img2,same\nA/1.png,A/9.png,1\n", "the first: .*9.png"),
    ],
)
def test_bad_pairs_are_refused(tmp_path: Path, text: str, message: str) -> None:
    write_pairs(tmp_path, text)
    with pytest.raises(DataError, match=message):
        datasets.read_pairs(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, "")
    (tmp_path / "pairs.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot read"):
        datasets.read_pairs(tmp_path)


@pytest.mark.parametrize(
    ("limit", "chosen"),
    [(None, "abcdefgh"), (8, "abcdefgh"), (99, "abcdefgh"), (1, "a"), (4, "aceg"), (3, "acf")],
)
def test_a_limit_takes_items_from_all_over(limit: int | None, chosen: str) -> None:
    assert datasets.spread("abcdefgh", limit) == tuple(chosen)


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="limit counts from 1, got 0"):
        datasets.spread("abc", 0)


@pytest.mark.data
@pytest.mark.parametrize(
    ("folder", "read", "number"),
    [
        ("coco_eval", datasets.read_objects, 200),
        ("coco_train", datasets.read_keypoints, 1552),
        ("fddb_eval", datasets.read_boxes, 100),
        ("lfw_eval", datasets.read_pairs, 600),
        ("flowers_eval", datasets.read_classes, 300),
    ],
)
def test_real_folders_are_read_whole(
    data: Path, folder: str, read: Callable[[Path], Any], number: int
) -> None:
    found = read(data / folder)
    assert len(getattr(found, "images", found)) == number


def boxed(file: str, boxes: list[list[float]]) -> dict[str, Any]:
    return {"file": file, "height": 40, "width": 60, "boxes_xyxy": boxes}


def write_boxes(folder: Path, entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        picture(folder / "images" / entry["file"])
    (folder / "boxes.json").write_text(json.dumps(entries))


def write_pairs(folder: Path, text: str) -> None:
    for name in ("A/1.png", "A/2.png", "B/1.png"):
        picture(folder / "images" / name)
    (folder / "pairs.csv").write_text(text)
