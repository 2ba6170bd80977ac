from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import picture

import edgecv
from edgecv import datasets
from edgecv.datasets import BoxedImage
from edgecv.errors import SpecError
from edgecv.evaluation import face_detection
from edgecv.model import Model
from edgecv.results import Faces
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession
from edgecv.types import Size

F = np.float32
SIZE = Size(100, 100)
LEFT, RIGHT = [0.0, 0.0, 10.0, 10.0], [50.0, 0.0, 60.0, 10.0]
LOOSE = [0.0, 0.0, 10.0, 4.5]  # IoU .45 with LEFT
AWAY = [80.0, 80.0, 90.0, 90.0]


def labels_of(*boxes: list[float]) -> BoxedImage:
    return BoxedImage(Path("nowhere.png"), SIZE, np.array(boxes, F).reshape(-1, 4))


def found(*faces: tuple[list[float], float]) -> Faces:
    return Faces(
        frame=SIZE,
        boxes=np.array([box for box, _ in faces], F).reshape(-1, 4),
        scores=np.array([score for _, score in faces], F),
        landmarks=np.zeros((len(faces), 0, 2), F),
    )


def test_a_perfect_detector_has_every_figure_of_one() -> None:
    data = [labels_of(LEFT, RIGHT), labels_of()]
    result = face_detection.measure(data, [found((LEFT, 0.9), (RIGHT, 0.8)), found()], score=0.5)
    rates = {name: value for name, value in result.figures.items() if name != "faces"}
    assert set(rates.values()) == {1.0}
    assert (result.figures["faces"], result.images, len(result)) == (2, 2, 2)


def test_the_figures_are_those_worked_by_hand() -> None:
    # By falling score: hit, miss, hit, miss, miss; 4 faces, 2 pictures.
    data = [labels_of(LEFT, RIGHT), labels_of(LEFT, RIGHT)]
    results = [
        found((LEFT, 0.9), (AWAY, 0.8), (AWAY, 0.3)),
        found((RIGHT, 0.7), (AWAY, 0.6)),
    ]
    figures = face_detection.measure(data, results, score=0.65).figures
    assert figures["ap"] == pytest.approx((1 + 2 / 3) / 4)
    assert figures["recall"] == pytest.approx(2 / 4)
    assert figures["precision"] == pytest.approx(2 / 3)
    assert figures["recall@1fppi"] == pytest.approx(2 / 4)


def test_a_looser_box_counts_at_the_looser_overlap() -> None:
    figures = face_detection.measure([labels_of(LEFT)], [found((LOOSE, 0.9))], score=0.5).figures
    assert (figures["ap"], figures["ap40"], figures["recall"]) == (0.0, 1.0, 1.0)


def test_recall_stops_at_as_many_false_faces_as_pictures() -> None:
    results = [found((AWAY, 0.9), (LEFT, 0.8), ([70, 0, 75, 5], 0.7), (RIGHT, 0.6))]
    figures = face_detection.measure([labels_of(LEFT, RIGHT)], results, score=0.0).figures
    assert figures["recall@1fppi"] == pytest.approx(0.5)


def test_data_without_faces_have_no_figure() -> None:
    figures = face_detection.measure([labels_of()], [found()], score=0.5).figures
    assert all(np.isnan(figures[name]) for name in ("ap", "recall", "precision", "recall@1fppi"))


def test_the_resampled_figure_is_that_of_the_pictures_drawn() -> None:
    data = [labels_of(LEFT), labels_of(RIGHT), labels_of(LEFT, RIGHT)]
    results = [found((AWAY, 0.95), (LEFT, 0.5)), found((RIGHT, 0.7)), found((LEFT, 0.9))]
    result = face_detection.measure(data, results, score=0.5)
    assert result.resample(np.ones(3)) == pytest.approx(result.figures["ap"])
    drawn = [0, 2, 2]
    expected = face_detection.measure(
        [data[i] for i in drawn], [results[i] for i in drawn], score=0.5
    )
    assert result.resample(np.array([1, 0, 2])) == pytest.approx(expected.figures["ap"])


def fake_model(**spec: Any) -> Model:
    """A detector that sees a sure face on the left and an unsure one on the right."""
    rows = [[0, 1, 0.9, 0, 0, 0.1, 0.1], [0, 1, 0.2, 0.5, 0, 0.6, 0.1], [-1, 0, 0, 0, 0, 0, 0]]
    fields = {"task": "face_detection", "decoder": "detection_output", "score": 0.5}
    outputs = {"rows": np.array(rows, F).reshape(1, 1, 3, 7)}
    return Model(FakeSession(outputs), ModelSpec("fake", **{**fields, **spec}))


def folder(tmp_path: Path) -> tuple[BoxedImage, ...]:
    picture(tmp_path / "images" / "a.png", *SIZE)
    entry = {"file": "a.png", "height": 100, "width": 100, "boxes_xyxy": [LEFT, RIGHT]}
    (tmp_path / "boxes.json").write_text(json.dumps([entry]))
    return datasets.read_boxes(tmp_path)


def test_recall_is_at_the_model_s_own_threshold_and_precision_below_it(tmp_path: Path) -> None:
    result = face_detection.evaluate(fake_model(), folder(tmp_path))
    assert result.figures["ap"] == pytest.approx(1.0)
    assert result.figures["recall"] == pytest.approx(0.5)
    assert len(result.faces[0]) == 2


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="wanted one for face_detection"):
        face_detection.evaluate(fake_model(task="detection", labels=("face",)), folder(tmp_path))


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("yunet_n_320", 0.94),
        ("face-detection-retail-0004_int8", 0.88),
        ("ulffd_landmark", 0.85),
        ("blazeface_short_range", 0.7),
    ],
)
def test_public_models_find_most_faces(zoo: Path, data: Path, name: str, least: float) -> None:
    with edgecv.load(name) as model:
        result = face_detection.evaluate(model, datasets.read_boxes(data / "fddb_eval"))
    assert result.figures["ap"] > least
