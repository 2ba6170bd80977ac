from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from edgecv.runtimes import tflite
from tiny_models import SHAPE, compiled_tflite, relu_onnx, relu_tflite
from virtual_edgetpu import VirtualEdgeTpu

import edgecv
from edgecv import session
from edgecv.errors import (
    DeviceError,
    InferenceError,
    ModelFileError,
    PackageMissingError,
    UnknownNameError,
)
from edgecv.session import RUNTIMES, open_session


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    """Make packages look as if they were not installed."""

    def forget(*packages: str) -> None:
        for package in packages:
            monkeypatch.setitem(sys.modules, package, None)
        for runtime in ("onnx", "openvino", "qnn"):
            monkeypatch.delitem(sys.modules, f"edgecv.runtimes.{runtime}", raising=False)
        monkeypatch.setattr(tflite, "PACKAGES", {f"{package}.x": package for package in packages})
        tflite.interpreter_module.cache_clear()

    yield forget
    tflite.interpreter_module.cache_clear()


def test_auto_takes_the_first_runtime_of_the_format(tmp_path: Path) -> None:
    opened = open_session(relu_tflite(tmp_path / "m.tflite"))
    assert (opened.runtime, opened.device, opened.fallback) == ("tflite", "cpu", "")
    x = np.full(SHAPE, -1, np.float32)
    assert opened.session.run({"x": x})["y"].max() == 0


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_the_runtime_that_is_asked_for_is_taken(runtime: str, tmp_path: Path) -> None:
    opened = open_session(relu_onnx(tmp_path / "m.onnx"), runtime=runtime, device="cpu", threads=1)
    assert opened.runtime == runtime


def test_openvinos_combinations_belong_to_openvino(tmp_path: Path) -> None:
    opened = open_session(relu_onnx(tmp_path / "m.onnx"), device="AUTO:CPU")
    assert (opened.runtime, opened.device) == ("openvino", "AUTO:CPU on CPU")


def test_auto_goes_on_to_the_next_runtime_and_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = relu_onnx(tmp_path / "new.onnx", opset=99)
    with caplog.at_level(logging.WARNING):
        opened = open_session(path)
    assert (opened.runtime, opened.device) == ("openvino", "cpu")
    assert "Opset 99" in opened.fallback
    assert "onnx on cpu is passed over for new.onnx" in caplog.text


def test_a_device_that_is_asked_for_is_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match="Opset 99"):
        open_session(relu_onnx(tmp_path / "new.onnx", opset=99), device="cpu")


def test_a_damaged_file_is_not_tried_on_every_runtime(tmp_path: Path) -> None:
    path = relu_tflite(tmp_path / "m.tflite")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ModelFileError, match="damaged or cut short"):
        open_session(path)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_count_from_one(threads: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"threads counts from 1, got {threads}"):
        open_session(relu_tflite(tmp_path / "m.tflite"), threads=threads)


UNKNOWN = {
    "device": ({"device": "corall"}, "no device 'corall'; did you mean 'coral'"),
    "device and number": ({"device": "cudaa:0"}, "no device 'cudaa:0'; did you mean 'cuda'"),
    "device far off": ({"device": "xyz"}, "no device 'xyz'; there are: .*coral.*cpu.*npu"),
    "runtime": ({"runtime": "openvinno"}, "no runtime 'openvinno'; did you mean 'openvino'"),
}


@pytest.mark.parametrize(("options", "message"), UNKNOWN.values(), ids=UNKNOWN.keys())
def test_unknown_names_are_answered_with_the_nearest(options, message, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=message):
        open_session(relu_tflite(tmp_path / "m.tflite"), **options)


def test_a_runtime_that_does_not_read_the_kind_of_file_is_refused(tmp_path: Path) -> None:
    message = r"'onnx' does not read \.tflite files; tflite, coral, openvino do"
    with pytest.raises(ModelFileError, match=message):
        open_session(relu_tflite(tmp_path / "m.tflite"), runtime="onnx")


def test_a_device_that_is_not_here_is_answered_with_those_that_are(tmp_path: Path) -> None:
    if "cuda" in {device.kind for device in edgecv.devices()}:
        pytest.skip("this machine has CUDA")
    with pytest.raises(DeviceError, match=r"no device 'cuda' .* there are: cpu \(onnx\)"):
        open_session(relu_onnx(tmp_path / "m.onnx"), device="cuda")


