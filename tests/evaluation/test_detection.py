from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import coco_folder

import edgecv
from edgecv import datasets
from edgecv.datasets import CocoData, CocoImage
from edgecv.errors import DataError, PackageMissingError, SpecError, UnknownNameError
from edgecv.evaluation import detection
from edgecv.labels import COCO_90
from edgecv.model import Model
from edgecv.results import Detections
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession
from edgecv.types import Size

F = np.float32
LABELS = ("n/a", "Dog ", "cat", "unicorn")
CATEGORIES = {3: "cat", 7: "dog"}
SIZE = Size(400, 600)


def labels_of(*objects: tuple[int, list[float]], crowd: bool = False) -> CocoImage:
    boxes = np.array([box for _, box in objects], F).reshape(-1, 4)
    return CocoImage(
        file=Path("nowhere.png"),
        size=SIZE,
        boxes=boxes,
        category_ids=np.array([category for category, _ in objects], np.int64),
        areas=(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
        crowd=np.full(len(objects), crowd),
        keypoints=np.zeros((len(objects), 0, 3), F),
    )


def found(*objects: tuple[int, list[float], float]) -> Detections:
    return Detections(
        frame=SIZE,
        boxes=np.array([box for _, box, _ in objects], F).reshape(-1, 4),
        scores=np.array([score for _, _, score in objects], F),
        class_ids=np.array([class_id for class_id, _, _ in objects], np.int64),
        labels=LABELS,
    )


CAT = [0.0, 0.0, 200.0, 100.0]
DOG = [300.0, 0.0, 400.0, 100.0]
DATA = CocoData((labels_of((3, CAT), (7, DOG)), labels_of()), CATEGORIES)


def test_a_perfect_detector_has_every_figure_of_one() -> None:
    result = detection.measure(DATA, [found((2, CAT, 0.9), (1, DOG, 0.8)), found()])
    assert result.figures["AP"] == pytest.approx(1.0)
    assert result.figures["AR100"] == pytest.approx(1.0)
    assert np.isnan(result.figures["APs"])
    assert result.per_class == {"cat": pytest.approx(1.0), "dog": pytest.approx(1.0)}
    assert (result.images, len(result), result.unknown) == (2, 2, ())


def test_a_detector_that_finds_nothing_has_figures_of_zero() -> None:
    result = detection.measure(DATA, [found(), found()])
    assert (result.figures["AP"], result.figures["AR100"]) == (0.0, 0.0)


def test_an_overlap_counts_at_the_thresholds_that_it_reaches() -> None:
    # IoU 0.62 passes 0.5, 0.55 and 0.6 of the ten thresholds; the dog is not found.
    result = detection.measure(DATA, [found((2, [0, 0, 124, 100], 0.9)), found()])
    assert result.per_class == {"cat": pytest.approx(0.3), "dog": 0.0}
    assert result.figures["AP"] == pytest.approx(0.15)
    assert result.figures["AP50"] == pytest.approx(0.5)
    assert result.figures["AP75"] == 0.0


def test_a_false_detection_on_another_picture_counts() -> None:
    cats = replace(DATA, images=(labels_of((3, CAT)), labels_of()))
    result = detection.measure(cats, [found((2, CAT, 0.5)), found((2, CAT, 0.9))])
    assert result.figures["AP"] == pytest.approx(0.5)


def test_a_crowd_is_neither_missed_nor_a_mistake() -> None:
    crowd = labels_of((3, CAT), crowd=True)
    cats = replace(DATA, images=(labels_of((3, CAT)), crowd))
    result = detection.measure(cats, [found((2, CAT, 0.5)), found((2, CAT, 0.9))])
    assert result.figures["AP"] == pytest.approx(1.0)


def test_classes_that_the_data_do_not_know_count_for_nothing() -> None:
    perfect = [found((3, CAT, 0.99), (2, CAT, 0.9), (1, DOG, 0.8)), found((0, CAT, 0.99))]
    assert detection.measure(DATA, perfect).figures["AP"] == pytest.approx(1.0)


def test_chosen_classes_count_alone() -> None:
    result = detection.measure(DATA, [found((2, CAT, 0.9)), found()], classes=["cat"])
    assert result.figures["AP"] == pytest.approx(1.0)
    assert list(result.per_class) == ["cat"]


def test_a_class_that_the_model_does_not_know_counts_as_zero_and_is_named() -> None:
    only_cats = replace(found((0, CAT, 0.9)), labels=("cat",))
    result = detection.measure(DATA, [only_cats, only_cats[:0]])
    assert result.figures["AP"] == pytest.approx(0.5)
    assert result.figures["AP_known"] == pytest.approx(1.0)
    assert result.figures["AP50_known"] == pytest.approx(1.0)
    assert result.unknown == ("dog",)
    assert "AP_known" not in detection.measure(DATA, [found(), found()]).figures


def test_classes_are_matched_by_name_and_by_the_names_of_pascal() -> None:
    data = CocoData((labels_of(),), {1: "person", 5: "airplane", 63: "Sofa"})
    assert detection.categories_of(COCO_90, data) == {0: 1, 4: 5, 62: 63}
    assert detection.categories_of(("aeroplane", "sofa"), data) == {0: 5, 1: 63}


def test_a_model_without_a_class_of_the_data_is_refused() -> None:
    with pytest.raises(DataError, match="knows unicorn; the data know cat, dog"):
        detection.categories_of(("n/a", "unicorn"), DATA)


def test_an_unknown_class_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cat'"):
        detection.measure(DATA, [found(), found()], classes=["cats"])


def test_too_few_results_are_refused() -> None:
    with pytest.raises(ValueError, match="1 answers for 2 pictures"):
        detection.measure(DATA, [found()])


def random_case(seed: int) -> tuple[CocoData, list[Detections]]:
    rng = np.random.default_rng(seed)
    images, results = [], []
    for _ in range(8):
        corners = rng.uniform(0, 300, (6, 2))
        boxes = np.concatenate((corners, corners + rng.uniform(10, 100, (6, 2))), axis=1)
        classes = rng.integers(1, 3, 6)
        images.append(labels_of(*[((7, 3)[c - 1], b) for c, b in zip(classes, boxes, strict=True)]))
        near = boxes + rng.normal(0, 6, boxes.shape)
        scores = np.sort(rng.random(6))[::-1]
        results.append(found(*zip(classes, near.tolist(), scores, strict=True)))
    return CocoData(tuple(images), CATEGORIES), results


def test_the_resampled_figure_of_every_picture_once_is_that_of_pycocotools() -> None:
    data, results = random_case(0)
    result = detection.measure(data, results)
    assert 0.1 < result.figures["AP"] < 0.9
    assert result.resample(np.ones(8)) == pytest.approx(result.figures["AP"], abs=1e-12)


def test_the_resampled_figure_is_that_of_the_pictures_drawn() -> None:
    data, results = random_case(1)
    drawn = np.random.default_rng(2).integers(0, 8, 8)
    copies = replace(data, images=tuple(data.images[i] for i in drawn))
    expected = detection.measure(copies, [results[i] for i in drawn]).figures["AP"]
    counts = np.bincount(drawn, minlength=8)
    assert detection.measure(data, results).resample(counts) == pytest.approx(expected, abs=1e-9)


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    detection.measure(DATA, [found(), found()])
    assert capsys.readouterr() == ("", "")


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    with pytest.raises(PackageMissingError, match=r"pip install 'edgecv\[eval\]'"):
        detection.measure(DATA, [found(), found()])


def fake_model(scores: list[float], **spec: Any) -> Model:
    """A detector that sees a cat and a dog in every picture of 400x600."""
    yxyx = np.array([CAT, DOG], F)[:, [1, 0, 3, 2]] / np.array([*SIZE, *SIZE], F)
    outputs = {
        "boxes": yxyx[None], "classes": np.array([[2, 1]], F),
        "scores": np.array([scores], F), "count": np.array([2], F),
    }  # fmt: skip
    fields = {"task": "detection", "decoder": "ssd_postprocess", "labels": LABELS, "score": 0.5}
    return Model(FakeSession(outputs), ModelSpec("fake", **{**fields, **spec}))


def folder(tmp_path: Path, images: int = 2) -> CocoData:
    objects = [
        {"image_id": 10 + i, "category_id": c, "bbox": b, "area": b[2] * b[3], "iscrowd": 0}
        for i in range(images)
        for c, b in ((3, [0, 0, 200, 100]), (7, [300, 0, 100, 100]))
    ]
    return datasets.read_objects(coco_folder(tmp_path, objects, images=images))


def test_a_model_is_run_on_every_picture_below_its_own_threshold(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = detection.evaluate(
        fake_model([0.9, 0.01]), folder(tmp_path), report=lambda *done: seen.append(done)
    )
    assert result.figures["AP"] == pytest.approx(1.0)
    assert [len(one) for one in result.detections] == [2, 2]
    assert seen == [(0, 2), (1, 2), (2, 2)]


def test_a_limit_takes_fewer_pictures(tmp_path: Path) -> None:
    result = detection.evaluate(fake_model([0.9, 0.8]), folder(tmp_path, images=5), limit=2)
    assert (result.images, len(result)) == (2, 2)


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    model = fake_model([0.9, 0.8], task="pose")
    with pytest.raises(SpecError, match="is a model for pose; wanted one for detection"):
        detection.evaluate(model, folder(tmp_path))


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"), [("ssd_mobilenet_v1_coco_int8", 0.179), ("yolox_nano_416", 0.255)]
)
def test_public_models_have_their_known_figures(
    zoo: Path, data: Path, name: str, expected: float
) -> None:
    with edgecv.load(name) as model:
        result = detection.evaluate(model, datasets.read_objects(data / "coco_eval"))
    assert result.figures["AP"] == pytest.approx(expected, abs=0.01)
    assert result.resample(np.ones(200)) == pytest.approx(result.figures["AP"], abs=1e-9)
