from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from edgecv.runtimes import coral
from edgecv.runtimes.edgetpu import LIBRARY_VARIABLE
from edgecv.runtimes.tflite import interpreter_module
from tiny_models import SHAPE, compiled_tflite, relu_tflite
from virtual_edgetpu import VirtualEdgeTpu

import edgecv
from edgecv.errors import DeviceError, DeviceLostError

pytestmark = pytest.mark.gcc
PUBLIC = "mobilenet_v1_0.25_128_quant"
X = {"x": np.arange(192, dtype=np.uint8).reshape(SHAPE)}


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A tiny model and the same as the Edge TPU's compiler would leave it."""
    return (
        relu_tflite(tmp_path / "tiny.tflite", dtype="uint8"),
        compiled_tflite(tmp_path / "tiny_edgetpu.tflite"),
    )


@pytest.fixture
def tpu(edgetpu_library: Path, pair: tuple[Path, Path]) -> Iterator[VirtualEdgeTpu]:
    with VirtualEdgeTpu(edgetpu_library, pair[0], devices=("usb:0", "pci:0")) as device:
        yield device


def test_a_compiled_model_runs_on_the_device(tpu: VirtualEdgeTpu, pair: tuple[Path, Path]) -> None:
    session = coral.open_session(pair[1], "coral", threads=None)
    np.testing.assert_array_equal(session.run(X)["y"], np.maximum(X["x"], 10))
    assert tpu.calls == 1


@pytest.mark.parametrize(
    "device",
    ["coral", "coral:0", "coral:1", "coral:usb", "coral:usb:0", "coral:pci", "coral:pci:0"],
)
def test_a_device_is_found_by_its_names(
    device: str, tpu: VirtualEdgeTpu, pair: tuple[Path, Path]
) -> None:
    coral.open_session(pair[1], device, threads=None).run(X)
    assert tpu.calls == 1


@pytest.mark.parametrize("device", ["coral:2", "coral:usb:1", "coral:pci:7", "coral:sdio"])
def test_a_device_that_is_not_there_is_told_with_what_to_do(
    device: str, tpu: VirtualEdgeTpu, pair: tuple[Path, Path]
) -> None:
    with pytest.raises(DeviceError, match=f"no Edge TPU answers as '{device}'.*not plugged in"):
        coral.open_session(pair[1], device, threads=None)


def test_a_model_for_the_cpu_is_not_run_there(tpu: VirtualEdgeTpu, pair: tuple[Path, Path]) -> None:
    with pytest.raises(DeviceError, match=r"tiny\.tflite is not compiled .* on the CPU entirely"):
        coral.open_session(pair[0], "coral", threads=None)


def test_unplugging_is_told_and_plugging_in_again_helps(
    tpu: VirtualEdgeTpu, pair: tuple[Path, Path]
) -> None:
    session = coral.open_session(pair[1], "coral", threads=None)
    session.run(X)
    tpu.unplug()
    with pytest.raises(DeviceLostError, match=r"stopped answering .* plug it in again"):
        session.run(X)
    with pytest.raises(DeviceError, match="no such device"):
        coral.open_session(pair[1], "coral", threads=None)
    tpu.plug()
    coral.open_session(pair[1], "coral", threads=None).run(X)
    assert tpu.calls == 2


def test_a_device_that_fails_after_some_runs_fails_from_then_on(
    edgetpu_library: Path, pair: tuple[Path, Path]
) -> None:
    with VirtualEdgeTpu(edgetpu_library, pair[0], fail_after=2):
        session = coral.open_session(pair[1], "coral", threads=None)
        for _ in range(2):
            session.run(X)
        for _ in range(2):
            with pytest.raises(DeviceLostError):
                session.run(X)


def test_the_virtual_device_takes_the_time_it_is_told(
    edgetpu_library: Path, pair: tuple[Path, Path]
) -> None:
    with VirtualEdgeTpu(edgetpu_library, pair[0], latency_us=30_000):
        session = coral.open_session(pair[1], "coral", threads=None)
        start = perf_counter()
        session.run(X)
        assert perf_counter() - start >= 0.03


def test_the_virtual_device_is_as_strict_as_the_library(
    edgetpu_library: Path, tpu: VirtualEdgeTpu
) -> None:
    with pytest.raises(ValueError, match="unknown option speed"):
        interpreter_module().load_delegate(str(edgetpu_library), {"speed": "max"})


def test_a_twin_of_another_size_fails_the_run(
    edgetpu_library: Path, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    floats = relu_tflite(tmp_path / "floats.tflite")
    with VirtualEdgeTpu(edgetpu_library, floats):
        session = coral.open_session(pair[1], "coral", threads=None)
        with pytest.raises(DeviceLostError, match="the twin model failed"):
            session.run(X)


def test_nothing_is_left_in_the_environment(
    edgetpu_library: Path, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LIBRARY_VARIABLE, raising=False)
    with VirtualEdgeTpu(edgetpu_library, pair[0]):
        assert [device.name for device in coral.list_devices()] == ["coral"]
    assert all(device.name != "coral" for device in coral.list_devices())


# ---- a public model and the file that Google's compiler made of it


@pytest.fixture
def public_tpu(zoo: Path, edgetpu_library: Path) -> Iterator[VirtualEdgeTpu]:
    with VirtualEdgeTpu(edgetpu_library, zoo / f"{PUBLIC}.tflite") as device:
        yield device


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)


@pytest.mark.zoo
def test_load_takes_the_compiled_twin_and_its_bytes_are_those_of_the_cpu(
    public_tpu: VirtualEdgeTpu, picture: np.ndarray
) -> None:
    on_tpu, on_cpu = edgecv.load(PUBLIC, device="coral"), edgecv.load(PUBLIC, device="cpu")
    assert on_tpu.path.name == f"{PUBLIC}_edgetpu.tflite"
    assert (on_tpu.runtime, on_tpu.device, on_cpu.runtime) == ("coral", "coral", "tflite")
    tensor, _ = on_cpu.preprocess(picture)
    (name,) = (spec.name for spec in on_cpu.session.inputs)
    here, there = (model.session.run({name: tensor}) for model in (on_cpu, on_tpu))
    assert here.keys() == there.keys()
    for output, values in here.items():
        np.testing.assert_array_equal(values, there[output])
    assert on_tpu(picture).run.fallback == ""
    assert public_tpu.calls == 2


@pytest.mark.zoo
def test_auto_prefers_the_device(public_tpu: VirtualEdgeTpu, picture: np.ndarray) -> None:
    result = edgecv.load(PUBLIC)(picture)
    assert (result.run.device, result.run.fallback) == ("coral", "")


@pytest.mark.zoo
def test_auto_falls_back_to_the_cpu_and_the_result_says_why(
    public_tpu: VirtualEdgeTpu, picture: np.ndarray
) -> None:
    public_tpu.unplug()
    result = edgecv.load(PUBLIC)(picture)
    assert (result.run.runtime, result.run.device) == ("tflite", "cpu")
    assert "no Edge TPU answers as 'coral'" in result.run.fallback


@pytest.mark.zoo
@pytest.mark.parametrize("device", ["auto", "cpu", "coral"])
def test_a_compiled_file_without_a_device_is_refused_before_the_interpreter_sees_it(
    device: str, zoo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(LIBRARY_VARIABLE, raising=False)
    if device != "cpu" and coral.list_devices():
        pytest.skip("an Edge TPU is plugged in")
    with pytest.raises(DeviceError, match=r"compiled for the Edge TPU .*edgetpu-custom-op"):
        edgecv.load(zoo / f"{PUBLIC}_edgetpu.tflite", device=device)
