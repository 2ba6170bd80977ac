from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from tiny_models import relu_onnx

from edgecv.errors import DeviceError, InferenceError, ModelFileError

pytestmark = pytest.mark.qnn

pytest.importorskip("onnxruntime_qnn")
from edgecv.runtimes import onnx, qnn  # noqa: E402

if not qnn.list_devices() or qnn.list_devices()[0].problem:
    pytest.skip("no Hexagon NPU here, and no simulator for this machine", allow_module_level=True)


def small_network(path: Path) -> Path:
    """Write a convolution, ReLU, pooling and a fully connected layer: the same every time."""
    import onnx as o

    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(0, 0.3, (8, 3, 3, 3)), "b1": rng.normal(0, 0.1, 8),
        "w2": rng.normal(0, 0.5, (10, 8)), "b2": rng.normal(0, 0.1, 10),
    }  # fmt: skip
    make = o.helper.make_node
    nodes = [
        make("Conv", ["x", "w1", "b1"], ["c"], pads=[1] * 4, strides=[2, 2]),
        make("Relu", ["c"], ["r"]),
        make("GlobalAveragePool", ["r"], ["p"]),
        make("Flatten", ["p"], ["f"]),
        make("Gemm", ["f", "w2", "b2"], ["y"], transB=1),
    ]
    ends = [
        [o.helper.make_tensor_value_info(name, o.TensorProto.FLOAT, shape)]
        for name, shape in (("x", [1, 3, 32, 32]), ("y", [1, 10]))
    ]
    values = [o.numpy_helper.from_array(v.astype(np.float32), k) for k, v in weights.items()]
    graph = o.helper.make_graph(nodes, "small", *ends, values)
    versions = [o.helper.make_opsetid("", 17)]
    o.save(o.helper.make_model(graph, opset_imports=versions, ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small network with 8 bits: what the NPU is made for."""
    from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

    class Samples(CalibrationDataReader):
        def __init__(self) -> None:
            rng = np.random.default_rng(1)
            self._left = [{"x": rng.random((1, 3, 32, 32), np.float32)} for _ in range(8)]

        def get_next(self):
            return self._left.pop() if self._left else None

    folder = tmp_path_factory.mktemp("qnn")
    quantize_static(
        small_network(folder / "small.onnx"), folder / "quantized.onnx", Samples(),
        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, per_channel=True,
    )  # fmt: skip
    return folder / "quantized.onnx"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "qnn"


X = {"x": np.random.default_rng(2).random((1, 3, 32, 32), np.float32)}


def test_a_quantized_model_compiles_and_agrees_with_the_cpu(quantized: Path, cache: Path) -> None:
    on_npu = qnn.open_session(quantized, "npu", threads=None).run(X)["y"]
    on_cpu = onnx.open_session(quantized, "cpu", threads=None).run(X)["y"]
    assert np.ptp(on_cpu) > 0.5
    np.testing.assert_allclose(on_npu, on_cpu, atol=0.02 * np.ptp(on_cpu))


def test_what_was_compiled_is_kept(quantized: Path, cache: Path) -> None:
    first = qnn.open_session(quantized, "npu", threads=None).run(X)["y"]
    (file,) = cache.iterdir()
    made = file.stat().st_mtime_ns
    np.testing.assert_array_equal(
        qnn.open_session(quantized, "npu", threads=None).run(X)["y"], first
    )
    assert [f.stat().st_mtime_ns for f in cache.iterdir()] == [made]


def test_another_model_is_compiled_for_itself(quantized: Path, cache: Path, tmp_path: Path) -> None:
    qnn.open_session(quantized, "npu", threads=None)
    qnn.open_session(relu_onnx(tmp_path / "relu.onnx"), "npu", threads=None)
    assert len(list(cache.iterdir())) == 2


DAMAGE = {
    "cut short": lambda data: data[: len(data) // 2],
    "a byte changed": lambda data: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
    "emptied": lambda data: b"",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_compiled_model_is_compiled_anew(
    damage, quantized: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = qnn.open_session(quantized, "npu", threads=None).run(X)["y"]
    (file,) = cache.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    with caplog.at_level(logging.WARNING):
        session = qnn.open_session(quantized, "npu", threads=None)
    np.testing.assert_array_equal(session.run(X)["y"], wanted)
    assert "is damaged: compiling anew" in caplog.text
    assert qnn._read(file) is not None


def test_a_cache_that_cannot_be_written_is_done_without(
    quantized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("EDGECV_CACHE", str(tmp_path / "file"))
    assert qnn.open_session(quantized, "npu", threads=None).run(X)["y"].shape == (1, 10)


def test_sessions_on_the_cpu_are_as_before_the_plugin(quantized: Path, cache: Path) -> None:
    before = onnx.open_session(quantized, "cpu", threads=1).run(X)["y"]
    qnn.open_session(quantized, "npu", threads=None).run(X)
    np.testing.assert_array_equal(
        onnx.open_session(quantized, "cpu", threads=1).run(X)["y"], before
    )
    assert [d.name for d in onnx.list_devices() if d.name == "npu"] == []


def test_an_operator_that_the_npu_lacks_is_not_left_to_the_cpu(tmp_path: Path, cache: Path) -> None:
    path = relu_onnx(tmp_path / "m.onnx", dtype="DOUBLE", operator="Sin")
    with pytest.raises(InferenceError, match=r"m\.onnx: onnxruntime .* refuses it"):
        qnn.open_session(path, "npu", threads=None)
    assert not cache.exists()


def test_a_damaged_file_is_refused(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(np.random.default_rng(0).bytes(2000))
    with pytest.raises(ModelFileError, match="damaged or cut short"):
        qnn.open_session(path, "npu", threads=None)


def test_the_cpu_is_not_this_runtimes_business(quantized: Path) -> None:
    with pytest.raises(DeviceError, match="has the device 'npu', not 'cpu'"):
        qnn.open_session(quantized, "cpu", threads=None)


def test_the_simulator_is_called_one() -> None:
    (device,) = qnn.list_devices()
    assert device.name == "npu"
    assert ("simulator" in device.description) == qnn.SIMULATED
