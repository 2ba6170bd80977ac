from __future__ import annotations

import json

import pytest

from edgecv import rewritten
from edgecv import zoo as models
from edgecv.errors import PackageMissingError
from edgecv.session import RUNTIMES


def test_the_list_names_every_model_once(edgecv) -> None:
    ran = edgecv("models")
    assert ran == edgecv("models", "list")
    heading, *rows = ran.out.splitlines()
    assert heading.split() == ["name", "task", "licence", "MB", "measured", "here"]
    assert [row.split()[0] for row in rows] == list(models.names())


def test_the_list_can_be_that_of_one_task(edgecv) -> None:
    _, *rows = edgecv("models", "list", "--task", "pose").out.splitlines()
    assert [row.split()[0] for row in rows] == list(models.names("pose"))


def test_the_list_says_what_is_here(edgecv, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", str(tmp_path))
    (file,) = models.entry("yunet_n_320").files
    (tmp_path / file.file).write_bytes(bytes(file.bytes))
    here = {row.split()[0] for row in edgecv("models").out.splitlines() if row.endswith("yes")}
    assert here == {"yunet_n_320"}


def test_one_model_s_files_and_spec_are_shown(edgecv, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", str(tmp_path))
    ran = edgecv("models", "info", "squeezenet1.1_fp16")
    assert ran.code == 0
    for file in models.entry("squeezenet1.1_fp16").files:
        assert f"{file.file}  {file.bytes} bytes  not here" in ran.out
        assert file.url in ran.out
        assert file.sha256 in ran.out
    assert '"decoder": "classifier"' in ran.out


@pytest.mark.parametrize("words", [[], ["yunet_n_320", "--all"]], ids=["nothing", "both"])
def test_pulling_wants_names_or_all(edgecv, words) -> None:
    ran = edgecv("models", "pull", *words)
    assert ran.code == 2
    assert "give the names of models to pull, or --all" in ran.err


@pytest.mark.parametrize("action", ["info", "pull"])
def test_an_unknown_model_is_code_2_with_the_nearest(edgecv, action) -> None:
    ran = edgecv("models", action, "yunet_n_640")
    assert ran.code == 2
    assert "did you mean 'yunet_n_320'" in ran.err


def test_pulling_goes_on_behind_a_model_that_cannot_be_had(edgecv, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("EDGECV_ZOO_MIRROR", str(tmp_path))
    ran = edgecv("models", "pull", "--all")
    public = [name for name in models.names() if not models.entry(name).bundled]
    assert ran.code == 1
    assert len(ran.out.splitlines()) == len(models.names()) - len(public)
    assert len(ran.err.splitlines()) == len(public)
    assert all("cannot fetch" in line for line in ran.err.splitlines())


@pytest.mark.zoo
def test_what_cpus_run_rewritten_is_said_and_made_when_it_is_pulled(edgecv, zoo) -> None:
    name = "ssd_mobilenet_v1_coco_int8"
    assert "rewritten when a CPU first runs it" in edgecv("models", "info", name).out
    assert "rewritten" not in edgecv("models", "info", "yunet_n_320").out
    pulled = edgecv("models", "pull", name).out
    made = rewritten.cached_path(zoo / f"{name}.tflite")
    assert pulled == f"{name}: {zoo / name}.tflite (int8 for CPUs: {made})\n"
    assert made.is_file()
    said = edgecv("info", name).out
    assert f"TFLite on the CPU runs it rewritten, which is faster: {made} (EDGECV_INT8_R" in said


@pytest.mark.zoo
def test_all_models_can_be_pulled(edgecv, zoo) -> None:
    ran = edgecv("models", "pull", "--all")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split(": ")[0] for line in ran.out.splitlines()] == list(models.names())


def test_info_shows_what_a_file_takes_and_gives(edgecv, colours) -> None:
    ran = edgecv("info", colours)
    assert ran.code == 0
    assert "opened by onnx on cpu" in ran.out
    assert "input   input   float32  1 x 3 x 16 x 16" in ran.out
    assert "output  scores  float32  1 x 3" in ran.out
    spec = json.loads(ran.out.partition("spec\n")[2])
    assert spec["labels"] == ["red", "green", "blue"]
    assert spec["input"]["std"] == [255, 255, 255]


def test_info_says_what_is_missing_of_a_file_without_a_spec(edgecv, colours) -> None:
    colours.with_name("colours.onnx.json").unlink()
    ran = edgecv("info", colours)
    assert ran.code == 0
    assert "1 x 3 x 16 x 16" in ran.out
    assert "spec: none. colours.onnx says nothing of its task: give task and decoder" in ran.out


@pytest.mark.zoo
def test_info_takes_names_and_shortens_labels(edgecv, zoo) -> None:
    ran = edgecv("info", "mobilenet_v2_1.0_224_int8")
    assert ran.code == 0
    assert "1 x 224 x 224 x 3  (value - " in ran.out
    assert "... 1001 in all" in ran.out


@pytest.mark.zoo
def test_info_shows_a_file_that_cannot_run_here(edgecv, zoo) -> None:
    ran = edgecv("info", "mobilenet_v1_0.25_128_quant_edgetpu")
    assert ran.code == 0
    assert "cannot be opened here: mobilenet_v1_0.25_128_quant_edgetpu.tflite was" in ran.out
    assert '"decoder": "classifier"' in ran.out


def test_devices_are_a_table_and_json(edgecv) -> None:
    table, found = edgecv("devices"), edgecv("devices", "--json")
    assert table.code == found.code == 0
    assert table.out.splitlines()[0].split() == ["device", "runtime", "what", "it", "is", "usable"]
    rows = json.loads(found.out)
    assert {tuple(sorted(row)) for row in rows} == {
        ("description", "name", "problem", "runtime", "simulated")
    }
    for row in rows:
        assert row["name"] in table.out
        assert row["problem"] in table.out


def test_a_runtime_without_its_package_is_listed_with_what_to_install(edgecv, monkeypatch) -> None:
    def load(name: str) -> object:
        raise PackageMissingError(f"the package 'x' is not installed: pip install 'edgecv[{name}]'")

    monkeypatch.setattr(RUNTIMES, "load", load)
    ran = edgecv("devices")
    assert ran.code == 0
    for name in RUNTIMES:
        assert f"pip install 'edgecv[{name}]'" in ran.out
