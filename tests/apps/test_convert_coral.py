"""`edgecv convert --to coral`, with a stand-in for the compiler."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import pytest
import tiny_float
import tiny_uint8
from edgecv.converters.embed import embed
from tiny_models import compiled_tflite

from edgecv import modelfile
from edgecv.spec import ModelSpec

LOG = """\
On-chip memory used for caching model parameters: 3.25MiB
On-chip memory remaining for caching model parameters: 4.50KiB
Off-chip memory used for streaming uncached model parameters: 0.00B

Operator                       Count      Status

CONV_2D                        34         Mapped to Edge TPU
RESHAPE                        1          More than one subgraph is not supported
"""
STAND_IN = """\
#!/bin/sh
PATH=/usr/bin:/bin
if [ "$1" = --version ]; then echo "Edge TPU Compiler version 16.0.384591198"; exit; fi
while [ "$1" != --out_dir ]; do shift; done
cp "{gives}" "$2/model_edgetpu.tflite"
cat "{log}"
"""
SPEC = ModelSpec(
    name="small", task="classification", decoder="classifier", labels=tuple("abcde"), score=0.0,
    license="CC0-1.0",
)  # fmt: skip
CARD = {"recipe": {"name": "tiny"}, "quantization": {"target": "tflite", "held": True}}


@pytest.fixture(autouse=True)
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in for the compiler on the PATH; return the file that it gives."""
    folder = tmp_path / "bin"
    folder.mkdir()
    gives, log = compiled_tflite(folder / "made.tflite"), folder / "said.txt"
    log.write_text(LOG)
    script = folder / "edgetpu_compiler"
    script.write_text(STAND_IN.format(gives=gives, log=log))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return gives


def small(folder: Path) -> Path:
    path = folder / "small.tflite"
    path.write_bytes(tiny_uint8.classifier())
    return path


def test_what_the_compiler_says_is_printed(edgecv, tmp_path) -> None:
    ran = edgecv("convert", small(tmp_path), "--to", "coral", "--out", tmp_path / "out")
    assert ran.code == 0, ran.err
    made = tmp_path / "out" / "small_edgetpu.tflite"
    assert ran.out.splitlines()[-3:] == [
        f"{made}: 34 of 35 operators on the Edge TPU (compiler 16.0.384591198)",
        "  on the CPU: 1 RESHAPE: More than one subgraph is not supported",
        "  memory: 3328.0 KiB parameters on the chip, 4.5 KiB free there, 0.0 KiB sent for every "
        "picture",
    ]


def test_what_the_command_line_says_of_a_model_goes_into_the_compiled_file(
    edgecv, tmp_path, compiler
) -> None:
    path, out = small(tmp_path), tmp_path / "out"
    embed(path, spec=SPEC, card=CARD)
    words = ("--to", "coral", "--out", out, "--mean", "10", "--std", "2")
    ran = edgecv("convert", path, *words)
    assert ran.code == 0, ran.err
    made = out / "small_edgetpu.tflite"
    spec = modelfile.embedded_spec(made)
    assert (spec.name, spec.labels, spec.input.mean) == ("small_edgetpu", SPEC.labels, (10.0,) * 3)
    card = modelfile.embedded_card(made)
    assert card["quantization"] == CARD["quantization"]  # the Edge TPU calculates the same
    assert (card["conversion"]["from"], card["conversion"]["format"]) == ("small.tflite", "coral")
    assert made.read_bytes().startswith(compiler.read_bytes())
    with zipfile.ZipFile(made) as archive:
        assert len(set(archive.namelist())) == len(archive.namelist())


def test_a_spec_from_beside_a_model_goes_into_the_compiled_file(edgecv, tmp_path) -> None:
    path = small(tmp_path)
    path.with_name("small.tflite.json").write_text(json.dumps(SPEC.to_dict()))
    assert edgecv("convert", path, "--to", "coral", "--out", tmp_path / "out").code == 0
    spec = modelfile.embedded_spec(tmp_path / "out" / "small_edgetpu.tflite")
    assert spec == SPEC.with_changes(name="small_edgetpu")


def test_a_compiled_file_made_of_floats_has_the_name_of_the_file(edgecv, tmp_path) -> None:
    path, photos = tmp_path / "best_fp32.tflite", tmp_path / "photos"
    path.write_bytes(tiny_float.network())
    photos.mkdir()
    for number, tensor in enumerate(tiny_float.pictures(12)):
        cv2.imwrite(str(photos / f"{number}.png"), (tensor[0] * 127 + 128).clip(0, 255))
    words = ("--to", "coral", "--out", tmp_path / "out", "--calibration", photos)
    about = ("--task", "classification", "--decoder", "classifier", "--samples", "10")
    ran = edgecv("convert", path, *words, *about)
    assert ran.code == 0, ran.err
    (made,) = (tmp_path / "out").iterdir()
    assert modelfile.embedded_spec(made).name == made.stem
    card = modelfile.embedded_card(made)
    assert card["quantization"]["calibration"]["files"] == 10
    assert "34 of 35 operators" in ran.out
