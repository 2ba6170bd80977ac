from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import person_folder

import edgecv
from edgecv import datasets
from edgecv.datasets import CocoData, CocoImage
from edgecv.errors import DataError, SpecError
from edgecv.evaluation import pose
from edgecv.labels import COCO_17
from edgecv.model import Model
from edgecv.results import Poses
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession
from edgecv.types import Size

F = np.float32
SIZE = Size(400, 600)
AREA = 10_000.0
BODY = np.stack((np.linspace(110, 190, 17), np.linspace(60, 140, 17)), axis=1).astype(F)


def person(shift: float = 0.0, *, marked: int = 17) -> np.ndarray:
    """Somebody 100 pixels wide and high, of whom so many keypoints are marked."""
    visible = np.where(np.arange(17) < marked, 2.0, 0.0)[:, None]
    return np.concatenate((BODY + F(shift), visible), axis=1).astype(F) * (visible > 0)


def labels_of(*people: np.ndarray, crowd: tuple[bool, ...] = ()) -> CocoImage:
    count = len(people)
    return CocoImage(
        file=Path("nowhere.png"),
        size=SIZE,
        boxes=np.tile(np.array([[100, 50, 200, 150]], F), (count, 1)),
        category_ids=np.ones(count, np.int64),
        areas=np.full(count, AREA, F),
        crowd=np.array(crowd or (False,) * count, bool),
        keypoints=np.array(people, F).reshape(count, 17, 3),
    )


def data_of(*images: CocoImage) -> CocoData:
    return CocoData(images, {1: "person"}, COCO_17)


def found(*people: np.ndarray, scores: tuple[float, ...] = ()) -> Poses:
    count = len(people)
    points = np.array(people, F).reshape(count, 17, 2)
    return Poses(
        frame=SIZE,
        scores=np.array(scores or (0.9,) * count, F),
        boxes=np.zeros((count, 4), F),
        keypoints=points,
        keypoint_scores=np.ones((count, 17), F),
        names=COCO_17,
    )


def test_keypoints_in_their_places_are_as_similar_as_can_be() -> None:
    table = pose.oks(BODY[None], person()[None], np.array([AREA], F))
    np.testing.assert_allclose(table, [[1.0]])


def test_similarity_falls_with_distance_by_the_formula_of_coco() -> None:
    # Moved by two sigmas of the person's size, every keypoint's term is exp(-1 / 2).
    sigma = np.array(pose.SIGMAS) * np.sqrt(AREA)
    moved = BODY + np.stack((2 * sigma, np.zeros(17)), axis=1).astype(F)
    table = pose.oks(moved[None], person()[None], np.array([AREA], F))
    np.testing.assert_allclose(table, [[np.exp(-0.5)]], rtol=1e-5)


def test_keypoints_that_are_not_marked_do_not_count() -> None:
    wrong = BODY.copy()
    wrong[5:] += 1000
    wrong[0] += 1000
    table = pose.oks(wrong[None], person(marked=5)[None], np.array([AREA], F))
    np.testing.assert_allclose(table, [[0.8]])


def test_similarity_is_that_of_pycocotools() -> None:
    from pycocotools.cocoeval import COCOeval

    rng = np.random.default_rng(0)
    truth = np.stack([person(marked=n) for n in (17, 9, 3)])
    guesses = BODY + rng.normal(0, 5, (4, 17, 2)).astype(F)
    areas = np.array([10_000, 900, 5000], F)
    run = COCOeval(iouType="keypoints")
    run._gts[0, 0] = [
        {"keypoints": k.reshape(-1).tolist(), "area": float(a), "bbox": [0, 0, 9, 9]}
        for k, a in zip(truth, areas, strict=True)
    ]
    run._dts[0, 0] = [
        {"keypoints": np.insert(k, 2, 1, axis=1).reshape(-1).tolist(), "score": 1 - i / 10}
        for i, k in enumerate(guesses)
    ]
    np.testing.assert_allclose(pose.oks(guesses, truth, areas), run.computeOks(0, 0), rtol=1e-9)


def test_a_perfect_model_has_every_figure_of_one() -> None:
    data = data_of(labels_of(person(), person(20)), labels_of())
    result = pose.measure(data, [found(BODY, BODY + 20), found()], one_each=True)
    for name in ("mean_oks", "mean_oks_all", "oks_ap", "oks_ap50", "oks_ar"):
        assert result.figures[name] == pytest.approx(1.0), name
    assert (result.figures["people"], result.images, len(result)) == (2, 2, 2)


def test_the_result_of_one_person_is_measured_on_that_person() -> None:
    data = data_of(labels_of(person(), person(200)))
    swapped = [found(BODY + 200, BODY)]
    assert pose.measure(data, swapped, one_each=True).figures["mean_oks"] < 1e-6
    assert pose.measure(data, swapped, one_each=False).figures["mean_oks"] == pytest.approx(1.0)


def test_somebody_whom_nobody_found_counts_as_zero() -> None:
    data = data_of(labels_of(person(), person(200)), labels_of(person()))
    result = pose.measure(data, [found(BODY), found()], one_each=False)
    assert result.figures["mean_oks"] == pytest.approx(1 / 3)


def test_who_is_hardly_in_the_picture_counts_for_average_precision_only() -> None:
    data = data_of(labels_of(person(), person(200, marked=pose.LEAST_KEYPOINTS - 1)))
    result = pose.measure(data, [found(BODY, BODY)], one_each=True)
    assert result.figures["mean_oks"] == pytest.approx(1.0)
    assert result.figures["mean_oks_all"] == pytest.approx(0.5)
    assert result.figures["oks_ap"] < 0.6


