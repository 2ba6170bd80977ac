from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny_uint8
from edgecv.converters import parity
from edgecv.converters.int8_rewrite import rewrite, rewrite_file
from edgecv.converters.parity import picture
from tiny_models import compiled_tflite, relu_tflite
from tiny_uint8 import Quant

import edgecv
from edgecv import zoo as models
from edgecv.boxes import iou
from edgecv.errors import ModelFileError, OutputError
from edgecv.session import Session, open_session
from edgecv.tflitegraph import OPERATOR, TYPE, Graph

OLD = {
    "deeplabv3_mnv2_dm05_pascal_quant": 2.0,
    "mobilenet_v1_0.25_128_quant": 1.5,
    "mobilenet_v1_0.25_224_int8": 1.5,
    "mobilenet_v1_0.5_160_int8": 1.0,
    "mobilenet_v2_1.0_224_int8": 1.0,
    "ssd_mobilenet_v1_coco_int8": 0.7,
}
"""The public uint8 models, and how many steps their outputs move at most, on average."""

REFUSED = {
    "blazeface_short_range": "no quantized model: wanted tensors of uint8",
    "mobilenet_v1_0.25_224_fp32": "no quantized model",
    "movenet_lightning_int8": "int8 already",
    "tf2_mobilenet_v2_1.0_224_ptq": "int8 already",
    "mobilenet_v1_0.25_128_quant_edgetpu": "compiled for the Edge TPU; give the file",
    "deeplabv3_mnv2_dm05_pascal_quant_edgetpu": "compiled for the Edge TPU",
}


def opened(data: bytes, folder: Path) -> Session:
    file = folder / f"{len(list(folder.iterdir()))}.tflite"  # one each: they stay mapped
    file.write_bytes(data)
    return open_session(file, device="cpu", runtime="tflite").session


def signed(values: np.ndarray) -> np.ndarray:
    return (values ^ np.uint8(128)).view(np.int8)


@pytest.mark.parametrize("int8_inputs", [False, True], ids=["bytes", "signed bytes"])
def test_a_classifier_says_the_same_within_a_step_or_two(int8_inputs, tmp_path: Path) -> None:
    source = tiny_uint8.classifier()
    old, new = opened(source, tmp_path), opened(rewrite(source, int8_inputs=int8_inputs), tmp_path)
    for seed in range(8):
        given = picture(old.inputs[0], seed)
        (was,) = old.run({"x": given}).values()
        (now,) = new.run({"x": signed(given) if int8_inputs else given}).values()
        assert np.ptp(was) > 30
        assert np.abs(was.astype(int) - now).max() <= 3


def test_a_detector_with_its_post_processing_finds_the_same(tmp_path: Path) -> None:
    source = tiny_uint8.detector()
    old, new = opened(source, tmp_path), opened(rewrite(source), tmp_path)
    for seed in range(4):
        given = {"x": picture(old.inputs[0], seed)}
        was, now = old.run(given), new.run(given)
        boxes, classes, scores, count = (was[f"detections:{i}"] for i in range(4))
        np.testing.assert_allclose(now["detections:2"], scores, atol=0.02)
        sure = scores[0] > scores[0].min() + 0.03  # the last ones may be others
        same = iou(boxes[0], now["detections:0"][0]) > 0.95
        same &= classes[0][:, None] == now["detections:1"][0][None]
        assert sure.sum() > 2
        assert same.any(axis=1)[sure].all()
        assert count == now["detections:3"] == 10


def test_inputs_and_outputs_stay_what_they_were(tmp_path: Path) -> None:
    source = tiny_uint8.classifier()
    old, new = opened(source, tmp_path), opened(rewrite(source), tmp_path)
    assert (old.inputs, old.outputs) == (new.inputs, new.outputs)


def test_an_input_may_become_int8_for_the_same_numbers(tmp_path: Path) -> None:
    session = opened(rewrite(tiny_uint8.classifier(), int8_inputs=True), tmp_path)
    (given,) = session.inputs
    assert (given.name, given.dtype, given.quant) == ("x", np.int8, (1 / 128, 0))
    assert session.outputs[0].dtype == np.uint8


def test_nothing_within_is_uint8() -> None:
    graph = Graph(rewrite(tiny_uint8.classifier()))
    left = [i for i, tensor in enumerate(graph.tensors) if tensor.type == TYPE.UINT8]
    assert left == [*graph.inputs, *graph.outputs]


