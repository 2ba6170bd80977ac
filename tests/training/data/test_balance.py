from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest
from coco_folder import write

from edgecv.training.data.balance import balanced, repeats
from edgecv.training.data.coco import coco_instances
from edgecv.training.data.folders import class_folders
from edgecv.training.errors import RecipeError
from edgecv.training.recipe import recipe_from_dict
from edgecv.training.tasks.sets import open_sets, repeated


def ids(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_a_picture_is_repeated_by_its_rarest_class() -> None:
    # Class 0 is in four of four pictures, class 1 in two of them, class 2 in one.
    often = repeats([ids(0), ids(0), ids(0, 1), ids(0, 1, 2)], 1.0)
    assert often == pytest.approx([1, 1, 2**0.5, 2])
    assert repeats([ids(0), ids(0), ids(0, 1), ids(0, 1, 2)], 0.25) == pytest.approx(1)


def test_a_picture_without_a_class_is_there_once() -> None:
    assert repeats([ids(), ids(3)], 1.0) == pytest.approx([1, 2**0.5])
    assert repeats([ids(), ids()], 1.0) == pytest.approx(1)


@pytest.fixture
def folder(tmp_path):
    for name, count in (("many", 16), ("few", 2)):
        (tmp_path / name).mkdir()
        for i in range(count):
            image = np.full((8, 8, 3), len(name) * 10 + i, np.uint8)
            cv2.imwrite(str(tmp_path / name / f"{i}.png"), image)
    return tmp_path


@pytest.fixture
def folders(folder):
    return class_folders(folder)


def recipe_of(folder, task: str):
    data = {"train": str(folder), "val": str(folder), "balance": 1.0}
    return recipe_from_dict({"task": task, "model": {"name": "mobilenet_v2"}, "data": data})


def test_pictures_of_a_rare_class_are_seen_more_often(folders) -> None:
    made = balanced(folders, 1.0)
    names = Counter(made.names[made[i].label] for i in range(len(made)))
    assert 5 <= names["few"] <= 7  # the square root of 18 / 2, twice
    assert 16 <= names["many"] <= 18  # 1.06 times
    assert {made[i].source for i in range(len(made))} == {
        folders[i].source for i in range(len(folders))
    }


def test_the_same_seed_repeats_the_same_pictures(folders) -> None:
    made = [[s.source for s in map(balanced(folders, 0.9, seed=n).__getitem__, range(18))]
            for n in (1, 1)]  # fmt: skip
    assert made[0] == made[1]


def test_nothing_is_repeated_unless_it_is_wanted(folders) -> None:
    assert balanced(folders, 0.0) is folders


def test_a_recipe_repeats_what_is_learnt_and_not_what_is_measured(folder) -> None:
    recipe = recipe_of(folder, "classify")
    train, val = open_sets(recipe)
    assert len(train) == len(val) == 18
    assert len(repeated(recipe, train)) > 18
    assert recipe_from_dict(recipe.to_dict()) == recipe


def test_a_task_without_classes_has_nothing_to_balance(folder) -> None:
    with pytest.raises(RecipeError, match="is for classify and detect: pose has no rare classes"):
        open_sets(recipe_of(folder, "pose"))


def test_boxes_count_as_classes(tmp_path) -> None:
    samples = coco_instances(write(tmp_path / "coco"))
    made = balanced(samples, 1.0)
    assert len(made) >= len(samples)
    assert made.names == samples.names
