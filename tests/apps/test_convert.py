from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import tiny_uint8
from tiny_models import compiled_tflite, relu_tflite

import edgecv as sdk
from edgecv import modelfile

SPEC = {
    "name": "old", "task": "classification", "decoder": "classifier", "score": 0.0,
    "labels": ["a", "b", "c", "d", "e"], "license": "Apache-2.0", "notes": "Made up.",
}  # fmt: skip
WANTED = ("--to", "tflite", "--int8", "--out")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A uint8 classifier with its spec beside it."""
    path = tmp_path / "old.tflite"
    path.write_bytes(tiny_uint8.classifier())
    path.with_name("old.tflite.json").write_text(json.dumps(SPEC))
    return path


def test_an_old_file_becomes_int8_and_knows_what_it_is(edgecv, old, tmp_path) -> None:
    ran = edgecv("convert", old, *WANTED, tmp_path / "out")
    assert (ran.code, ran.err) == (0, "")
    (made,) = (tmp_path / "out").iterdir()
    lines = ran.out.splitlines()
    assert lines[0] == str(made)
    sizes = [round(file.stat().st_size / 1e3) for file in (old, made)]
    assert lines[1] == f"size       {sizes[0]} kB -> {sizes[1]} kB"
    assert lines[2].startswith("agreement  ")
    assert lines[3] == "spec       classification, classifier, 5 labels"
    spec = modelfile.embedded_spec(made)
    assert (spec.name, spec.labels) == ("old_per_channel", tuple("abcde"))
    digest = hashlib.sha256(old.read_bytes()).hexdigest()
    assert (
        spec.notes == f"Made up. Rewritten to int8, a scale a channel, from old.tflite ({digest})."
    )


@pytest.mark.parametrize("inputs", ["uint8", "int8"])
def test_the_new_file_runs_by_itself(edgecv, old, tmp_path, picture, inputs) -> None:
    assert edgecv("convert", old, *WANTED, tmp_path / "out", "--inputs", inputs).code == 0
    made = tmp_path / "out" / "old_per_channel.tflite"
    image = sdk.read_image(picture("a.png"))
    with sdk.load(old) as was, sdk.load(made) as now:
        assert now.session.inputs[0].dtype == inputs
        scores = [dict(zip(r.class_ids, r.scores, strict=True)) for r in (was(image), now(image))]
    assert scores[0].keys() == scores[1].keys()
    assert all(abs(scores[0][c] - scores[1][c]) < 0.03 for c in scores[0])


def test_without_a_spec_the_new_file_gets_none_and_it_is_said(edgecv, old, tmp_path) -> None:
    old.with_name("old.tflite.json").unlink()
    ran = edgecv("convert", old, *WANTED, tmp_path / "out")
    assert ran.code == 0
    assert "edgecv: the new file gets no spec: old.tflite says nothing of its task" in ran.err
    assert "spec       none" in ran.out
    assert modelfile.embedded_spec(tmp_path / "out" / "old_per_channel.tflite") is None


def test_a_file_that_is_there_is_kept_unless_forced(edgecv, old, tmp_path) -> None:
    made = tmp_path / "old_per_channel.tflite"
    made.write_bytes(b"mine")
    ran = edgecv("convert", old, *WANTED, tmp_path)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == f"edgecv: {made} is there already: --force replaces it\n"
    assert made.read_bytes() == b"mine"
    assert edgecv("convert", old, *WANTED, tmp_path, "--force").code == 0
    assert made.read_bytes() != b"mine"


def floats(folder: Path) -> Path:
    return relu_tflite(folder / "in" / "floats.tflite")


def compiled(folder: Path) -> Path:
    return compiled_tflite(folder / "in" / "tpu.tflite")


def int8(folder: Path) -> Path:
    return relu_tflite(folder / "in" / "new.tflite", dtype="int8")


def onnx(folder: Path) -> Path:
    path = folder / "in" / "a.onnx"
    path.write_bytes(b"\x08\x08")
    return path


def cut(folder: Path) -> Path:
    path = folder / "in" / "cut.tflite"
    path.write_bytes(tiny_uint8.classifier()[:2000])
    return path


def nowhere(folder: Path) -> Path:
    return folder / "in" / "none.tflite"


BAD = {
    "floats": (floats, "floats.tflite is not rewritten to int8: it is no quantized model"),
    "compiled": (compiled, "tpu.tflite is not rewritten to int8: it is compiled for the Edge TPU"),
    "int8": (
        int8,
        "new.tflite is not rewritten to int8: it is int8 already, and has no PReLU of one slope",
    ),
    "onnx": (onnx, "a.onnx cannot be converted to tflite: files that can are .h5, .keras, .tflite"),
    "cut short": (cut, "cut.tflite is not rewritten to int8: the TFLite model is damaged or cut"),
    "none": (nowhere, "none.tflite: No such file or directory"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_converted_is_told_and_nothing_written(
    edgecv, make, message, tmp_path
) -> None:
    (tmp_path / "in").mkdir()
    ran = edgecv("convert", make(tmp_path), *WANTED, tmp_path / "out")
    assert (ran.code, ran.out) == (1, "")
    assert message in ran.err.splitlines()[-1]
    out = tmp_path / "out"
    assert not out.exists() or not list(out.iterdir())


WRONG = {
    "no precision": (["--to", "tflite", "--out", "x"], "there is one conversion: add --int8"),
    "int8 without pictures": (["--to", "onnx", "--int8", "--out", "x"], "--calibration DIR"),
    "pictures without int8": (
        ["--to", "onnx", "--calibration", "x", "--out", "x"], "--calibration is for int8",
    ),
    "another format": (["--to", "caffe", "--out", "x"], "no format 'caffe'; there are coral"),
    "another precision": (
        ["--to", "onnx", "--precision", "fp8", "--out", "x"], "no precision 'fp8'",
    ),
    "a precision of others": (
        ["--to", "onnx", "--precision", "dynamic", "--out", "x"], "there is fp32, fp16, int8",
    ),
    "floats of an old file": ([*WANTED, "x", "--inputs", "float32"], "is uint8 or int8"),
    "no folder": (["--to", "tflite", "--int8"], "required: --out"),
    "no format": (["--int8", "--out", "x"], "required: --to"),
}  # fmt: skip


@pytest.mark.parametrize(("words", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_command_line_is_code_2(edgecv, old, words, message) -> None:
    ran = edgecv("convert", old, *words)
    assert ran.code == 2
    assert message in ran.err


def test_without_the_edge_tpus_compiler_it_is_said_what_to_run_where(
    edgecv, old, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = edgecv("convert", old, "--to", "coral", "--out", tmp_path / "out")
    assert ran.code == 1
    assert f"Copy {old} to such a machine" in ran.err
    assert f"bring old_edgetpu.tflite back as {tmp_path / 'out' / 'old_edgetpu.tflite'}" in ran.err
    assert not (tmp_path / "out").exists()


def test_an_unwritable_place_is_told(edgecv, old, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    ran = edgecv("convert", old, *WANTED, tmp_path / "file")
    assert ran.code == 1
    assert ran.err.startswith("edgecv: cannot write ")


@pytest.mark.zoo
def test_a_listed_model_goes_by_its_name(edgecv, zoo, tmp_path) -> None:
    ran = edgecv("convert", "ssd_mobilenet_v1_coco_int8", *WANTED, tmp_path)
    assert ran.code == 0
    assert "spec       detection, ssd_postprocess, 90 labels" in ran.out
    info = edgecv("info", tmp_path / "ssd_mobilenet_v1_coco_int8_per_channel.tflite")
    assert '"labels": ["person", "bicycle", "car", "... 90 in all"]' in info.out
