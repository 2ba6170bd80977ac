"""What a device runs is asked of the runtime: here of the CPU, and of the NPU's simulator."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_uint8
from edgecv.converters.partition import onnx_plan, openvino_plan
from tiny_models import relu_onnx

from edgecv.errors import DeviceError, InferenceError, ModelFileError, PackageMissingError


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return relu_onnx(tmp_path / "a.onnx")


def test_openvino_says_that_the_cpu_runs_all(picture) -> None:
    pytest.importorskip("openvino")
    plan = openvino_plan(picture, "CPU")
    (relu,) = plan.operators
    assert (relu.kind, relu.shape, relu.on, relu.why) == ("Relu", (1, 3, 8, 8), "CPU", "")
    assert (len(plan.mapped), plan.left, plan.notes) == (1, (), ())


@pytest.mark.parametrize("suffix", [".tflite", ".xml"])
def test_openvino_is_asked_of_every_kind_that_it_reads(suffix, tmp_path) -> None:
    ov = pytest.importorskip("openvino")
    path = tmp_path / "a.tflite"
    path.write_bytes(tiny_uint8.classifier())
    if suffix == ".xml":
        ov.save_model(ov.Core().read_model(path), tmp_path / "a.xml")
    plan = openvino_plan(tmp_path / f"a{suffix}", "CPU")
    assert {placed.on for placed in plan.operators} == {"CPU"}
    kinds = {placed.kind for placed in plan.operators}
    assert {"Convolution", "GroupConvolution", "Softmax"} <= kinds
    assert not {"Constant", "Parameter", "Result"} & kinds


def test_a_device_that_is_not_here_is_an_error_and_not_a_guess(picture) -> None:
    ov = pytest.importorskip("openvino")
    device = next(
        name for name in ("NPU", "GPU", "GPU.7") if name not in ov.Core().available_devices
    )
    with pytest.raises(DeviceError, match=f"OpenVINO finds no {device} on this machine, only CPU"):
        openvino_plan(picture, device)


def test_an_open_shape_is_noted(tmp_path) -> None:
    pytest.importorskip("openvino")
    onnx = pytest.importorskip("onnx")
    model = onnx.load(relu_onnx(tmp_path / "a.onnx"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, tmp_path / "open.onnx")
    (note,) = openvino_plan(tmp_path / "open.onnx", "CPU").notes
    assert note.startswith("x is [?,3,8,8]")
    (note,) = onnx_plan(tmp_path / "open.onnx", "cpu").notes
    assert note == "x is ?x3x8x8: accelerators want fixed shapes"


def test_operators_that_openvino_lacks_are_named(tmp_path) -> None:
    pytest.importorskip("openvino")
    path = tmp_path / "detector.tflite"
    path.write_bytes(tiny_uint8.detector())
    with pytest.raises(InferenceError, match=r"has no operator TFLite_Detection_PostProcess$"):
        openvino_plan(path, "CPU")
    mine = relu_onnx(tmp_path / "mine.onnx", operator="MyOwn", domain="mine")
    with pytest.raises(InferenceError, match=r"has no operator .*MyOwn"):
        openvino_plan(mine, "CPU")


def test_onnx_runtime_says_what_it_gave_to_whom(picture) -> None:
    pytest.importorskip("onnxruntime")
    plan = onnx_plan(picture, "cpu")
    assert [(placed.kind, placed.on) for placed in plan.operators] == [
        ("Relu", "CPUExecutionProvider")
    ]
    assert plan.device == "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("target", "needs"), [("cuda", "onnxruntime-gpu"), ("tensorrt", "NVIDIA GPU, TensorRT")]
)
def test_a_provider_that_is_not_here_is_an_error_with_what_it_needs(picture, target, needs) -> None:
    ort = pytest.importorskip("onnxruntime")
    if len(ort.get_available_providers()) > 2:
        pytest.skip("this build of ONNX Runtime has more providers")
    with pytest.raises(DeviceError, match=f"has no .*only .*CPUExecutionProvider.*{needs}"):
        onnx_plan(picture, target)


@pytest.mark.parametrize("target", ["cpu", "CPU"], ids=["ONNX Runtime", "OpenVINO"])
def test_a_damaged_file_is_refused(target, tmp_path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(relu_onnx(tmp_path / "a.onnx").read_bytes()[:40])
    ask = onnx_plan if target == "cpu" else openvino_plan
    with pytest.raises(ModelFileError, match=r"cut\.onnx is damaged"):
        ask(path, target)


def test_onnx_runtimes_refusal_is_told(tmp_path) -> None:
    mine = relu_onnx(tmp_path / "mine.onnx", operator="MyOwn", domain="mine")
    with pytest.raises(InferenceError, match=r"mine\.onnx: onnxruntime refuses it: .*MyOwn"):
        onnx_plan(mine, "cpu")


@pytest.mark.parametrize(
    ("package", "ask", "extra"),
    [("openvino", openvino_plan, "openvino"), ("onnxruntime", onnx_plan, "onnx")],
)
def test_a_missing_runtime_is_told_with_what_installs_it(
    picture, package, ask, extra, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PackageMissingError, match=rf"pip install 'edgecv\[{extra}\]'"):
        ask(picture, "cpu")


def with_determinant(path: Path) -> Path:
    """Write a quantized convolution, and behind it an operator of which HTP knows nothing."""
    onnx = pytest.importorskip("onnx")
    rng, make = np.random.default_rng(0), onnx.helper.make_node
    constants = {
        "w": rng.integers(-100, 100, (8, 3, 3, 3)).astype(np.int8),
        "ws": np.float32(0.01), "wz": np.int8(0), "s": np.float32(0.05), "z": np.uint8(128),
    }  # fmt: skip
    nodes = [
        make("QuantizeLinear", ["x", "s", "z"], ["xq"], name="quantize"),
        make("DequantizeLinear", ["xq", "s", "z"], ["xd"], name="dequantize"),
        make("DequantizeLinear", ["w", "ws", "wz"], ["wd"], name="weights"),
        make("Conv", ["xd", "wd"], ["c"], pads=[1] * 4, name="conv"),
        make("QuantizeLinear", ["c", "s", "z"], ["cq"], name="quantize_conv"),
        make("DequantizeLinear", ["cq", "s", "z"], ["cd"], name="dequantize_conv"),
        make("Det", ["cd"], ["y"], name="det"),
    ]
    ends = [
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)]
        for name, shape in (("x", [1, 3, 16, 16]), ("y", [1, 8]))
    ]
    values = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    graph = onnx.helper.make_graph(nodes, "small", *ends, values)
    versions = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=versions, ir_version=8), path)
    return path


@pytest.mark.qnn
def test_the_npus_simulator_takes_the_convolution_and_leaves_what_it_lacks(tmp_path) -> None:
    pytest.importorskip("onnxruntime_qnn")
    from edgecv.runtimes import qnn

    if not qnn.list_devices() or qnn.list_devices()[0].problem:
        pytest.skip("no Hexagon NPU here, and no simulator for this machine")
    plan = onnx_plan(with_determinant(tmp_path / "a.onnx"), "qnn")
    found = {placed.kind: placed.on for placed in plan.operators}
    assert found["Conv"] == plan.device == "QNNExecutionProvider"
    assert found["Det"] == "CPUExecutionProvider"
    assert {placed.why for placed in plan.left} == {"QNNExecutionProvider does not take it"}