def constants(data: bytes) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the integers, scales and zero points of constants by name."""
    graph = Graph(data)
    found = {}
    for index, tensor in enumerate(graph.tensors):
        values = graph.values(index)
        if values is not None:
            quant = tensor.quantization
            found[tensor.name.decode()] = (values, quant.scale, quant.zeroPoint)
    return found


@pytest.mark.parametrize(("name", "axis"), [("conv", 0), ("depthwise", 3)])
def test_channels_that_fit_keep_their_values_and_others_move_by_half_a_step(name, axis) -> None:
    source = tiny_uint8.classifier()
    was, old_scale, old_zero = constants(source)[name]
    now, scales, zeros = constants(rewrite(source))[name]
    assert now.dtype == np.int8
    assert len(scales) == was.shape[axis]
    assert not zeros.any()
    steps = np.moveaxis(was.astype(int) - int(old_zero[0]), axis, 0)
    fits = np.abs(steps).reshape(len(steps), -1).max(axis=1) <= 127
    assert fits.any()
    assert not fits.all()
    now = np.moveaxis(now, axis, 0)
    np.testing.assert_array_equal(now[fits], steps[fits])
    np.testing.assert_array_equal(scales[fits], old_scale[0])
    wide = (-1, *[1] * (now.ndim - 1))
    apart = now * scales.reshape(wide) - steps * old_scale[0]
    assert (np.abs(apart) <= scales.reshape(wide) * 0.501).all()


@pytest.mark.parametrize("name", ["conv_bias", "depthwise_bias", "dense_bias"])
def test_a_bias_keeps_its_value_on_the_scales_of_its_sums(name) -> None:
    source = tiny_uint8.classifier()
    was, old_scale, _ = constants(source)[name]
    now, scales, zeros = constants(rewrite(source))[name]
    assert not zeros.any()
    assert (np.abs(now * scales - was * old_scale) <= scales * 0.501).all()


def test_what_is_joined_has_one_scale() -> None:
    graph = Graph(rewrite(tiny_uint8.classifier()))
    (join,) = (o for o in graph.operators if graph.code(o) == OPERATOR.CONCATENATION)
    quants = [graph.tensors[i].quantization for i in (*join.inputs, *join.outputs)]
    assert {(float(q.scale[0]), int(q.zeroPoint[0])) for q in quants} == {(np.float32(0.05), -28)}


def test_the_same_file_gives_the_same_bytes() -> None:
    source = tiny_uint8.classifier()
    assert rewrite(source, files={"a": b"b"}) == rewrite(source, files={"a": b"b"})


def with_labels(data: bytes) -> bytes:
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
        archive.writestr("edgecv.json", "{}")
    return out.getvalue()


def test_associated_files_are_kept_and_new_ones_added(tmp_path: Path) -> None:
    made = rewrite(with_labels(tiny_uint8.classifier()), files={"edgecv.json": b"[]"})
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert sorted(archive.namelist()) == ["edgecv.json", "labels.txt"]
        assert archive.read("labels.txt") == b"cat\ndog\n"
        assert archive.read("edgecv.json") == b"[]"
    opened(made, tmp_path)


def edgetpu(folder: Path) -> bytes:
    return compiled_tflite(folder / "tpu.tflite").read_bytes()


def floats(folder: Path) -> bytes:
    return relu_tflite(folder / "floats.tflite").read_bytes()


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


BAD = {
    "int8": (lambda f: rewrite(tiny_uint8.classifier()), "it is int8 already"),
    "floats": (floats, "no quantized model: wanted tensors of uint8"),
    "compiled": (edgetpu, "compiled for the Edge TPU; give the file it was compiled from"),
    "operators": (lambda f: tiny_uint8.classifier(last="TANH"), "no rule for the operators TANH"),
    "custom": (lambda f: tiny_uint8.detector(operator="Mine"), "no rule for the operators Mine"),
    "scale": (
        lambda f: tiny_uint8.classifier(scores=Quant(1 / 128, 3)),
        r"SOFTMAX gives scale 0\.0078125 and zero point 3, which are 0\.00390625 and 0 in int8",
    ),
    "shared": (lambda f: tiny_uint8.classifier(shared=True), "CONV_2D share their weights"),
    "cut short": (lambda f: cut(tiny_uint8.classifier()), "damaged or cut short"),
    "no model": (lambda f: b"PK\3\4" * 9, "not a TFLite model: bytes 4 to 8"),
    "its archive": (
        lambda f: with_labels(tiny_uint8.classifier()).replace(b"cat\ndog", b"cat\nfog", 1),
        "the archive at the end of the TFLite model is damaged",
    ),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_rewritten_is_refused_with_the_reason(make, message, tmp_path) -> None:
    source, target = tmp_path / "old.tflite", tmp_path / "out" / "new.tflite"
    source.write_bytes(make(tmp_path))
    with pytest.raises(ModelFileError, match=message) as raised:
        rewrite_file(source, target)
    assert str(raised.value).startswith("old.tflite is not rewritten to int8: ")
    assert list(target.parent.iterdir()) == []


def test_a_damaged_file_is_refused_and_nothing_else_happens() -> None:
    source = np.frombuffer(tiny_uint8.classifier(), np.uint8)
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = source.copy()
        damaged[rng.integers(8, len(source), 12)] = rng.integers(0, 256, 12)
        try:
            rewrite(damaged.tobytes())
        except ModelFileError:
            refused += 1
    assert refused > 100


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot read .*none\.tflite: No such file"):
        rewrite_file(tmp_path / "none.tflite", tmp_path / "new.tflite")


def test_a_folder_that_cannot_be_made_is_told_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        rewrite_file(tmp_path / "none.tflite", tmp_path / "file" / "new.tflite")


def test_files_that_do_not_agree_are_not_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(parity, "MOST_STEPS", 0.0)
    source, target = tmp_path / "old.tflite", tmp_path / "new.tflite"
    source.write_bytes(tiny_uint8.classifier())
    target.write_bytes(b"before")
    with pytest.raises(ModelFileError, match=r"logits differs by \d\.\d quantization steps"):
        rewrite_file(source, target)
    assert target.read_bytes() == b"before"
    assert sorted(tmp_path.iterdir()) == [target, source]


@pytest.mark.zoo
@pytest.mark.parametrize(("name", "most"), OLD.items(), ids=OLD.keys())
def test_public_uint8_models_can_be_rewritten(name, most, zoo: Path, tmp_path: Path) -> None:
    agreement = rewrite_file(zoo / f"{name}.tflite", tmp_path / "new.tflite", int8_inputs=True)
    assert 0 < agreement.mean < most
    assert agreement.pictures >= 4


@pytest.mark.zoo
@pytest.mark.parametrize(("name", "message"), REFUSED.items(), ids=REFUSED.keys())
def test_other_public_models_are_refused_with_the_reason(name, message, zoo: Path) -> None:
    with pytest.raises(ModelFileError, match=message):
        rewrite((zoo / f"{name}.tflite").read_bytes())


@pytest.mark.zoo
def test_every_public_model_that_is_marked_is_one_that_can_be_rewritten(zoo: Path) -> None:
    marked = {
        name
        for name in models.names()
        if models.entry(name).int8_rewrite and not models.entry(name).bundled
    }
    assert marked <= set(OLD)
    assert not {name for name in marked if models.entry(name).edgetpu_twin}


@pytest.mark.zoo
@pytest.mark.data
def test_the_public_detector_finds_the_same_in_photographs(
    zoo: Path, data: Path, tmp_path: Path
) -> None:
    name, made = "ssd_mobilenet_v1_coco_int8", tmp_path / "new.tflite"
    rewrite_file(zoo / f"{name}.tflite", made)
    spec = models.spec(name)
    found = kept = 0
    with (
        edgecv.Model(open_session(zoo / f"{name}.tflite", device="cpu").session, spec) as old,
        edgecv.load(made, spec=spec.with_changes(score=0.3)) as new,
    ):
        for file in sorted((data / "coco_eval" / "images").iterdir())[:60]:
            image = edgecv.read_image(file)
            was, now = old(image), new(image)
            sure = was[was.scores > 0.55]
            same = iou(sure.boxes, now.boxes) > 0.85
            same &= sure.class_ids[:, None] == now.class_ids[None]
            found, kept = found + len(sure), kept + int(same.any(axis=1).sum())
    assert found > 50
    assert kept / found > 0.95
