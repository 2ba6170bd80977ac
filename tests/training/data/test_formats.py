from __future__ import annotations

from pathlib import Path

import pytest
from labelled import coco_folder, person_folder, picture

from edgecv.errors import DataError, UnknownNameError
from edgecv.training.data.formats import BY_TASK, FORMATS, detect_format, open_samples
from edgecv.training.errors import RecipeError

MARK = {"id": 1, "image_id": 10, "category_id": 3, "bbox": [1, 2, 30, 40]}


def classes(folder: Path) -> Path:
    picture(folder / "a" / "0.png", byte=1)
    picture(folder / "b" / "0.png", byte=2)
    return folder


def masked(folder: Path) -> Path:
    picture(folder / "images" / "0.png")
    (folder / "masks").mkdir()
    return folder


def xml(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.xml").write_text("<annotation/>")
    return folder


LOOKS = {
    "coco_instances": (lambda f: coco_folder(f, [MARK]), "detect"),
    "coco_keypoints": (lambda f: person_folder(f, []), "pose"),
    "class_folders": (classes, "classify"),
    "identities": (classes, "face"),
    "masks": (masked, "segment"),
    "voc": (xml, "detect"),
}


@pytest.mark.parametrize("name", LOOKS)
def test_the_format_of_a_folder_is_found(tmp_path: Path, name: str) -> None:
    write, task = LOOKS[name]
    assert detect_format(write(tmp_path), task=task) == name


@pytest.mark.parametrize("name", [n for n in LOOKS if n != "identities"])
def test_the_format_is_found_without_a_task(tmp_path: Path, name: str) -> None:
    assert detect_format(LOOKS[name][0](tmp_path)) == name


FILES = [
    ("coco_instances", "detect", "coco_instances"),
    ("coco_instances", None, "coco_instances"),
    ("coco_keypoints", "pose", "coco_keypoints"),
    ("coco_keypoints", "detect", "coco_instances"),
    ("coco_keypoints", None, "coco_keypoints"),
]


@pytest.mark.parametrize(("written", "task", "found"), FILES, ids=str)
def test_a_file_in_the_layout_of_coco_is_known_by_what_it_holds(
    tmp_path: Path, written: str, task: str | None, found: str
) -> None:
    folder = LOOKS[written][0](tmp_path / "annotations")
    (folder / "images").rename(tmp_path / "train2017")
    file = next(folder.glob("*.json")).rename(folder / "some_train2017.json")
    assert detect_format(file, task=task) == found
    if written == "coco_instances":
        assert len(open_samples(file, task=task)) == 2


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    file = next(coco_folder(tmp_path, [MARK]).glob("*.json"))
    with pytest.raises(DataError, match=r"is none of these\. It looks like coco_instances, which"):
        detect_format(file, task="pose")
    file.write_text('{"images": [1]}')
    with pytest.raises(DataError, match=r"is none of these\. Looked for"):
        detect_format(file, task="detect")


def test_every_format_has_a_reader_and_every_task_a_format() -> None:
    assert all(callable(FORMATS.load(name)) for name in FORMATS)
    assert {name for names in BY_TASK.values() for name in names} == set(FORMATS)


def test_the_wrong_format_says_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        open_samples(classes(tmp_path), task="detect")
    text = str(error.value)
    for part in ("looks like class_folders", "instances.json", "Pascal VOC", "boxes.json"):
        assert part in text


@pytest.mark.parametrize(("name", "what"), [("", "is none of these"), ("x", "does not exist")])
def test_an_empty_folder_is_refused(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(DataError, match=f"{what}. Looked for"):
        open_samples(tmp_path / name, task="classify")


def test_options_go_to_the_reader_and_unknown_ones_are_named(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path, [MARK])
    assert open_samples(folder, options={"only": ("cat",)}).names == ("cat",)
    with pytest.raises(UnknownNameError, match="no option of the format 'coco_instances' 'onyl'"):
        open_samples(folder, options={"onyl": ("cat",)})


OPTIONS = [
    ("identities", {"min_pictures": "abc"}, "'min_pictures' of .* is a whole number, got 'abc'"),
    ("identities", {"min_pictures": True}, "is a whole number, got True"),
    ("identities", {"min_pictures": 0}, "min_pictures counts from 1, got 0"),
    ("coco_keypoints", {"pad": 0.5}, r"pad is 1 or more times the box, got 0\.5"),
    ("coco_keypoints", {"pad": "wide"}, "'pad' of .* is a number, got 'wide'"),
    ("coco_instances", {"only": "cat"}, "'only' of .* is a list of names, got 'cat'"),
    ("coco_instances", {"only": [1]}, r"is a list of names, got \[1\]"),
    ("voc", {"difficult": 1}, "is true or false, got 1"),
]


@pytest.mark.parametrize(("format", "options", "message"), OPTIONS, ids=str)
def test_wrong_values_of_options_are_refused(
    tmp_path: Path, format: str, options: dict, message: str
) -> None:
    folder = LOOKS[format][0](tmp_path)
    with pytest.raises(RecipeError, match=message):
        open_samples(folder, format, options=options)


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="its list 'annotations' is empty"):
        open_samples(person_folder(tmp_path, []), options={"pad": 2})


def test_a_format_that_the_task_does_not_take_is_refused(tmp_path: Path) -> None:
    folder = coco_folder(tmp_path, [MARK])
    message = "the task 'classify' takes the format class_folders, got 'coco_instances'"
    with pytest.raises(RecipeError, match=message):
        open_samples(folder, "coco_instances", task="classify")
    assert len(open_samples(folder, "coco_instances", task="detect")) == 2


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'masks'"):
        open_samples(tmp_path, "mask")
    with pytest.raises(UnknownNameError, match="did you mean 'classify'"):
        open_samples(tmp_path, task="clasify")
