from __future__ import annotations

import json
from pathlib import Path

import child_edgetpu
import cv2
import numpy as np
import pytest
from edgecv.apps.advise_floor import Agreeing, views, write_views
from tiny_models import relu_tflite

import edgecv as sdk
from edgecv import advice
from edgecv.bench import race
from edgecv.bench.loop import Effort
from edgecv.model import Model
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def short_race(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heat of some passes, and no finals."""
    monkeypatch.setattr(race, "HEAT", Effort(seconds=0, count=5, warmup_seconds=0.02))
    monkeypatch.setattr(race, "FINALS", 0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An int8 classifier: nothing else is made of it."""
    return child_edgetpu.write_place_spec(relu_tflite(tmp_path / "tiny.tflite", dtype="uint8"))


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder, rng = tmp_path / "photographs", np.random.default_rng(0)
    folder.mkdir()
    for number in range(12):
        image = rng.integers(0, 256, (24, 24, 3), np.uint8)
        assert cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder


@pytest.fixture
def words(photographs: Path):
    image = next(photographs.glob("*.png"))
    return ["--data", photographs, "--image", image, "--runtime", "tflite"]


def kept(cache: Path) -> list[Path]:
    return list((cache / "advice").glob("*.json"))


@pytest.mark.slow
def test_the_best_way_is_kept_and_load_uses_it(edgecv, model, words) -> None:
    ran = edgecv("advise", model, *words, "--threads", "2,3", "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    chosen = found["advice"]
    assert (chosen["file"], chosen["runtime"], chosen["device"]) == (str(model), "tflite", "cpu")
    assert chosen["precision"] == "int8"
    assert chosen["threads"] in (2, 3)
    assert chosen["why"].startswith("the fastest of accuracy within 1 points, agreement on 12 ")
    first, second = found["candidates"]
    assert first["why"] == "the fastest that keeps to the limits"
    assert second["why"].startswith(("takes ", "is as fast"))
    assert {first["threads"], second["threads"]} == {2, 3}
    known = advice.recall(model)
    assert known is not None
    assert (known.threads, known.p90_ms) == (chosen["threads"], chosen["p90_ms"])
    with sdk.load(model) as loaded:
        assert (loaded.runtime, loaded.path, loaded.original) == ("tflite", model, None)


@pytest.mark.slow
def test_what_takes_too_long_is_not_advised(edgecv, model, words, own_cache) -> None:
    ran = edgecv("advise", model, *words, "--threads", "1", "--max-ms", "0.000001")
    assert ran.code == 1
    assert "more than 1e-06" in ran.out
    assert "nothing keeps to these limits; no advice was kept" in ran.err
    assert kept(own_cache) == []


def test_what_is_too_large_does_not_race(edgecv, model, words, own_cache) -> None:
    ran = edgecv("advise", model, *words, "--threads", "1", "--max-mb", "0.0001", "--json")
    assert ran.code == 1
    found = json.loads(ran.out)
    assert found["advice"] is None
    assert [one["why"] for one in found["candidates"]] == ["its file has 0.0 MB, more than 0.0001"]
    assert found["candidates"][0]["p90_ms"] is None
    assert kept(own_cache) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_float_model_is_made_into_other_formats(edgecv, colours, words, own_cache) -> None:
    pytest.importorskip("openvino")
    ran = edgecv("advise", colours, *words[:-1], "openvino", "--threads", "1",
                 "--precision", "fp32")  # fmt: skip
    assert ran.code == 0
    assert "colours_fp32.xml" in ran.out
    assert "colours.onnx" in ran.out
    assert ran.out.count("the fastest that keeps to the limits") == 1
    assert "in 100.0% of the results (limit 99%)" in ran.out
    assert len(kept(own_cache)) == 1
    with sdk.load(colours) as loaded:
        assert loaded.runtime == "openvino"


def test_advice_can_be_taken_back(edgecv, model, own_cache) -> None:
    made = advice.Advice(str(model), "tflite", "cpu", 1, "int8", 1.0, "2026-01-02", "the fastest")
    advice.remember(model, made)
    ran = edgecv("advise", model, "--forget")
    assert (ran.code, kept(own_cache)) == (0, [])
    assert "tiny.tflite: the advice is taken back" in ran.out
    again = edgecv("advise", model, "--forget")
    assert again.code == 0
    assert "there is no advice for it on this machine" in again.out


WRONG = {
    "unknown model": (["movenet_lightnin"], 2, "did you mean 'movenet_lightning_int8'"),
    "missing file": (["gone.tflite"], 1, "cannot read gone.tflite"),
    "unknown precision": (["MODEL", "--precision", "int7"], 2, "no precision 'int7'; there are"),
    "no threads": (["MODEL", "--threads", "two"], 2, "a whole number from 1, got two"),
    "no labelled pictures": (["MODEL", "--eval", "gone"], 1, "gone"),
    "no photographs": (["MODEL", "--data", "gone"], 1, "gone"),
}


@pytest.mark.parametrize(("given", "code", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_advised_is_told(edgecv, model, given, code, said, own_cache) -> None:
    ran = edgecv("advise", *(model if word == "MODEL" else word for word in given))
    assert ran.code == code
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert kept(own_cache) == []


# ---- what stands for accuracy without labels


def sure_of(place: int) -> Model:
    scores = np.full((1, 4), 0.1, np.float32)
    scores[0, place] = 0.9
    labels = ("a", "b", "c", "d")
    return Model(
        FakeSession({"scores": scores}),
        ModelSpec("fake", "classification", "classifier", labels=labels),
    )


@pytest.mark.parametrize(("place", "holds"), [(1, True), (2, False)], ids=["same", "another"])
def test_a_model_that_finds_others_does_not_hold(place, holds) -> None:
    floor = Agreeing([np.zeros((8, 8, 3), np.uint8)] * 3)
    floor.refer(sure_of(1))
    found = floor.check(sure_of(place), max_drop=1.0)
    assert found.holds is holds
    assert found.value == float(holds)
    assert f"in {100 * holds:.1f}% of the results (limit 99%)" in found.said


def test_views_are_parts_of_photographs_and_always_the_same(tmp_path: Path) -> None:
    photographs = [np.arange(n * 30 * 3, dtype=np.uint8).reshape(n, 30, 3) for n in (20, 40)]
    made = views(photographs, count=6)
    assert len(made) == 6
    for number, (view, again) in enumerate(zip(made, views(photographs, count=6), strict=True)):
        np.testing.assert_array_equal(view, again)
        height = (20, 40)[number % 2]
        assert height // 2 <= view.shape[0] <= height
        assert 15 <= view.shape[1] <= 30
    assert len({view.shape for view in made}) > 1
    folder = write_views(made, tmp_path / "views")
    assert len(list(folder.glob("*.png"))) == 6
