from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from child_edgetpu import write_place_spec
from tiny_models import relu_onnx, relu_tflite

import edgecv
from edgecv import advice
from edgecv.advice import Advice, advice_file, machine_key, recall, remember

IMAGE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache without advice of other tests."""
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(advice.SWITCH, raising=False)
    return tmp_path / "cache"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_place_spec(relu_tflite(tmp_path / "tiny.tflite"))


@pytest.fixture
def better(tmp_path: Path) -> Path:
    """Another file that does the same."""
    return write_place_spec(relu_onnx(tmp_path / "better.onnx"))


def best(file: Path, **changes) -> Advice:
    made = Advice(
        str(file.resolve()), "onnx" if file.suffix == ".onnx" else "tflite", "cpu", 2, "fp32", 1.5,
        "2026-01-02T03:04:05+00:00", "the fastest",
    )  # fmt: skip
    return replace(made, **changes)


def test_what_is_remembered_is_recalled(model, better, own_cache) -> None:
    assert recall(model) is None
    where = remember(model, best(better))
    assert own_cache in where.parents
    assert recall(model) == best(better)


def test_an_advice_for_the_file_itself_names_it_as_the_caller_does(model, monkeypatch) -> None:
    remember(model, best(model))
    monkeypatch.chdir(model.parent)
    found = recall(Path("tiny.tflite"))
    assert found == replace(best(model), file="tiny.tflite")


def test_another_machine_or_runtime_has_no_advice(model, better, monkeypatch) -> None:
    remember(model, best(better))
    monkeypatch.setattr(advice, "_versions", lambda: iter([("onnxruntime", "99.0")]))
    assert recall(model) is None
    remember(model, best(model))
    assert recall(model) == replace(best(model), file=str(model))


@pytest.mark.parametrize("fact", ["_board", "_processor", "_versions"])
def test_the_machines_key_depends_on_what_runs_models(fact, monkeypatch) -> None:
    before = machine_key()
    assert before == machine_key()
    monkeypatch.setattr(advice, fact, lambda: [("onnxruntime", "99")] if "v" in fact else "other")
    assert machine_key() != before


def change_file(model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-1] + b"\x01")  # of the same size


def change_spec(model: Path) -> None:
    model.with_name(model.name + ".json").write_text("{}")


@pytest.mark.parametrize("change", [change_file, change_spec])
def test_a_model_that_changed_has_no_advice(change, model, better) -> None:
    remember(model, best(better))
    change(model)
    assert recall(model) is None


def test_new_weights_beside_an_openvino_file_have_no_advice(tmp_path, better) -> None:
    model = tmp_path / "tiny.xml"
    model.write_text("<net></net>")
    model.with_suffix(".bin").write_bytes(b"weights")
    remember(model, best(better))
    assert recall(model) is not None
    model.with_suffix(".bin").write_bytes(b"trained")
    assert recall(model) is None


def test_advice_can_be_turned_off(model, better, monkeypatch) -> None:
    remember(model, best(better))
    monkeypatch.setenv("EDGECV_ADVICE", "0")
    assert recall(model) is None
    monkeypatch.setenv("EDGECV_ADVICE", "1")
    assert recall(model) is not None


def test_a_file_that_is_gone_is_warned_of(model, better, caplog) -> None:
    remember(model, best(better))
    better.unlink()
    assert recall(model) is None
    assert f"the advice for tiny.tflite is not used: {better} is gone" in caplog.text


DAMAGED = {
    "cut short": '{"file": "x"',
    "a list": "[]",
    "empty": "",
    "a field is missing": '{"file": "x"}',
    "a field too many": json.dumps({**asdict(best(Path("x.onnx"))), "more": 1}),
    "threads are no number": json.dumps({**asdict(best(Path("x.onnx"))), "threads": "2"}),
    "no file": json.dumps({**asdict(best(Path("x.onnx"))), "file": None}),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_damaged_advice_is_warned_of_and_the_model_runs(text, model, caplog) -> None:
    remember(model, best(model))
    advice_file(model).write_text(text)
    with caplog.at_level(logging.WARNING), edgecv.load(model) as loaded:
        assert loaded.runtime == "tflite"
    assert f"{advice_file(model)} is not used" in caplog.text


# ---- load


def test_load_runs_a_model_as_it_was_advised(model, better) -> None:
    remember(model, best(better))
    with edgecv.load(model) as loaded:
        assert (loaded.runtime, loaded.device) == ("onnx", "cpu")
        assert (loaded.path, loaded.original) == (better, model)
        assert loaded(IMAGE).run.runtime == "onnx"


def test_a_file_advised_as_it_is_is_made_of_nothing_else(model, monkeypatch) -> None:
    remember(model, best(model, runtime="openvino", threads=1))
    monkeypatch.chdir(model.parent)
    with edgecv.load("tiny.tflite") as loaded:
        assert loaded.runtime == "openvino"
        assert (loaded.path, loaded.original) == (Path("tiny.tflite"), None)


@pytest.mark.parametrize(
    "options",
    [{"device": "cpu"}, {"runtime": "tflite"}, {"threads": 1}],
    ids=["device", "runtime", "threads"],
)
def test_who_says_how_to_run_it_gets_that(options, model, better) -> None:
    remember(model, best(better))
    with edgecv.load(model, **options) as loaded:
        assert (loaded.runtime, loaded.path) == ("tflite", model)


def test_what_is_said_of_the_results_holds_for_the_advised_file_too(model, better) -> None:
    remember(model, best(better))
    with edgecv.load(model, score=0.9, spec={"name": "mine"}) as loaded:
        assert loaded.runtime == "onnx"
        assert (loaded.spec.score, loaded.spec.name) == (0.9, "mine")


@pytest.mark.parametrize(
    "changes",
    [{"device": "cuda"}, {"device": "coral"}, {"runtime": "tflite"}],
    ids=["no such device", "no Edge TPU", "a runtime that does not read it"],
)
def test_advice_that_no_longer_holds_is_warned_of_and_left(changes, model, better, caplog) -> None:
    remember(model, best(better, **changes))
    with edgecv.load(model) as loaded:
        assert (loaded.runtime, loaded.path) == ("tflite", model)
    assert "tiny.tflite does not run as `edgecv advise` found best" in caplog.text


def test_without_any_advice_a_model_is_not_summed_up(model, monkeypatch) -> None:
    def refuse(path: Path) -> str:
        raise AssertionError(f"{path} is read")

    monkeypatch.setattr(advice, "sha256_of", refuse)
    assert recall(model) is None


def test_advice_is_kept_for_the_machine_alone(model, better) -> None:
    where = remember(model, best(better))
    assert machine_key() in where.name
    assert str(model.stat().st_size) in where.name
