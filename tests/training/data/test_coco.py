from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from labelled import coco_folder, person_folder, picture

from edgecv.errors import DataError
from edgecv.training.data.coco import boxes, coco_instances, coco_keypoints
from edgecv.training.data.stored import Reading

HALF = Reading(max_bad=0.5)


def mark(image: int = 10, category: int = 3, box: tuple = (10, 20, 30, 40), **more) -> dict:
    return {"id": 1, "image_id": image, "category_id": category, "bbox": list(box), **more}


def change(file: Path, how) -> None:
    values = json.loads(file.read_text(encoding="utf-8"))
    how(values)
    file.write_text(json.dumps(values), encoding="utf-8")


def person(image: int = 10, seen: int = 17, box: tuple = (100, 100, 80, 200)) -> dict:
    points = np.zeros((17, 3))
    points[:seen] = (120, 150, 2)
    return mark(image, 1, box, keypoints=points.reshape(-1).tolist())


def test_boxes_become_corners_and_categories_ids_from_zero(tmp_path: Path) -> None:
    samples = coco_instances(coco_folder(tmp_path, [mark(), mark(category=7), mark(11)]))
    assert samples.names == ("cat", "dog")
    assert len(samples) == 2
    assert samples[0].boxes.tolist() == [[10, 20, 40, 60]] * 2
    assert samples[0].classes.tolist() == [0, 1]
    assert samples[0].image.shape == (400, 600, 3)


def test_only_chooses_classes_and_their_order(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path, [mark(), mark(category=7)])
    assert coco_instances(folder, only=("dog",))[0].classes.tolist() == [0]
    assert coco_instances(folder, only=("dog", "cat"))[0].classes.tolist() == [1, 0]
    assert coco_instances(folder, reading=Reading(names=("dog",))).names == ("dog",)


def test_pictures_without_boxes_stay_unless_unwanted(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path, [mark()])
    assert len(coco_instances(folder, only=("cat",))) == 2
    assert len(coco_instances(folder, only=("cat",), empty=False)) == 1


def test_crowds_are_left_out(tmp_path: Path) -> None:
    samples = coco_instances(coco_folder(tmp_path, [mark(), mark(iscrowd=1)]))
    assert len(samples[0].boxes) == 1


def test_a_class_without_boxes_is_listed_or_refused_where_it_was_asked_for(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path, [mark()])
    assert coco_instances(folder).problems.lines() == [
        f"noted: {folder / 'instances.json'}: no box of the class 'dog'"
    ]
    with pytest.raises(DataError, match="the class 'dog' is empty"):
        coco_instances(folder, only=("dog",))
    with pytest.raises(DataError, match="no class 'dogs'; did you mean 'dog'"):
        coco_instances(folder, only=("dogs",))


BAD_MARKS = {
    "no box": ({"bbox": None}, "bbox is None"),
    "three numbers": ({"bbox": [1, 2, 3]}, "bbox is"),
    "not finite": ({"bbox": [1, 2, 3, float("nan")]}, "bbox is"),
    "unknown category": ({"category_id": 99}, "category 99 is not listed"),
}


@pytest.mark.parametrize(("change", "what"), BAD_MARKS.values(), ids=BAD_MARKS)
def test_a_picture_with_a_wrong_mark_is_listed_and_skipped(
    tmp_path: Path, change: dict, what: str
) -> None:
    folder = coco_folder(tmp_path, [mark(), mark(11) | change])
    samples = coco_instances(folder, reading=HALF)
    assert len(samples) == 1
    assert what in samples.problems.skipped[0].what
    with pytest.raises(DataError, match="1 of 2 pictures cannot be used"):
        coco_instances(folder)


STRANGE = {
    "number": (5, "it is 5, wanted an object"),
    "ids in a list": (mark() | {"image_id": [1]}, "image_id is [1], wanted a whole number"),
    "id of a word": (mark() | {"image_id": "a"}, "image_id is 'a', wanted a whole number"),
    "no id": ({"bbox": [1, 2, 3, 4]}, "it lacks 'image_id'"),
}


@pytest.mark.parametrize(("strange", "what"), STRANGE.values(), ids=STRANGE)
def test_an_annotation_of_no_picture_counts_as_a_bad_picture(
    tmp_path: Path, strange: object, what: str
) -> None:
    folder = coco_folder(tmp_path, [mark(), strange])
    samples = coco_instances(folder, reading=HALF)
    assert len(samples) == 2
    file = folder / "instances.json"
    assert samples.problems.lines()[0] == f"skipped: {file}, annotation 2: {what}"
    with pytest.raises(DataError, match="1 of 3 pictures cannot be used"):
        coco_instances(folder)


