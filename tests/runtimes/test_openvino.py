from __future__ import annotations

import logging
import shutil
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from edgecv.runtimes import openvino
from tiny_models import QUANT, SHAPE, compiled_tflite, relu_onnx, relu_tflite

from edgecv.cache import cache_dir
from edgecv.errors import DeviceError, InferenceError, ModelFileError
from edgecv.types import Quant


def relu_ir(
    path: Path, *, names: bool = True, sides: list[int] | None = None, layer: str = "given"
) -> Path:
    """Write max(x, 0) as OpenVINO's .xml and .bin."""
    ops = ov.opset13
    given = ops.parameter(sides or list(SHAPE), np.float32, name=layer)
    # a constant, so that the .bin is not empty
    made = ops.maximum(given, ops.constant(np.zeros((1, 8, 8, 3), np.float32)))
    if names:
        given.output(0).set_names({"x"})
        made.output(0).set_names({"y", "y:0", "another"})
    ov.save_model(ov.Model([made], [given], "tiny"), path, compress_to_fp16=False)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_integers_of_a_tflite_file_keep_what_they_stand_for(dtype: str, tmp_path: Path) -> None:
    path = relu_tflite(tmp_path / "m.tflite", dtype=dtype)
    session = openvino.open_session(path, "cpu", threads=1)
    assert session.inputs[0].dtype == session.outputs[0].dtype == dtype
    assert session.inputs[0].quant == session.outputs[0].quant == Quant(*QUANT)
    x = np.arange(192).astype(dtype).reshape(SHAPE)
    np.testing.assert_array_equal(session.run({"x": x})["y"], np.maximum(x, QUANT[1]))


def test_of_several_names_the_first_in_the_alphabet_is_taken(tmp_path: Path) -> None:
    session = openvino.open_session(relu_ir(tmp_path / "m.xml"), "cpu", threads=1)
    assert ([t.name for t in session.inputs], [t.name for t in session.outputs]) == (
        ["x"],
        ["another"],
    )


def test_nameless_tensors_have_names_that_stay(tmp_path: Path) -> None:
    path = relu_ir(tmp_path / "m.xml", names=False)
    first, second = (openvino.open_session(path, "cpu", threads=1) for _ in range(2))
    assert (first.inputs, first.outputs) == (second.inputs, second.outputs)
    x = np.full(SHAPE, 2, np.float32)
    made = first.run({first.inputs[0].name: x})
    np.testing.assert_array_equal(made[first.outputs[0].name], x)


@pytest.mark.parametrize("device", ["cpu", "AUTO", "HETERO:CPU", "MULTI:CPU"])
def test_models_that_differ_in_the_names_of_layers_alone_share_the_cache(
    device: str, tmp_path: Path
) -> None:
    x = np.full(SHAPE, 2, np.float32)
    for layer in ("first", "second"):
        path = relu_ir(tmp_path / f"{layer}.xml", layer=layer)
        session = openvino.open_session(path, device, threads=1)
        np.testing.assert_array_equal(session.run({"x": x})["another"], x)


def test_names_are_the_same_when_the_compiled_model_comes_from_the_cache(tmp_path: Path) -> None:
    path = relu_ir(tmp_path / "m.xml")
    fresh, cached = (openvino.open_session(path, "cpu", threads=1) for _ in range(2))
    assert (fresh.inputs, fresh.outputs) == (cached.inputs, cached.outputs)
    assert list((cache_dir() / "openvino").glob("*.blob"))


def test_a_batch_that_the_file_leaves_open_is_one(tmp_path: Path) -> None:
    path = relu_tflite(tmp_path / "m.tflite", open_batch=True)
    session = openvino.open_session(path, "cpu", threads=1)
    assert session.inputs[0].shape == session.outputs[0].shape == SHAPE


def test_other_open_sides_stay_open(tmp_path: Path) -> None:
    path = relu_ir(tmp_path / "m.xml", sides=[1, -1, -1, 3])
    session = openvino.open_session(path, "cpu", threads=1)
    assert session.inputs[0].shape == (1, None, None, 3)
    x = np.full((1, 8, 8, 3), -1, np.float32)
    assert session.run({"x": x})["another"].max() == 0


def test_the_cpu_calculates_in_float32(tmp_path: Path) -> None:
    settings = openvino._settings("CPU", 2)
    compiled = openvino.core().compile_model(relu_ir(tmp_path / "m.xml"), "CPU", settings)
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == ov.Type.f32
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 2


@pytest.mark.parametrize("device", ["AUTO", "AUTO:CPU", "HETERO:CPU", "MULTI:CPU"])
def test_combinations_are_passed_on_and_tell_where_they_run(device: str, tmp_path: Path) -> None:
    session = openvino.open_session(relu_ir(tmp_path / "m.xml"), device, threads=1)
    assert session.device == f"{device} on CPU"
    x = np.full(SHAPE, -1, np.float32)
    assert session.run({"x": x})["another"].max() == 0


