from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest
import tiny_training
import unequal
from edgecv.apps import quantize_run
from edgecv.converters.embed import embed
from edgecv.quantize import faults
from edgecv.quantize.ladder import RESCUES
from labelled import coco_folder

import edgecv as sdk
from edgecv import modelfile
from edgecv.errors import InferenceError

pytest.importorskip("ai_edge_litert")
COMMAND = [sys.executable, "-m", "edgecv.apps.cli"]


class Shop(NamedTuple):
    """What is quantized, and with what."""

    equal: Path
    unequal: Path
    train: Path
    eval: Path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    equal = unequal.write_tflite(folder / "equal.tflite", (1, 1, 1))
    embed(equal, spec=None, card={"training": {"recipe": "by hand"}})
    return Shop(
        equal,
        unequal.write_tflite(folder / "unequal.tflite"),
        tiny_training.write_pictures(folder / "train", 12),
        tiny_training.write_pictures(folder / "eval", 20, seed=3),
    )


@pytest.fixture
def words(shop: Shop, tmp_path: Path):
    """Return the command line, with some words replaced."""

    def make(model: Path = shop.equal, to: str = "tflite", **changes: object) -> list[object]:
        options = {"data": shop.train, "eval": shop.eval, "out": tmp_path / "out", "samples": 20}
        options |= changes
        rest = [word for name, value in options.items() for word in (f"--{name}", value)]
        return ["quantize", model, "--to", to, *rest]

    return make


