"""`edgecv info` on files that other commands made, and on those that it cannot open."""

from __future__ import annotations

from pathlib import Path

import pytest
import unequal
from edgecv.converters.embed import embed
from edgecv.quantize.recipe import QuantRecipe


def test_both_files_of_an_openvino_model_count(edgecv, tmp_path: Path) -> None:
    model = tmp_path / "two.xml"
    model.write_text('<?xml version="1.0"?>\n<net name="two" version="11"></net>\n')
    model.with_suffix(".bin").write_bytes(bytes(2_300_000))
    ran = edgecv("info", model, "--runtime", "openvino", "--device", "npu")
    assert f"{model}  2.3 MB" in ran.out


def test_int8_that_was_only_converted_is_shown_with_its_recipe(edgecv, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    model = unequal.write_tflite(tmp_path / "made.tflite", (1, 1, 1))
    facts = {"folder": "photos", "files": 24, "sha256": "0" * 64}
    values = {"target": "tflite", "recipe": QuantRecipe().to_dict(), "calibration": facts}
    embed(model, spec=None, card={"quantization": values})
    shown = edgecv("info", model).out.split("\n\n")[-1].splitlines()
    assert shown[0].startswith("INT8: accuracy not measured")
    assert shown[1].startswith("recipe: ")
    assert shown[1].endswith(", 24 pictures of photos")


def write_h5(folder: Path) -> Path:
    file = folder / "best.h5"
    file.write_bytes(b"\x89HDF\r\n\x1a\n")
    return file


def write_saved(folder: Path) -> Path:
    (folder / "saved").mkdir()
    (folder / "saved" / "saved_model.pb").write_bytes(b"x")
    return folder / "saved"


@pytest.mark.parametrize(
    ("write", "kind"),
    [(write_h5, "an .h5 file"), (write_saved, "a SavedModel")],
    ids=["h5", "SavedModel"],
)
def test_what_has_to_be_converted_first_is_told_with_the_command(
    edgecv, tmp_path: Path, write, kind
) -> None:
    model = write(tmp_path)
    ran = edgecv("info", model)
    assert (ran.code, ran.out) == (1, "")
    assert f"{model} is {kind}" in ran.err
    assert f"edgecv convert {model} --to tflite --task TASK --decoder DECODER" in ran.err
    assert len(ran.err.splitlines()) == 1