def test_an_unusable_device_is_answered_with_its_problem(tmp_path: Path) -> None:
    (gpu,) = [d for d in edgecv.devices() if d.name == "gpu"] or [None]
    if gpu is None or not gpu.problem:
        pytest.skip("OpenVINO's GPU plugin is absent, or finds a GPU")
    with pytest.raises(DeviceError, match="openvino on gpu: OpenVINO finds no GPU: install"):
        open_session(relu_tflite(tmp_path / "m.tflite"), device="gpu")


def test_without_any_package_the_lines_that_install_them_are_given(without, tmp_path: Path) -> None:
    path = relu_onnx(tmp_path / "m.onnx")
    without("onnxruntime", "onnxruntime_qnn", "openvino")
    with pytest.raises(PackageMissingError, match=r"nothing here runs m\.onnx") as caught:
        open_session(path)
    for extra in ("onnx", "openvino", "qnn"):
        assert f"pip install 'edgecv[{extra}]'" in str(caught.value)


def test_auto_does_with_the_packages_that_are_there(without, tmp_path: Path) -> None:
    path = relu_onnx(tmp_path / "m.onnx")
    without("onnxruntime")
    opened = open_session(path)
    assert opened.runtime == "openvino"
    assert "pip install 'edgecv[onnx]'" in opened.fallback


def test_a_missing_package_is_listed_with_the_line_that_installs_it(without) -> None:
    without("onnxruntime", "onnxruntime_qnn", "openvino")
    listed = {device.runtime: device for device in session.devices()}
    assert set(RUNTIMES) - set(listed) <= {"coral"}
    for runtime in ("onnx", "openvino", "qnn"):
        assert f"edgecv[{runtime}]" in listed[runtime].problem
    assert "edgecv[tflite]" in listed["tflite"].problem


def test_every_device_can_be_asked_for_by_its_name() -> None:
    known = {*session.DEVICE_KINDS, *session.COMBINED}
    assert {device.kind for device in edgecv.devices()} - {"-"} <= known


# ---- models compiled for the Edge TPU


@pytest.fixture
def no_tpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGECV_EDGETPU_LIB", raising=False)
    if any(device.kind == "coral" for device in session.devices(["coral"])):
        pytest.skip("an Edge TPU is plugged in")


COMPILED = {
    "auto": "no Edge TPU was found; plug one in, or give the .tflite file it was compiled from",
    "coral": "no Edge TPU was found; plug one in",
    "cpu": "cpu cannot run it; use --device coral, or give the .tflite file",
    "AUTO": "AUTO cannot run it",
}


@pytest.mark.parametrize(("device", "message"), COMPILED.items(), ids=COMPILED.keys())
def test_a_compiled_model_without_its_device_is_told_so(
    device: str, message: str, no_tpu: None, tmp_path: Path
) -> None:
    path = compiled_tflite(tmp_path / "m_edgetpu.tflite")
    with pytest.raises(DeviceError, match=f"m_edgetpu.tflite was compiled for .*: {message}"):
        open_session(path, device=device)


def test_a_model_for_the_cpu_is_not_opened_on_a_coral_that_is_not_there(
    no_tpu: None, tmp_path: Path
) -> None:
    with pytest.raises(DeviceError, match=r"no device 'coral' here .* cpu \(tflite\)"):
        open_session(relu_tflite(tmp_path / "m.tflite"), device="coral")


@pytest.mark.gcc
@pytest.mark.parametrize("device", ["auto", "coral", "coral:0", "coral:usb"])
def test_a_compiled_model_finds_its_device(
    device: str, edgetpu_library: Path, tmp_path: Path
) -> None:
    twin = relu_tflite(tmp_path / "m.tflite", dtype="uint8")
    with VirtualEdgeTpu(edgetpu_library, twin):
        opened = open_session(compiled_tflite(tmp_path / "m_edgetpu.tflite"), device=device)
    assert (opened.runtime, opened.fallback) == ("coral", "")
    assert opened.device == ("coral" if device == "auto" else device)


@pytest.mark.gcc
def test_a_device_that_refuses_is_told_with_its_reason(
    edgetpu_library: Path, tmp_path: Path
) -> None:
    path = compiled_tflite(tmp_path / "m_edgetpu.tflite")
    with VirtualEdgeTpu(edgetpu_library, relu_tflite(tmp_path / "m.tflite")) as tpu:
        tpu.unplug()
        with pytest.raises(DeviceError, match="compiled for the Edge TPU: coral: no Edge TPU ans"):
            open_session(path)