def test_crowds_and_people_without_keypoints_are_asked_nothing() -> None:
    image = labels_of(person(), person(), person(marked=0), crowd=(True, False, False))
    np.testing.assert_array_equal(pose.labelled(image), [1])


def test_keypoints_are_matched_by_name() -> None:
    turned = replace(found(BODY[::-1]), names=COCO_17[::-1])
    result = pose.measure(data_of(labels_of(person())), [turned], one_each=True)
    assert result.figures["mean_oks"] == pytest.approx(1.0)


def test_results_without_some_keypoints_are_refused() -> None:
    unnamed = replace(found(BODY), names=("nose",) * 17)
    with pytest.raises(DataError, match="the result lacks left_eye, right_eye"):
        pose.measure(data_of(labels_of(person())), [unnamed], one_each=True)


def test_more_results_than_people_are_refused() -> None:
    with pytest.raises(ValueError, match="2 poses for 1 people"):
        pose.measure(data_of(labels_of(person())), [found(BODY, BODY)], one_each=True)


def test_data_without_people_have_no_figure() -> None:
    result = pose.measure(data_of(labels_of()), [found()], one_each=False)
    assert np.isnan(result.figures["mean_oks"])
    assert np.isnan(result.figures["oks_ap"])
    assert np.isnan(result.resample(np.ones(1)))


def test_the_resampled_figure_is_that_of_the_pictures_drawn() -> None:
    data = data_of(labels_of(person(), person(9)), labels_of(person()), labels_of())
    result = pose.measure(data, [found(BODY, BODY), found(BODY + 4), found()], one_each=True)
    assert result.resample(np.ones(3)) == pytest.approx(result.figures["mean_oks"])
    expected = (2 * result.oks[0].sum() + result.oks[1].sum()) / 5
    assert result.resample(np.array([2, 1, 4])) == pytest.approx(expected)


def fake_model(points: np.ndarray, score: float = 0.9, **spec: Any) -> Model:
    """A model of one person that sees the same keypoints, (17, 2) 0..1, wherever it looks."""
    rows = np.concatenate((points[:, ::-1], np.full((17, 1), score)), axis=1)
    fields = {"task": "pose", "decoder": "movenet", "keypoints": COCO_17, "score": 0.5}
    outputs = {"rows": rows.reshape(1, 1, 17, 3).astype(F)}
    return Model(FakeSession(outputs), ModelSpec("fake", **{**fields, **spec}))


def folder(tmp_path: Path) -> CocoData:
    annotation = {
        "image_id": 10, "category_id": 1, "bbox": [100, 50, 100, 100], "area": AREA, "iscrowd": 0,
        "keypoints": person().reshape(-1).tolist(),
    }  # fmt: skip
    return datasets.read_keypoints(person_folder(tmp_path, [annotation]))


@pytest.mark.parametrize("score", [0.9, 0.01], ids=["sure", "below its own threshold"])
def test_a_model_of_one_person_is_given_the_box_of_each(tmp_path: Path, score: float) -> None:
    inside = (BODY - np.array([100, 50], F)) / 100
    result = pose.evaluate(fake_model(inside, score), folder(tmp_path))
    assert result.figures["mean_oks"] == pytest.approx(1.0)
    assert [len(poses) for poses in result.poses] == [1, 0]


def test_a_margin_widens_the_box(tmp_path: Path) -> None:
    inside = (BODY - np.array([50, 0], F)) / 200
    result = pose.evaluate(fake_model(inside), folder(tmp_path), margin=0.5)
    assert result.figures["mean_oks"] == pytest.approx(1.0)


def test_a_negative_margin_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"0 or more, got -0\.1"):
        pose.evaluate(fake_model(BODY), folder(tmp_path), margin=-0.1)


def test_somebody_outside_the_picture_is_named(tmp_path: Path) -> None:
    data = folder(tmp_path)
    image = replace(data.images[0], boxes=np.array([[700, 0, 800, 50]], F))
    with pytest.raises(DataError, match=r"0\.png, person 1: no part of the box"):
        pose.evaluate(fake_model(BODY), replace(data, images=(image,)))


def test_a_model_without_coco_keypoints_is_refused(tmp_path: Path) -> None:
    model = fake_model(BODY, keypoints=("nose", "tail"))
    with pytest.raises(DataError, match="the model lacks left_eye"):
        pose.evaluate(model, folder(tmp_path))


def test_a_model_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="wanted one for pose"):
        pose.evaluate(fake_model(BODY, task="detection"), folder(tmp_path))


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
def test_movenet_has_its_known_figure(zoo: Path, data: Path) -> None:
    with edgecv.load("movenet_lightning_int8") as model:
        result = pose.evaluate(model, datasets.read_keypoints(data / "coco_eval"))
    assert result.figures["mean_oks"] == pytest.approx(0.704, abs=0.02)


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
def test_a_model_that_finds_everybody_is_given_whole_pictures(zoo: Path, data: Path) -> None:
    with edgecv.load("human-pose-estimation-0001_int8") as model:
        result = pose.evaluate(model, datasets.read_keypoints(data / "coco_eval"), limit=40)
    assert result.figures["mean_oks"] > 0.5
    assert result.figures["oks_ap50"] > 0.4
