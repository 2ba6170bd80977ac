from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from labelled import picture

from edgecv.errors import DataError, SpecError
from edgecv.evaluation.loop import at_score, check_task, pictures
from edgecv.model import Model
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession
from edgecv.types import Size

OUTPUTS = {"scores": np.array([[0.7, 0.2, 0.1]], np.float32)}


def classifier() -> Model:
    spec = ModelSpec("fake", "classification", "classifier", score=0.5)
    return Model(FakeSession(OUTPUTS), spec)


def test_another_score_leaves_the_model_as_it_was() -> None:
    model = classifier()
    low = at_score(model, 0.0)
    image = np.zeros((4, 4, 3), np.uint8)
    assert (len(low(image)), len(model(image))) == (3, 1)
    assert model.spec.score == 0.5


def test_a_model_of_another_task_is_refused() -> None:
    with pytest.raises(SpecError, match="fake is a model for classification; wanted one for pose"):
        check_task(classifier(), "pose")


def test_pictures_are_reported_as_they_are_dealt_with(tmp_path: Path) -> None:
    files = [picture(tmp_path / f"{i}.png", byte=i) for i in range(2)]
    seen: list[object] = []
    for image in pictures(files, lambda done, total: seen.append((done, total))):
        seen.append(int(image[0, 0, 0]))
    assert seen == [(0, 2), 0, (1, 2), 1, (2, 2)]


def test_a_picture_of_another_size_than_its_labels_is_refused(tmp_path: Path) -> None:
    files = [picture(tmp_path / "a.png", 40, 60)]
    with pytest.raises(DataError, match="is 60x40, but its labels are for 40x60"):
        list(pictures(files, None, sizes=[Size(60, 40)]))