def test_strange_pictures_and_categories_are_named(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path, [mark()], categories=[{"id": 3, "name": "cat", "keypoints": 5}])
    with pytest.raises(DataError, match="a category is wrong"):
        coco_instances(folder)
    folder = coco_folder(tmp_path, [mark()])
    change(folder / "instances.json", lambda values: values["images"].append({"id": [1]}))
    assert "image 3: id is [1]" in coco_instances(folder, reading=HALF).problems.lines()[0]


def test_numbers_may_be_written_as_text(tmp_path: Path) -> None:
    def quote(values: dict) -> None:
        for item in (*values["images"], *values["annotations"], *values["categories"]):
            item |= {key: str(value) for key, value in item.items() if key.endswith("id")}

    folder = coco_folder(tmp_path, [mark(iscrowd="0"), mark(11, 7)])
    change(folder / "instances.json", quote)
    samples = coco_instances(folder)
    assert [entry.classes.tolist() for entry in samples.entries] == [[0], [1]]
    assert not samples.problems.lines()


def test_a_set_without_a_box_that_counts_is_refused(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path, [mark(iscrowd=1), mark(iscrowd=1), mark(99)])
    message = (
        r"wanted boxes of 'cat', 'dog', got none that counts \(2 are of crowds; 1 are of pictures "
        r"that it does not list\)"
    )
    with pytest.raises(DataError, match=message):
        coco_instances(folder)
    crowd = person(seen=0) | {"iscrowd": 1}
    with pytest.raises(DataError, match=r"boxes of 'person', got none .*1 are of crowds"):
        coco_keypoints(person_folder(tmp_path / "people", [crowd]), per="image")


