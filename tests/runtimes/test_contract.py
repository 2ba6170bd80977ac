"""What every runtime owes the core, held against each of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from tiny_models import compiled_tflite, relu_keras, relu_onnx, relu_tflite
from virtual_edgetpu import VirtualEdgeTpu

from edgecv.errors import DeviceError, InferenceError
from edgecv.session import RUNTIMES, Session
from edgecv.types import Device

MARKS = {"coral": [pytest.mark.gcc], "qnn": [pytest.mark.qnn]}
NAMES = [pytest.param(name, marks=MARKS.get(name, [])) for name in RUNTIMES]
FILES = {
    "coral": ("coral", lambda folder: compiled_tflite(folder / "compiled.tflite")),
    "keras": ("cpu", lambda folder: relu_keras(folder / "relu.keras")),
    "onnx": ("cpu", lambda folder: relu_onnx(folder / "relu.onnx")),
    "openvino": ("cpu", lambda folder: relu_onnx(folder / "relu.onnx")),
    "qnn": ("npu", lambda folder: relu_onnx(folder / "relu.onnx")),
    "tflite": ("cpu", lambda folder: relu_tflite(folder / "relu.tflite")),
}


def test_every_runtime_is_tested() -> None:
    assert set(FILES) == set(RUNTIMES)


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with ExitStack() as stack:
        if request.param == "coral":
            twin = relu_tflite(tmp_path / "twin.tflite", dtype="uint8")
            library = request.getfixturevalue("edgetpu_library")
            stack.enter_context(VirtualEdgeTpu(library, twin))
        if request.param == "qnn":
            pytest.importorskip("onnxruntime_qnn")
            if not RUNTIMES.load("qnn").list_devices():
                pytest.skip("no Hexagon NPU here, and no simulator for this machine")
        yield request.param


@pytest.fixture
def session(name: str, tmp_path: Path) -> Iterator[Session]:
    device, write = FILES[name]
    opened = RUNTIMES.load(name).open_session(write(tmp_path), device, threads=None)
    yield opened
    opened.close()


def inputs(session: Session, seed: int = 0) -> np.ndarray:
    spec = session.inputs[0]
    values = np.random.default_rng(seed).integers(-100, 100, spec.shape)
    return (values % 256 if spec.dtype == np.uint8 else values).astype(spec.dtype)


def relu(session: Session, x: np.ndarray) -> np.ndarray:
    quant = session.inputs[0].quant
    return np.maximum(x, quant.zero_point if quant else 0)


def test_what_is_opened_says_what_goes_in_and_out(session: Session) -> None:
    (given,), (made,) = session.inputs, session.outputs
    assert (given.name, made.name) == ("x", "y")
    assert given.shape == made.shape
    assert sorted(given.shape) == [1, 3, 8, 8]
    assert given.dtype == made.dtype == (np.uint8 if given.quant else np.float32)
    assert given.quant == made.quant


def test_a_run_computes_the_model(session: Session) -> None:
    x = inputs(session)
    np.testing.assert_array_equal(session.run({"x": x})["y"], relu(session, x))


def test_outputs_stay_as_they_are_when_the_next_run_comes(session: Session) -> None:
    x = inputs(session, 1)
    kept = session.run({"x": x})["y"]
    session.run({"x": inputs(session, 2)})
    np.testing.assert_array_equal(kept, relu(session, x))


def test_a_run_leaves_its_inputs_as_they_were(session: Session) -> None:
    x = inputs(session)
    before = x.copy()
    session.run({"x": x})
    np.testing.assert_array_equal(x, before)


def read_only(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.setflags(write=False)
    return x


LAYOUTS = {
    "read-only": read_only,
    "transposed": lambda x: np.ascontiguousarray(x.T).T,
    "every other": lambda x: np.repeat(x, 2, axis=3)[..., ::2],
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_arrays_of_any_layout_are_taken(session: Session, layout) -> None:
    x = inputs(session)
    np.testing.assert_array_equal(session.run({"x": layout(x)})["y"], relu(session, x))


WRONG = {
    "another name": lambda x: {"z": x},
    "nothing": lambda x: {},
    "one too many": lambda x: {"x": x, "z": x},
    "another shape": lambda x: {"x": x[:, :2]},
    "another rank": lambda x: {"x": x[0]},
    "another dtype": lambda x: {"x": x.astype(np.float64)},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_wrong_tensors_are_the_callers_mistake(session: Session, wrong) -> None:
    x = inputs(session)
    with pytest.raises(ValueError, match=r"wanted .* got "):
        session.run(wrong(x))
    np.testing.assert_array_equal(session.run({"x": x})["y"], relu(session, x))


def test_four_threads_do_not_mix_their_tensors(session: Session) -> None:
    xs = [inputs(session, seed) for seed in range(4)]

    def run(x: np.ndarray) -> bool:
        return all(np.array_equal(session.run({"x": x})["y"], relu(session, x)) for _ in range(100))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, xs)) == [True] * 4


def test_closing_twice_is_closing_once(session: Session) -> None:
    session.close()
    session.close()


def test_a_closed_session_says_so(session: Session) -> None:
    session.close()
    with pytest.raises(InferenceError, match="the model was closed; load it again"):
        session.run({"x": inputs(session)})


def test_devices_are_listed_under_the_runtimes_name(name: str) -> None:
    found = RUNTIMES.load(name).list_devices()
    assert found
    assert all(isinstance(device, Device) and device.description for device in found)
    assert {device.runtime for device in found} == {name}
    assert FILES[name][0] in {device.kind for device in found if not device.problem}


def test_a_device_that_is_not_there_is_a_device_error(name: str, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="999"):
        RUNTIMES.load(name).open_session(FILES[name][1](tmp_path), "gpu:999", threads=1)
