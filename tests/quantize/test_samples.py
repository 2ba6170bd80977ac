from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_models
from edgecv.quantize.samples import (
    calibration_tensors,
    check_ranges,
    check_tensors,
    choose,
    find_pictures,
)

from edgecv.errors import DataError
from edgecv.image import Plan
from edgecv.spec import InputSpec, ModelSpec
from edgecv.types import TensorSpec

INPUT = InputSpec(mean=(127.5,) * 3, std=(127.5,) * 3)
SPEC = ModelSpec("tiny", "classification", "classifier", INPUT)
SHAPE = tiny_models.SHAPE


def write_pictures(folder: Path, count: int, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        picture = rng.integers(0, 256, (12, 9, 3)).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{number:03}.png"), picture)
    return folder


def test_pictures_are_prepared_as_for_inference(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 10)
    model = tiny_models.relu_tflite(tmp_path / "m.tflite")
    plan = Plan(INPUT, TensorSpec("x", SHAPE, np.dtype(np.float32)))
    wanted = {plan(cv2.imread(str(f)))[0].tobytes() for f in folder.iterdir()}
    made = calibration_tensors(model, SPEC, folder, count=10, seed=0)
    assert {tensor.tobytes() for tensor in made} == wanted
    assert {(tensor.shape, tensor.dtype.name) for tensor in made} == {(SHAPE, "float32")}


def test_a_quantized_model_is_calibrated_in_floats_too(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 10)
    model = tiny_models.relu_tflite(tmp_path / "m.tflite", dtype="int8")
    (first, *_) = calibration_tensors(model, SPEC, folder, count=10, seed=0)
    assert first.dtype == np.float32


def files(**counts: int) -> list[Path]:
    return [Path(name) / f"{n}.png" for name, count in counts.items() for n in range(count)]


def test_each_class_gives_its_share() -> None:
    chosen = choose(files(cat=30, dog=60, cow=90), count=60, seed=0)
    assert Counter(file.parent.name for file in chosen) == {"cat": 10, "dog": 20, "cow": 30}


def test_the_seed_decides_which() -> None:
    given = files(cat=100, dog=100)
    assert choose(given, count=20, seed=1) == choose(given, count=20, seed=1)
    assert set(choose(given, count=20, seed=1)) != set(choose(given, count=20, seed=2))


def test_where_there_are_fewer_all_are_taken() -> None:
    assert sorted(choose(files(cat=12), count=500, seed=0)) == sorted(files(cat=12))


def test_few_pictures_are_warned_of(caplog) -> None:
    with caplog.at_level(logging.WARNING):
        choose(files(cat=99), count=500, seed=0)
    assert "calibrating with 99 pictures; 100 or more are better" in caplog.text


@pytest.mark.parametrize("inner", ["", "a", "a/b", "images"], ids=str)
def test_pictures_are_found_at_any_depth(inner: str, tmp_path: Path) -> None:
    write_pictures(tmp_path / inner, 11)
    assert len(find_pictures(tmp_path)) == 11


def test_beside_images_nothing_counts(tmp_path: Path) -> None:
    write_pictures(tmp_path / "images", 10)
    write_pictures(tmp_path / "masks", 10)
    assert {file.parent.name for file in find_pictures(tmp_path)} == {"images"}


def test_hidden_files_do_not_count(tmp_path: Path) -> None:
    write_pictures(tmp_path, 10)
    write_pictures(tmp_path / ".thumbnails", 10)
    assert len(find_pictures(tmp_path)) == 10


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none does not exist\. Wanted a folder of pictures"):
        find_pictures(tmp_path / "none")


@pytest.mark.parametrize("count", [0, 9])
def test_too_few_pictures_are_refused(count: int, tmp_path: Path) -> None:
    write_pictures(tmp_path, count)
    with pytest.raises(DataError, match=rf"holds {count} pictures .* wants 10 at least"):
        find_pictures(tmp_path)


def test_too_few_wanted_are_refused() -> None:
    with pytest.raises(DataError, match="9 calibration pictures are too few"):
        choose(files(cat=30), count=9, seed=0)


def tensors(low: float, high: float, count: int = 10) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.uniform(low, high, SHAPE).astype(np.float32) for _ in range(count)]


WRONG = {
    "bytes": (0, 255),
    "imagenet": (-2.1, 2.6),
}


@pytest.mark.parametrize(("low", "high"), WRONG.values(), ids=WRONG.keys())
def test_values_that_no_picture_has_are_refused(low, high) -> None:
    with pytest.raises(DataError, match=r"become -1 to 1: outside of it\. They were normalised"):
        check_ranges(tensors(low, high), SPEC)


NARROW = {"0..1": (0, 1), "tenths": (-0.1, 0.1), "dark pictures": (-1, -0.1059)}


@pytest.mark.parametrize(("low", "high"), NARROW.values(), ids=NARROW.keys())
def test_values_that_fill_little_of_the_range_are_warned_of(low, high, caplog) -> None:
    for _ in range(2):  # as for the rungs of a ladder
        check_ranges(tensors(low, high), SPEC)
    (record,) = caplog.records
    assert "pictures become -1 to 1: only a part of it. The pictures are dark" in record.message


def test_values_of_the_same_normalisation_pass(caplog) -> None:
    check_ranges(tensors(-1, 1), SPEC)
    check_ranges(tensors(-0.7, 0.9), INPUT)
    assert not caplog.records


BAD = {
    "too few": (tensors(-1, 1, 9), "9 calibration pictures are too few"),
    "size": ([t[:, :4] for t in tensors(-1, 1)], r"shape \[1, 4, 8, 3\], m.tflite takes \[1, 8, 8"),
    "rank": ([t[0] for t in tensors(-1, 1)], r"shape \[8, 8, 3\], m.tflite takes"),
    "type": ([t.astype(np.uint8) for t in tensors(0, 1)], "wants finite float32, got uint8"),
    "numbers": ([t * np.nan for t in tensors(0, 1)], "wants finite float32"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD.keys())
def test_tensors_that_a_model_does_not_take_are_refused(given, message, tmp_path: Path) -> None:
    model = tiny_models.relu_tflite(tmp_path / "m.tflite")
    with pytest.raises(DataError, match=message):
        check_tensors(model, given, SHAPE)


def test_tensors_are_held_against_the_spec_beside_the_model(tmp_path: Path) -> None:
    import json

    model = tiny_models.relu_tflite(tmp_path / "m.tflite")
    check_tensors(model, tensors(0, 255), SHAPE)
    (tmp_path / "m.tflite.json").write_text(json.dumps(SPEC.to_dict()))
    with pytest.raises(DataError, match="normalised otherwise"):
        check_tensors(model, tensors(0, 255), SHAPE)
