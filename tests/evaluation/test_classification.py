from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import picture

import edgecv
from edgecv import datasets
from edgecv.errors import DataError, SpecError
from edgecv.evaluation import classification
from edgecv.model import Model
from edgecv.results import Classes
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession
from edgecv.types import Size

F = np.float32
LABELS = ("tench, Tinca tinca", "Cat", "dog", "crane", "kite", "crane", "bus")


def answers(*class_ids: int) -> Classes:
    return Classes(
        frame=Size(4, 4),
        class_ids=np.array(class_ids, np.int64),
        scores=np.linspace(0.9, 0.1, len(class_ids)).astype(F),
        labels=LABELS,
    )


def test_a_perfect_classifier_has_every_figure_of_one() -> None:
    result = classification.measure(["cat", "dog"], [answers(1, 2), answers(2, 1)])
    assert result.figures == {"top1": 1.0, "top5": 1.0}
    assert result.per_class == {"cat": 1.0, "dog": 1.0}
    np.testing.assert_array_equal(result.confusion, [[1, 0, 0], [0, 1, 0]])


def test_the_figures_are_those_worked_by_hand() -> None:
    found = [
        answers(1),
        answers(6, 4, 2, 0, 1),
        answers(2, 1),
        answers(1, 2),
        answers(6),
        answers(),
    ]
    result = classification.measure(["cat", "cat", "cat", "dog", "dog", "dog"], found)
    assert result.rank.tolist() == [0, 4, 1, 1, -1, -1]
    assert result.figures == {"top1": pytest.approx(1 / 6), "top5": pytest.approx(4 / 6)}
    assert result.per_class == {"cat": pytest.approx(1 / 3), "dog": 0.0}
    np.testing.assert_array_equal(result.confusion, [[1, 1, 1], [1, 0, 2]])
    assert result.classes == ("cat", "dog")


def test_an_answer_after_the_fifth_does_not_count() -> None:
    result = classification.measure(["cat"], [answers(6, 4, 2, 0, 3, 1)])
    assert result.figures == {"top1": 0.0, "top5": 0.0}


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("CAT", {1}),
        ("tench", {0}),
        ("tench, tinca tinca", {0}),
        ("crane", {3, 5}),
    ],
    ids=["case", "first synonym", "all synonyms", "two classes of one name"],
)
def test_names_fit_labels(name: str, ids: set[int]) -> None:
    assert classification.class_ids(LABELS, [name]) == {name: ids}


def test_names_that_fit_no_label_are_listed() -> None:
    with pytest.raises(
        DataError, match="no class for 2 of 3 class folders: rose, tulip; it knows 7"
    ):
        classification.class_ids(LABELS, ["tulip", "cat", "rose"])


def test_the_resampled_figure_is_that_of_the_pictures_drawn() -> None:
    result = classification.measure(["cat", "dog"], [answers(1), answers(1)])
    assert result.resample(np.ones(2)) == 0.5
    assert result.resample(np.array([3, 1])) == 0.75


def test_no_pictures_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        classification.measure([], [])


def fake_model(**spec: Any) -> Model:
    """A classifier that is never quite sure of a cat, and then thinks of a dog."""
    outputs = {"scores": np.array([[0.0, 0.4, 0.3, 0.0, 0.0, 0.0, 0.0]], F)}
    fields = {"task": "classification", "decoder": "classifier", "labels": LABELS, "score": 0.5}
    return Model(FakeSession(outputs), ModelSpec("fake", **{**fields, **spec}))


def test_a_model_is_run_on_every_picture_below_its_own_threshold(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png"):
        picture(tmp_path / name)
    result = classification.evaluate(fake_model(), datasets.read_classes(tmp_path))
    assert result.figures == {"top1": pytest.approx(2 / 3), "top5": 1.0}


def test_a_limit_keeps_all_classes_that_the_model_has_to_know(tmp_path: Path) -> None:
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "rose/1.png"):
        picture(tmp_path / name)
    with pytest.raises(DataError, match="rose"):
        classification.evaluate(fake_model(), datasets.read_classes(tmp_path), limit=1)


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    with pytest.raises(SpecError, match="wanted one for classification"):
        classification.evaluate(fake_model(task="detection"), datasets.read_classes(tmp_path))


@pytest.mark.zoo
@pytest.mark.data
def test_folders_that_a_public_model_does_not_know_are_named(zoo: Path, data: Path) -> None:
    with (
        edgecv.load("mobilenet_v1_0.25_224_int8") as model,
        pytest.raises(DataError, match="no class for 4 of 5 class folders: dandelion, rose"),
    ):
        classification.evaluate(model, datasets.read_classes(data / "flowers_eval"))


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
def test_a_public_model_knows_many_daisies_even_in_tiny_pictures(zoo: Path, data: Path) -> None:
    daisies = [i for i in datasets.read_classes(data / "flowers_eval") if i.label == "daisy"]
    with edgecv.load("mobilenet_v2_1.0_224_int8") as model:
        result = classification.evaluate(model, daisies)
    assert result.figures["top5"] > 0.35