def left(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*"))


def test_a_model_within_the_contract_is_written_with_its_verdict(
    edgecv, words, shop, tmp_path
) -> None:
    page = tmp_path / "out" / "report.html"
    ran = edgecv(*words(report=page))
    assert ran.code == 0
    made = tmp_path / "out" / "equal_int8.tflite"
    lines = ran.out.splitlines()
    assert lines[0] == "tflite:"
    assert lines[1].split()[:3] == ["as", "asked", "for"]
    assert lines[1].endswith("  held")
    assert lines[2].startswith(f"{made}  ")
    assert lines[3] == str(page)
    assert left(tmp_path) == ["out", "out/equal_int8.tflite", "out/report.html"]
    spec = modelfile.embedded_spec(made)
    assert (spec.name, spec.labels) == ("equal_int8", ("red", "green", "blue"))
    assert "Quantized to int8 from equal.tflite (" in spec.notes
    with sdk.load(made) as model:
        assert model.session.inputs[0].dtype == "int8"
    assert "<h2>tflite</h2>" in page.read_text()


def test_info_prints_the_verdict_that_travels_in_the_file(edgecv, words, tmp_path) -> None:
    assert edgecv(*words()).code == 0
    made = tmp_path / "out" / "equal_int8.tflite"
    card = modelfile.embedded_card(made)
    assert card["training"] == {"recipe": "by hand"}
    values = card["quantization"]
    assert (values["held"], values["max_drop"]) == (True, 1.0)
    assert values["evaluation"]["files"] == 60
    shown = edgecv("info", made).out.split("\n\n")[-1].splitlines()
    figures = f"{values['float']['value']:.4f} -> {values['int8']['value']:.4f}"
    assert shown[0].startswith(f"INT8: top1 {figures}, ")
    assert shown[0].endswith(" on 60 pictures of eval")
    assert shown[1].startswith("contract: at most 1 points: held")
    assert shown[2].endswith("20 pictures of train (as asked for)")


def test_a_file_without_a_verdict_is_shown_without_one(edgecv, shop) -> None:
    assert "INT8:" not in edgecv("info", shop.equal).out


def test_a_broken_contract_is_code_3_and_no_file(edgecv, words, shop, tmp_path) -> None:
    ran = edgecv(*words(shop.unequal, report=tmp_path / "why.html"), "--no-rescue")
    assert ran.code == 3
    assert left(tmp_path) == ["why.html"]
    last = ran.err.splitlines()[-1]
    assert last.startswith("edgecv: tflite breaks the contract: top1 drop ")
    assert "the noisiest layers: " in last
    assert "smooth" in last
    assert "too much" in ran.out
    assert "BROKEN" in (tmp_path / "why.html").read_text()


def test_a_broken_contract_is_code_3_where_no_layer_can_be_named(
    edgecv, words, shop, monkeypatch
) -> None:
    def refuse(*given: object) -> list[object]:
        raise InferenceError("no data")

    monkeypatch.setattr(faults, "layer_noise", refuse)
    ran = edgecv(*words(shop.unequal), "--no-rescue")
    assert ran.code == 3
    assert ran.err.splitlines()[-1].endswith("by 'as asked for'")


def test_the_ladder_rescues_it_to_within_a_point(edgecv, words, shop, tmp_path) -> None:
    ran = edgecv(*words(shop.unequal))
    assert ran.code == 0
    assert len(ran.out.splitlines()) > 3
    made = tmp_path / "out" / "unequal_int8.tflite"
    values = modelfile.embedded_card(made)["quantization"]
    assert values["rung"] == "equalisation"
    assert values["drop"]["value"] <= 1.0
    measured = edgecv("eval", "classify", "--model", made, "--data", shop.eval)
    assert f"top1  {values['int8']['value']:7.4f}" in measured.out
    assert "tried before: as asked for (drop " in edgecv("info", made).out


def test_to_be_sure_the_interval_has_to_hold(edgecv, words, tmp_path) -> None:
    drop = ("--max-drop", "0")
    assert edgecv(*words(), *drop).code == 0
    values = modelfile.embedded_card(tmp_path / "out" / "equal_int8.tflite")["quantization"]
    assert values["drop"]["high"] > 0  # 60 pictures without a change leave 5 points open
    sure = edgecv(*words(), *drop, "--sure", "--no-rescue", "--force")
    assert sure.code == 3
    assert "edgecv: tflite: measured on 60 items" in sure.err


def test_the_same_pictures_and_seed_give_the_same_bytes(edgecv, words, tmp_path) -> None:
    made = []
    for name in "ab":
        assert edgecv(*words(out=tmp_path / name, samples=15, seed=4)).code == 0
        made.append((tmp_path / name / "equal_int8.tflite").read_bytes())
    assert made[0] == made[1]
    assert edgecv(*words(out=tmp_path / "c", samples=15, seed=5)).code == 0
    assert (tmp_path / "c" / "equal_int8.tflite").read_bytes() != made[0]


def test_a_file_that_is_there_is_kept_unless_forced(edgecv, words, tmp_path) -> None:
    made, page = tmp_path / "out" / "equal_int8.tflite", tmp_path / "report.html"
    made.parent.mkdir()
    made.write_bytes(b"mine")
    page.write_text("mine")
    ran = edgecv(*words(report=page))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"edgecv: {made}, {page} are there already: --force replaces what is there\n"
    assert made.read_bytes() == b"mine"
    assert edgecv(*words(report=page), "--force").code == 0
    assert made.read_bytes()[4:8] == b"TFL3"


def test_a_recipe_file_is_followed(edgecv, words, tmp_path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('ranges = "percentile"\nsamples = 20\ninputs = "uint8"\n')
    ran = edgecv(*words(recipe=recipe, outputs="float32"))
    assert ran.code == 0
    made = tmp_path / "out" / "equal_int8.tflite"
    assert modelfile.embedded_card(made)["quantization"]["recipe"]["ranges"] == "percentile"
    with sdk.load(made) as model:
        assert model.session.inputs[0].dtype == "uint8"
        assert model.session.outputs[0].dtype == "float32"


def coco(folder: Path) -> dict[str, object]:
    return {"eval": coco_folder(folder / "coco", [])}


def others(folder: Path) -> dict[str, object]:
    pictures = tiny_training.write_pictures(folder / "x", 2)
    (folder / "other").mkdir()
    (pictures / "red").rename(folder / "other" / "tulip")
    return {"eval": folder / "other"}


def few(folder: Path) -> dict[str, object]:
    return {"data": tiny_training.write_pictures(folder / "few", 3)}


def none(folder: Path) -> dict[str, object]:
    (folder / "none").mkdir()
    return {"data": folder / "none"}


BAD = {
    "a set of another task": (coco, "is a set for another task (it holds instances.json)"),
    "classes it does not know": (others, "the model has no class for 1 of 1 class folders: tulip"),
    "too few pictures": (few, "holds 9 pictures (.bmp, .jpeg, .jpg, .png, .webp): calibration"),
    "no pictures": (none, "holds 0 pictures"),
    "no folder": (lambda folder: {"data": folder / "not"}, "not does not exist"),
    "no labelled folder": (lambda folder: {"eval": folder / "not"}, "not does not exist"),
    "too few asked for": (lambda folder: {"samples": 3}, "3 calibration pictures are too few"),
}


@pytest.mark.parametrize(("change", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_right_is_told_and_nothing_written(
    edgecv, words, change, message, tmp_path
) -> None:
    (tmp_path / "given").mkdir()
    ran = edgecv(*words(**change(tmp_path / "given")))
    assert ran.code == 1
    assert message in ran.err.splitlines()[-1]
    assert [file.name for file in tmp_path.iterdir()] == ["given"]


WRONG = {
    "no such format": ({"to": "tflight"}, [], "no format 'tflight'; did you mean 'tflite'?"),
    "no way there": ({"to": "coral"}, [], "no format 'coral'"),
    "no such metric": ({"metric": "ap50"}, [], "no metric of a classification 'ap50'"),
    "a negative drop": ({}, ["--max-drop", "-1"], "a drop is in points, 0 to 100, got -1"),
    "no recipe": ({"recipe": "no.toml"}, [], "cannot read the recipe no.toml"),
    "no type": ({"inputs": "int4"}, [], "invalid choice: 'int4'"),
}


@pytest.mark.parametrize(("changes", "more", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_command_line_is_code_2(edgecv, words, changes, more, message, tmp_path) -> None:
    ran = edgecv(*words(**changes), *more)
    assert ran.code == 2
    assert message in ran.err
    assert left(tmp_path) == []


def test_from_onnx_there_is_no_way_to_tflite(edgecv, words, colours) -> None:
    ran = edgecv(*words(colours))
    assert ran.code == 2
    assert "colours.onnx cannot become tflite: files that can are .keras, .tflite" in ran.err


def test_a_saved_model_is_to_be_converted_first(edgecv, words, tmp_path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    ran = edgecv(*words(tmp_path / "saved"))
    assert ran.code == 1
    assert f"edgecv convert {tmp_path / 'saved'} --to tflite --task TASK" in ran.err


def test_an_h5_file_that_is_not_there_is_told(edgecv, words, tmp_path) -> None:
    ran = edgecv(*words(tmp_path / "no.h5"))
    assert ran.code == 1
    assert "no.h5: it is no file" in ran.err


def test_labels_count_for_what_a_model_was_measured_on(edgecv, words, shop, tmp_path) -> None:
    def digest(folder: Path) -> str:
        assert edgecv(*words(eval=folder), "--max-drop", "100", "--force").code == 0
        card = modelfile.embedded_card(tmp_path / "out" / "equal_int8.tflite")
        return str(card["quantization"]["evaluation"]["sha256"])

    other = tmp_path / "other"
    shutil.copytree(shop.eval, other)
    shutil.rmtree(other / "red")
    greens = digest(other)
    (other / "green").rename(other / "red")  # the same pictures in the same order
    assert digest(other) != greens


def test_a_task_without_a_measure_is_told(edgecv, words, tmp_path) -> None:
    model = unequal.write_tflite(tmp_path / "mask.tflite")
    spec = {**unequal.SPEC, "task": "segmentation", "decoder": "segmentation", "options": {}}
    model.with_name("mask.tflite.json").write_text(json.dumps(spec))
    ran = edgecv(*words(model))
    assert ran.code == 1
    assert "colours is a model for segmentation, and there is no measure of that" in ran.err


@pytest.mark.parametrize("inside", [False, True], ids=["the same", "inside of it"])
def test_calibrating_on_what_is_measured_is_pointed_out(edgecv, words, shop, inside) -> None:
    ran = edgecv(*words(data=shop.eval.parent if inside else shop.eval))
    assert ran.code == 0
    assert "edgecv: calibrated and measured on the same pictures" in ran.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_run_leaves_nothing(words, shop, tmp_path, number) -> None:
    line = [str(word) for word in words(shop.unequal, report=tmp_path / "r.html")]
    with subprocess.Popen([*COMMAND, *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"tflite:\n"
        deadline = time.monotonic() + 60
        while not any(tmp_path.glob(".edgecv-*/tflite-*")) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert any(tmp_path.glob(".edgecv-*"))
        run.send_signal(number)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 128 + number
    assert b"Traceback" not in said
    assert left(tmp_path) == []


# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
keras_test = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.mark.slow
def test_a_network_that_was_trained_for_int8_is_no_float_model(edgecv, words, tmp_path) -> None:
    pytest.importorskip("tensorflow")
    file = tmp_path / "given.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", json.dumps({"registered_name": "edgecv>FakeQuant"}))
        archive.writestr("model.weights.h5", "")
        archive.writestr("edgecv.json", json.dumps(unequal.SPEC))
    ran = edgecv(*words(file))
    assert ran.code == 1
    assert "given.keras was trained for INT8 and has its ranges inside" in ran.err
    assert left(tmp_path) == ["given.keras"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Keras warns of HDF5, which is what is wanted
def test_an_h5_file_is_quantized_as_keras_files_are(edgecv, words, tmp_path) -> None:
    pytest.importorskip("tensorflow")
    file = tmp_path / "best.h5"
    tiny_training.network().save(file)
    file.with_name("best.h5.json").write_text(
        json.dumps({**unequal.SPEC, "outputs": {"logits": "logits"}})
    )
    ran = edgecv(*words(file), "--max-drop", "100")
    assert ran.code == 0, ran
    made = tmp_path / "out" / "best_int8.tflite"
    with sdk.load(made) as model:
        assert model.session.inputs[0].dtype == "int8"
        assert model.spec.labels == ("red", "green", "blue")


class Mobile(NamedTuple):
    """A MobileNetV2 whose channels differ a thousandfold, and its pictures."""

    model: Path
    train: Path
    eval: Path


@pytest.fixture(scope="module")
def mobile(tmp_path_factory: pytest.TempPathFactory) -> Mobile:
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("mobile")
    train = unequal.write_pictures(folder / "train", 40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = unequal.write_mobilenet(folder / "mobile.keras", train)
    return Mobile(model, train, unequal.write_pictures(folder / "eval", 40, seed=3))


class TestMobileNet:
    """From Keras, into all formats."""

    pytestmark = keras_test

    def test_is_caught_unless_int8_does_it_no_harm(self, edgecv, words, mobile, tmp_path) -> None:
        given = {"data": mobile.train, "eval": mobile.eval, "samples": 100}
        ran = edgecv(*words(mobile.model, "tflite,onnx,openvino", **given), "--no-rescue")
        assert ran.code == 3
        assert left(tmp_path) == []
        for name in ("tflite", "onnx"):
            assert f"edgecv: {name} breaks the contract: top1 drop " in ran.err
        measured = [line for line in ran.out.splitlines() if line.startswith("  as asked for")]
        assert len(measured) == 3
        assert len({line.split(" -> ")[0] for line in measured}) == 1  # the float models agree

    @pytest.mark.parametrize("to", ["tflite", "openvino", "onnx"])
    def test_is_rescued(self, edgecv, words, mobile, tmp_path, to) -> None:
        given = {"data": mobile.train, "eval": mobile.eval, "samples": 100}
        ran = edgecv(*words(mobile.model, to, **given, report=tmp_path / "r.html"))
        assert ran.code == 0, ran
        made = next(file for file in (tmp_path / "out").iterdir() if file.suffix != ".bin")
        values = modelfile.embedded_card(made)["quantization"]
        assert values["held"]
        assert values["drop"]["value"] <= 1.0
        # NNCF gives depthwise layers a scale a channel for what goes into them, too
        assert len(values["ladder"]) > 1 or to == "openvino"
        with sdk.load(made) as model:
            assert model.spec.labels == ("blue", "green", "red")

    def test_is_trained_where_nothing_else_is_left(
        self, edgecv, words, mobile, tmp_path, monkeypatch
    ) -> None:
        monkeypatch.setattr(quantize_run, "RESCUES", RESCUES[-1:])
        given = {"data": mobile.train, "eval": mobile.eval, "samples": 100}
        ran = edgecv(*words(mobile.model, **given))
        (line,) = (line for line in ran.out.splitlines() if "trained for it" in line)
        assert "skipped" not in line
        assert " -> " in line
        assert ran.code == (0 if line.endswith("held") else 3)
