from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import compiled_tflite, relu_tflite

from edgecv.bench.setting import Setting, expand
from edgecv.errors import DeviceError, UnknownNameError
from edgecv.types import Device

HERE = (
    Device("cpu", "tflite", "CPU"),
    Device("coral:usb:0", "coral", "Edge TPU"),
    Device("coral:usb:1", "coral", "Edge TPU", problem="no permission: join the group plugdev"),
    Device("cpu", "openvino", "CPU"),
    Device("gpu", "openvino", "GPU", problem="no driver"),
    Device("npu", "openvino", "simulator", simulated=True),
    Device("cpu", "onnx", "CPU"),
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return relu_tflite(tmp_path / "tiny.tflite")


@pytest.fixture
def compiled(tmp_path: Path) -> Path:
    return compiled_tflite(tmp_path / "tiny_edgetpu.tflite")


def ways(path: Path, *kinds: str, **options) -> list[tuple[str, str, int]]:
    settings = expand(str(path), path, kinds=kinds, found=HERE, **options)
    assert {setting.model for setting in settings} == {str(path)}
    return [(one.runtime, one.device, one.threads) for one in settings]


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (Setting("a/tiny.tflite", "tflite", "cpu", 1), "tiny.tflite on cpu by tflite, 1 thread"),
        (Setting("movenet", "onnx", "cpu", 4), "movenet on cpu by onnx, 4 threads"),
        (Setting("movenet", "coral", "coral:usb:0", 0), "movenet on coral:usb:0 by coral"),
    ],
    ids=["one thread", "several threads", "no threads"],
)
def test_a_setting_says_what_it_is(setting, text) -> None:
    assert str(setting) == text


@pytest.mark.parametrize(
    ("kinds", "options", "expected"),
    [
        (["cpu"], {}, [("tflite", "cpu", 1), ("openvino", "cpu", 1)]),
        (["cpu"], {"runtimes": ("openvino",)}, [("openvino", "cpu", 1)]),
        (
            ["cpu"],
            {"runtimes": ("tflite",), "threads": (1, 4)},
            [("tflite", "cpu", 1), ("tflite", "cpu", 4)],
        ),
        (["all"], {}, [("tflite", "cpu", 1), ("openvino", "cpu", 1)]),
        (["npu"], {"threads": (1, 4)}, [("openvino", "npu", 0)]),
        (
            ["all", "npu"],
            {},
            [("tflite", "cpu", 1), ("openvino", "cpu", 1), ("openvino", "npu", 0)],
        ),
    ],
    ids=["cpu", "one runtime", "threads", "all", "no threads but for CPUs", "simulated by name"],
)
def test_a_model_has_a_setting_for_each_way_to_run_it(model, kinds, options, expected) -> None:
    assert ways(model, *kinds, **options) == expected


@pytest.mark.parametrize("kind", ["coral", "coral:usb:0", "all"])
def test_a_compiled_file_runs_on_the_edge_tpu_alone(compiled, kind) -> None:
    assert ways(compiled, kind, threads=(1, 2)) == [("coral", "coral:usb:0", 0)]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("coral", r"nothing here runs tiny\.tflite on coral"),
        ("gpu", "on gpu: .*openvino on gpu: no driver"),
        ("coral:usb:1", "no permission: join the group plugdev"),
    ],
)
def test_a_device_that_cannot_run_the_file_is_told_with_the_reason(model, kind, said) -> None:
    with pytest.raises(DeviceError, match=said):
        ways(model, kind)


def test_a_compiled_file_is_not_run_on_the_cpu(compiled) -> None:
    with pytest.raises(DeviceError, match=r"nothing here runs tiny_edgetpu\.tflite on cpu"):
        ways(compiled, "cpu")


def test_a_device_that_is_not_here_is_refused_with_the_nearest(model) -> None:
    with pytest.raises(UnknownNameError, match="no device 'cpus'; did you mean 'cpu'"):
        ways(model, "cpu", "cpus")


def test_the_machine_is_asked_where_no_devices_are_given(model) -> None:
    settings = expand(str(model), model, kinds=("cpu",), runtimes=("tflite",))
    assert settings == [Setting(str(model), "tflite", "cpu", 1)]
