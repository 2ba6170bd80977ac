"""What a file carries, put into files that need no training and no conversion."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from edgecv.converters.embed import embed
from edgecv.converters.model_api import model_info
from tiny_models import relu_tflite

from edgecv import modelfile
from edgecv.errors import ModelFileError
from edgecv.session import open_session
from edgecv.spec import InputSpec, ModelSpec

SPEC = ModelSpec(
    name="mine", task="classification", decoder="classifier", labels=("a", "red fox"), score=0.25,
    input=InputSpec(mean=(123.5, 116.25, 103.5), std=(58.5, 57.0, 57.5), fit="letterbox", pad=114),
    options={"softmax": True}, license="CC0-1.0", source="here",
)  # fmt: skip
CARD = {"recipe": {"name": "x"}, "figures": [0.5, 1]}


def tflite(folder: Path) -> Path:
    return relu_tflite(folder / "m.tflite")


def onnx(folder: Path) -> Path:
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ends = [helper.make_tensor_value_info(name, kind, [1, 4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph), folder / "m.onnx")
    return folder / "m.onnx"


def openvino(folder: Path) -> Path:
    ov = pytest.importorskip("openvino")
    x = ov.opset8.parameter([1, 4], name="x")
    ov.save_model(ov.Model([ov.opset8.relu(x)], [x], "m"), folder / "m.xml")
    return folder / "m.xml"


FORMATS = {"tflite": tflite, "onnx": onnx, "openvino": openvino}


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS.keys())
def test_a_spec_and_a_card_are_read_as_they_were_written(make, tmp_path) -> None:
    path = make(tmp_path)
    spec = SPEC.with_changes(name='<"ü">')
    assert modelfile.embedded_card(path) == {}
    embed(path, spec=spec, card=CARD)
    assert (modelfile.embedded_spec(path), modelfile.embedded_card(path)) == (spec, CARD)
    modelfile.check(path)


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS.keys())
def test_new_ones_replace_old_ones_and_none_leaves_them(make, tmp_path) -> None:
    path = make(tmp_path)
    embed(path, spec=SPEC, card=CARD)
    embed(path, spec=SPEC.with_changes(name="other"), card=None)
    embed(path, spec=None, card={"now": 2})
    assert modelfile.embedded_spec(path).name == "other"
    assert modelfile.embedded_card(path) == {"now": 2}
    if path.suffix == ".tflite":
        with zipfile.ZipFile(path) as archive:
            assert len(archive.namelist()) == len(set(archive.namelist()))


@pytest.mark.parametrize("make", FORMATS.values(), ids=FORMATS.keys())
def test_the_same_is_written_each_time_and_the_model_still_runs(make, tmp_path) -> None:
    path = make(tmp_path)
    before, made = path.read_bytes(), []
    for _ in range(2):
        path.write_bytes(before)
        embed(path, spec=SPEC, card=CARD)
        made.append(path.read_bytes())
    assert made[0] == made[1]
    session = open_session(path, device="cpu").session
    (given,) = session.inputs
    zeros = np.zeros(given.shape, given.dtype)
    assert list(session.run({given.name: zeros})) == [tensor.name for tensor in session.outputs]


def test_other_files_are_refused(tmp_path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name in modelfile.KERAS_MEMBERS:
            archive.writestr(name, "{}")
    with pytest.raises(ModelFileError, match=r"m.keras: wanted a file of .onnx, .tflite, .xml"):
        embed(path, spec=SPEC, card=None)


def test_the_ir_says_what_model_api_asks_for(tmp_path) -> None:
    path = openvino(tmp_path)
    embed(path, spec=SPEC, card=None)
    root = ElementTree.parse(path).getroot()
    found = {entry.tag: entry.get("value") for entry in root.find("rt_info/model_info")}
    assert (
        found
        == model_info(SPEC)
        == {
            "model_type": "Classification",
            "labels": "a red_fox",
            "topk": "2",
            "confidence_threshold": "0.25",
            "multilabel": "False",
            "hierarchical": "False",
            "output_raw_scores": "True",
            "resize_type": "fit_to_window_letterbox",
            "pad_value": "114",
            "reverse_input_channels": "True",
            "mean_values": "123.5 116.25 103.5",
            "scale_values": "58.5 57 57.5",
        }
    )
    assert json.loads(root.find("rt_info/edgecv").get("value"))["name"] == "mine"


def changed(**values) -> ModelSpec:
    return SPEC.with_changes(**values)


WITHOUT = {
    "raw heads": changed(task="detection", decoder="ssd"),
    "poses": changed(task="pose", decoder="heatmap"),
    "a zoom": changed(input=InputSpec(fit="crop", zoom=0.875)),
    "grey": changed(input=InputSpec(color="grey")),
}


@pytest.mark.parametrize("spec", WITHOUT.values(), ids=WITHOUT.keys())
def test_what_model_api_would_read_wrongly_gets_no_type(spec) -> None:
    info = model_info(spec)
    assert "model_type" not in info
    assert info["labels"] == "a red_fox"


def test_detections_are_counted_with_the_background() -> None:
    spec = changed(task="detection", decoder="detection_output")
    assert model_info(spec)["model_type"] == "SSD"
    assert model_info(spec)["labels"] == "background a red_fox"
    assert float(model_info(spec)["confidence_threshold"]) < spec.score
    plain = spec.with_changes(options={"background": False})
    assert model_info(plain)["labels"] == "a red_fox"