@pytest.mark.zoo
@pytest.mark.parametrize("device", ["AUTO", "HETERO:CPU"])
def test_combinations_calculate_as_the_cpu_does(device: str, zoo: Path) -> None:
    # Their own default is bfloat16 where the processor has it, and differs by 0.003 here.
    path = zoo / "mobilenet_v1_0.25_224_fp32.tflite"
    x = np.random.default_rng(0).random((1, 224, 224, 3), np.float32)
    here, there = (
        next(iter(openvino.open_session(path, name, threads=1).run({"input": x}).values()))
        for name in ("cpu", device)
    )
    np.testing.assert_array_equal(here, there)


BAD_DEVICES = {
    "of no plugin": ("AUTO:TPU", "AUTO:TPU: OpenVINO has no device 'TPU'; it finds .*CPU"),
    "of another number": ("cpu:1", "has no device 'CPU.1'"),
    "nothing to combine": ("HETERO", "HETERO wants devices to combine, such as HETERO:GPU,CPU"),
}


@pytest.mark.parametrize(("device", "message"), BAD_DEVICES.values(), ids=BAD_DEVICES.keys())
def test_devices_that_are_not_there_are_told(device: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=message):
        openvino.open_session(relu_ir(tmp_path / "m.xml"), device, threads=1)


@pytest.mark.parametrize(("device", "hint"), [("gpu", "intel-opencl-icd"), ("npu", "driver")])
def test_a_plugin_without_its_device_is_listed_with_what_it_lacks(device: str, hint: str) -> None:
    found = [d for d in openvino.list_devices() if d.kind == device]
    if not found:
        pytest.skip("this build of OpenVINO has no such plugin")
    if not found[0].problem:
        pytest.skip(f"this machine has a {device}")
    assert hint in found[0].problem
    with pytest.raises(DeviceError, match=f"OpenVINO finds no {device.upper()}"):
        openvino.open_session(Path("not asked for.xml"), device, threads=1)


def test_device_names_are_those_of_openvino() -> None:
    names = {"cpu": "CPU", "gpu": "GPU", "gpu:1": "GPU.1", "HETERO:GPU,CPU": "HETERO:GPU,CPU"}
    assert {name: openvino._plugin_name(name) for name in names} == names


LACKING = {
    "of TFLite": (lambda folder: compiled_tflite(folder / "m.tflite", operator="mine"), "tflite"),
    "of ONNX": (lambda folder: relu_onnx(folder / "m.onnx", operator="mine", domain="x"), "onnx"),
}


@pytest.mark.parametrize(("write", "runtime"), LACKING.values(), ids=LACKING.keys())
def test_an_operator_that_openvino_lacks_is_named_with_the_way_out(
    write, runtime: str, tmp_path: Path
) -> None:
    with pytest.raises(InferenceError, match=f"no operator .*mine; .*--runtime {runtime}"):
        openvino.open_session(write(tmp_path), "cpu", threads=1)


@pytest.mark.zoo
def test_the_detectors_own_postprocessing_is_named_with_the_way_out(zoo: Path) -> None:
    path = zoo / "ssd_mobilenet_v1_coco_int8.tflite"
    with pytest.raises(InferenceError, match=r"TFLite_Detection_PostProcess; .*--runtime tflite"):
        openvino.open_session(path, "cpu", threads=1)


WRITERS = {
    ".onnx": relu_onnx,
    ".tflite": relu_tflite,
    ".xml": relu_ir,
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_cut_short_is_refused(suffix: str, tmp_path: Path) -> None:
    path = WRITERS[suffix](tmp_path / f"m{suffix}")
    data, cut = path.read_bytes(), tmp_path / f"cut{suffix}"
    if suffix == ".xml":
        shutil.copy(path.with_suffix(".bin"), cut.with_suffix(".bin"))
    for length in range(len(data) // 9, len(data) - 20, len(data) // 9):
        cut.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match=f"cut{suffix} is damaged"):
            openvino.open_session(cut, "cpu", threads=1)


@pytest.mark.parametrize("length", [0, 1, 400])
def test_weights_cut_short_are_refused(length: int, tmp_path: Path) -> None:
    path = relu_ir(tmp_path / "m.xml")
    weights = path.with_suffix(".bin")
    assert weights.stat().st_size > 400
    weights.write_bytes(weights.read_bytes()[:length])
    with pytest.raises(ModelFileError, match="Incorrect weights in bin file"):
        openvino.open_session(path, "cpu", threads=1)


def test_a_damaged_compiled_model_is_compiled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "cache"))
    path, x = relu_ir(tmp_path / "m.xml"), np.full(SHAPE, 3, np.float32)
    openvino.open_session(path, "cpu", threads=1)
    (blob,) = (tmp_path / "cache" / "openvino").glob("*.blob")
    blob.write_bytes(blob.read_bytes()[:200])
    session = openvino.open_session(path, "cpu", threads=1)
    np.testing.assert_array_equal(session.run({"x": x})["another"], x)


def test_a_cache_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "file" / "cache"))
    path = relu_ir(tmp_path / "m.xml")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            openvino.open_session(path, "cpu", threads=1)
    (line,) = caplog.messages
    assert "compiled models are not kept" in line
