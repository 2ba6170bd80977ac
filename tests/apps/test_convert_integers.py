"""`edgecv convert` of models that are quantized already, and of what nobody has described."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_uint8
from edgecv.converters.embed import embed
from edgecv.converters.int8_rewrite import rewrite

import edgecv as sdk
from edgecv import modelfile
from edgecv.spec import ModelSpec

pytest.importorskip("openvino")

SPEC = ModelSpec(
    name="small", task="classification", decoder="classifier", labels=tuple("abcde"), score=0.0,
    license="CC0-1.0",
)  # fmt: skip
CARD = {"recipe": {"name": "tiny"}, "quantization": {"target": "tflite", "held": True}}
WANTED = ("--to", "openvino", "--out")


@pytest.fixture(params=["bytes", "signed bytes"])
def integers(request, tmp_path: Path) -> Path:
    """A classifier in 8 bits, with a spec and a verdict inside."""
    data = tiny_uint8.classifier()
    path = tmp_path / "small.tflite"
    path.write_bytes(data if request.param == "bytes" else rewrite(data, int8_inputs=True))
    embed(path, spec=SPEC, card=CARD)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.tflite"
    path.write_bytes(tiny_uint8.classifier())
    embed(path, spec=SPEC, card=CARD)
    return path


def test_a_quantized_model_becomes_openvinos_and_is_called_int8(
    edgecv, integers, tmp_path, picture
) -> None:
    out = tmp_path / "out"
    ran = edgecv("convert", integers, *WANTED, out, "--report", out / "p.json")
    assert ran.code == 0, ran.err
    made = out / "small_int8.xml"
    assert {f.name for f in out.iterdir()} == {made.name, "small_int8.bin", "p.json"}
    (row,) = json.loads((out / "p.json").read_text())["files"]
    assert (row["file"], row["precision"]) == (made.name, "int8")
    assert 0.5 < row["agreement"]["outputs"][0]["explained"] <= 1
    assert modelfile.embedded_spec(made) == SPEC.with_changes(name="small_int8")
    image = sdk.read_image(picture("a.png"))
    with sdk.load(made) as now, sdk.load(integers, runtime="openvino", device="cpu") as was:
        assert now.session.inputs[0].dtype == np.float32
        scores = [dict(zip(r.class_ids, r.scores, strict=True)) for r in (was(image), now(image))]
    assert all(abs(scores[0][c] - scores[1][c]) < 0.01 for c in scores[0])


def test_what_was_measured_of_another_format_is_not_said_of_this_one(
    edgecv, small, tmp_path
) -> None:
    assert edgecv("convert", small, *WANTED, tmp_path / "out").code == 0
    card = modelfile.embedded_card(tmp_path / "out" / "small_int8.xml")
    assert card["recipe"] == CARD["recipe"]
    assert "quantization" not in card
    assert (card["conversion"]["format"], card["conversion"]["precision"]) == ("openvino", "int8")


def test_a_name_that_says_int8_says_it_once(edgecv, small, tmp_path) -> None:
    named = small.rename(tmp_path / "mine_int8.tflite")
    words = (*WANTED, tmp_path / "out", "--precision", "fp32,fp16")
    assert edgecv("convert", named, *words).code == 0
    assert {f.name for f in (tmp_path / "out").iterdir()} == {"mine_int8.xml", "mine_int8.bin"}


def test_a_name_that_is_taken_is_told(edgecv, small, tmp_path) -> None:
    (tmp_path / "small_int8.xml").write_text("mine")
    ran = edgecv("convert", small, *WANTED, tmp_path)
    assert ran.code == 1
    assert "small_int8.xml is there already: --force" in ran.err
    assert (tmp_path / "small_int8.xml").read_text() == "mine"
    (tmp_path / "small_int8.xml").rename(tmp_path / "small_fp32.xml")  # a name that is not given
    assert edgecv("convert", small, *WANTED, tmp_path).code == 0


def test_integers_are_not_quantized_again(edgecv, small, tmp_path) -> None:
    (tmp_path / "photos").mkdir()
    words = ("--int8", "--calibration", tmp_path / "photos")
    ran = edgecv("convert", small, *WANTED, tmp_path / "out", *words)
    assert ran.code == 2
    assert "small.tflite is quantized already, and stays so in openvino: leave int8" in ran.err


def test_integers_whose_scales_got_lost_are_refused(edgecv, small, tmp_path, monkeypatch) -> None:
    from edgecv.converters import tflite_openvino

    monkeypatch.setattr(tflite_openvino, "_with_float_ends", lambda model, quants: model)
    ran = edgecv("convert", small, *WANTED, tmp_path / "out")
    assert ran.code == 1
    assert "small_int8.xml does not say what the model says: of scores it explains -" in ran.err
    assert not (tmp_path / "out").exists()


GAPS = {
    "half explained": (0.6, {"same class": 0.1}, True),
    "little explained": (0.4, {}, False),
    "places changed": (-0.5, {"IoU >= 0.95": 0.2, "IoU >= 0.5": 0.7}, True),
    "other results": (-0.5, {"IoU >= 0.95": 0.2, "IoU >= 0.5": 0.4}, False),
    "worse than unrelated": (-1.5, {"same class": 1.0}, False),
    "no number": (float("nan"), {"same class": 1.0}, False),
    "other results alone": (None, {"same class": 0.4}, False),
    "same results alone": (None, {"same class": 0.5}, True),
}


@pytest.mark.parametrize(("explained", "results", "fine"), GAPS.values(), ids=GAPS.keys())
def test_what_was_made_of_integers_has_to_make_sense(explained, results, fine, capsys) -> None:
    from edgecv.apps.convert import Step
    from edgecv.apps.convert_proof import _check_integers
    from edgecv.converters.agreement import Agreement, Gap

    from edgecv.errors import InferenceError

    gaps = () if explained is None else (Gap("a", 1.0, 0.5, 2.0, explained),)
    step, agreement = Step("openvino", "int8", Path("a.xml")), Agreement(gaps, results, 8, 8)
    if fine:
        _check_integers(step, agreement)
        unlike = max(results.values()) < 0.5
        assert ("most results are not the model's" in capsys.readouterr().err) == unlike
    else:
        with pytest.raises(InferenceError, match=r"a\.xml does not say what the model says: "):
            _check_integers(step, agreement)


@pytest.mark.zoo
@pytest.mark.slow
def test_a_public_quantized_model_becomes_openvinos(edgecv, zoo, tmp_path) -> None:
    ran = edgecv("convert", "mobilenet_v2_1.0_224_int8", *WANTED, tmp_path)
    assert ran.code == 0, ran.err
    assert "mobilenet_v2_1.0_224_int8.xml" in ran.out
    spec = modelfile.embedded_spec(tmp_path / "mobilenet_v2_1.0_224_int8.xml")
    assert len(spec.labels) >= 1000


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A classifier in 8 bits of which nothing is said."""
    path = tmp_path / "bare.tflite"
    path.write_bytes(tiny_uint8.classifier())
    return path


def test_a_file_without_a_spec_is_compared_on_random_numbers(edgecv, bare, tmp_path) -> None:
    ran = edgecv("convert", bare, *WANTED, tmp_path / "out")
    assert ran.code == 0, ran.err
    row = next(line for line in ran.out.splitlines() if "bare_int8.xml" in line)
    assert "scores" in row
    assert row.endswith("numbers alone")
    assert "on 8 tensors of random numbers, as nothing says how it takes a picture" in ran.out


def test_a_file_without_a_spec_that_says_something_else_is_refused(
    edgecv, bare, tmp_path, monkeypatch
) -> None:
    from edgecv.converters import tflite_openvino

    monkeypatch.setattr(tflite_openvino, "_with_float_ends", lambda model, quants: model)
    ran = edgecv("convert", bare, *WANTED, tmp_path / "out")
    assert ran.code == 1
    assert "bare_int8.xml does not say what the model says" in ran.err