def test_boxes_of_unknown_classes_are_said_but_not_those_that_nobody_wants(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = coco_folder(tmp_path, [mark(), mark(category=7), mark(11, 7)])
    samples = coco_instances(folder, reading=Reading(names=("cat",)))
    assert "2 boxes left out: no class 'dog'; there are: cat" in caplog.text
    assert samples.names == ("cat",)
    caplog.clear()
    coco_instances(folder, only=("cat",))
    assert not caplog.text


def test_a_file_may_list_a_part_of_the_classes_that_are_known(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path, [mark(category=7)], categories=[{"id": 7, "name": "dog"}])
    for only in (None, ("cat", "dog")):
        samples = coco_instances(folder, only=only, reading=Reading(names=("cat", "dog")))
        assert samples.names == ("cat", "dog")
        assert samples[0].classes.tolist() == [1]
        assert [item.what for item in samples.problems.noted] == ["no box of the class 'cat'"]
    with pytest.raises(DataError, match="no class of the training set 'dog'; did you mean 'dogs'"):
        coco_instances(folder, reading=Reading(names=("cat", "dogs")))


def test_a_missing_picture_is_listed_and_skipped(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path, [mark(), mark(11)])
    (folder / "images" / "1.png").unlink()
    samples = coco_instances(folder, reading=HALF)
    assert [item.what for item in samples.problems.skipped] == ["is listed but not there"]


def test_annotations_of_unlisted_pictures_are_counted(tmp_path: Path) -> None:
    samples = coco_instances(coco_folder(tmp_path, [mark(), mark(category=7), mark(99)]))
    assert "annotations of 1 pictures that it does not list" in samples.problems.mended[0].what


def test_the_layout_of_the_published_archives_is_read(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path / "a", [mark()])
    (folder / "images").rename(tmp_path / "train2017")
    file = (folder / "instances.json").rename(folder / "instances_train2017.json")
    assert len(coco_instances(file)) == 2


WRONG = {
    "no file": (lambda f: (f / "instances.json").unlink(), "holds no instances.json. Wanted"),
    "no JSON": (lambda f: (f / "instances.json").write_text("{"), "cannot read"),
    "a list": (lambda f: (f / "instances.json").write_text("[]"), "lacks the list 'images'"),
    "empty": (
        lambda f: (f / "instances.json").write_text(
            json.dumps({"images": [], "annotations": [], "categories": []})
        ),
        "its list 'images' is empty",
    ),
    "no pictures": (lambda f: (f / "images").rename(f / "pics"), "has no pictures beside it"),
}


@pytest.mark.parametrize(("spoil", "message"), WRONG.values(), ids=WRONG)
def test_a_folder_in_another_format_is_refused(tmp_path: Path, spoil, message: str) -> None:
    folder = coco_folder(tmp_path, [mark()])
    spoil(folder)
    with pytest.raises(DataError, match=message):
        coco_instances(folder)


def test_people_are_cut_out_around_their_box(tmp_path: Path) -> None:
    samples = coco_keypoints(person_folder(tmp_path, [person(), person(11)]), pad=1.5)
    assert (len(samples), samples.keypoints[0]) == (2, "nose")
    sample = samples[0]  # the box 80 x 200 at (100, 100) is looked at as 120 x 300 at (80, 50)
    assert sample.image.shape == (300, 120, 3)
    assert sample.boxes.tolist() == [[20, 50, 100, 250]]
    assert sample.keypoints[0, 0].tolist() == [40, 100, 2]


def test_people_with_few_keypoints_are_no_samples_and_counted(tmp_path: Path) -> None:
    folder = person_folder(tmp_path, [person(), person(11, seen=4)])
    samples = coco_keypoints(folder)
    assert len(samples) == 1
    assert "noted: " in samples.problems.lines()[0]
    assert "1 people with fewer than 5 keypoints" in samples.problems.lines()[0]
    assert len(coco_keypoints(folder, min_keypoints=4)) == 2
    with pytest.raises(DataError, match="nobody has 18"):
        coco_keypoints(folder, min_keypoints=18)


def test_a_picture_may_be_a_sample_with_all_its_people(tmp_path: Path) -> None:
    samples = coco_keypoints(person_folder(tmp_path, [person(), person(seen=3)]), per="image")
    assert [samples[i].keypoints.shape for i in range(2)] == [(2, 17, 3), (0, 17, 3)]


def test_crowds_and_classes_without_keypoints_need_none(tmp_path: Path) -> None:
    crowd = mark(category=1, iscrowd=1, segmentation={"counts": [1, 2], "size": [3, 4]})
    folder = person_folder(tmp_path, [person(), crowd, mark(category=2)])
    dog = {"id": 2, "name": "dog"}
    change(folder / "person_keypoints.json", lambda values: values["categories"].append(dog))
    samples = coco_keypoints(folder, per="image")
    assert samples.names == ("person",)
    assert [len(entry.boxes) for entry in samples.entries] == [1, 0]
    assert [item.what for item in samples.problems.noted] == [
        "1 boxes left out: no class 'dog'; there are: person"
    ]
    change(
        folder / "person_keypoints.json", lambda values: values["annotations"][0].pop("keypoints")
    )
    with pytest.raises(DataError, match=r"1 of 2 pictures cannot be used.*it lacks 'keypoints'"):
        coco_keypoints(folder, per="image")


@pytest.mark.parametrize("wrong", [{"per": "hand"}, {"pad": 0.5}], ids=str)
def test_wrong_choices_are_refused(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(ValueError, match="got"):
        coco_keypoints(person_folder(tmp_path, [person()]), **wrong)


def test_boxes_of_one_class_are_read(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    entry = {"file": "a.png", "width": 60, "height": 40, "boxes_xyxy": [[1, 2, 30, 20]]}
    (tmp_path / "boxes.json").write_text(json.dumps([entry]), encoding="utf-8")
    samples = boxes(tmp_path)
    assert samples.names == ("face",)
    assert samples[0].boxes.tolist() == [[1, 2, 30, 20]]
    assert samples[0].classes.tolist() == [0]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"width": 500, "height": 500}, "a picture of 500x500, it has 60x40"),
        ({"boxes_xyxy": []}, "wanted boxes of 'face', got none"),
    ],
    ids=["another size", "no box"],
)
def test_boxes_have_to_be_of_the_picture(tmp_path: Path, entry: dict, message: str) -> None:
    picture(tmp_path / "images" / "a.png")
    good = {"file": "a.png", "width": 60, "height": 40, "boxes_xyxy": [[1, 2, 30, 20]]}
    (tmp_path / "boxes.json").write_text(json.dumps([good | entry]), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        boxes(tmp_path)


@pytest.mark.data
@pytest.mark.slow
def test_the_photographs_of_coco_are_read(data: Path) -> None:
    samples = coco_instances(data / "coco_train", only=("person",))
    assert len(samples) == 1552
    assert not samples.problems.skipped
    people = coco_keypoints(data / "coco_train")
    assert len(people) == 3118
    assert all((people[i].keypoints[..., 2] > 0).sum() >= 5 for i in range(0, 3118, 100))
