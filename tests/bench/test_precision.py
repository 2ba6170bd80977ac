from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_float
import tiny_onnx
import tiny_uint8
from onnx import TensorProto, helper, numpy_helper
from tiny_models import compiled_tflite, relu_tflite

from edgecv.bench.precision import precision_of
from edgecv.errors import ModelFileError


def half_tflite(path: Path) -> Path:
    """Write weights in fp16 that are converted to float32 when the model is opened."""
    net = tiny_uint8.Builder()
    x = net.tensor("x", [1, 8], dtype="float32")
    half = net.tensor("half", [8, 8], None, np.ones((8, 8)), dtype="float16")
    bias = net.tensor("bias", [8], None, np.ones(8), dtype="float32")
    full = net.tensor("full", [8, 8], dtype="float32")
    net.add("DEQUANTIZE", [half], [full])
    y = net.tensor("y", [1, 8], dtype="float32")
    net.add("FULLY_CONNECTED", [x, full, bias], [y], kind="FullyConnectedOptions")
    return written(path, net.packed([x], [y]))


def written(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def onnx_int8(path: Path) -> Path:
    weights = numpy_helper.from_array(np.ones((4, 4), np.int8), "w")
    scale = numpy_helper.from_array(np.float32(0.1), "s")
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["real"]),
        helper.make_node("MatMul", ["x", "real"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4]) for n in ("x", "y")]
    graph = helper.make_graph(nodes, "tiny", [ends[0]], [ends[1]], [weights, scale])
    onnx.save(helper.make_model(graph), str(path))
    return path


def openvino(path: Path, **sizes: int) -> Path:
    rows = [
        f'<layer type="Const"><data element_type="{kind}" shape="8, 8" offset="0" size="{size}"/>'
        for kind, size in sizes.items()
    ]
    return written(path, f"<net>{''.join(rows)}</net>")


def keras(path: Path, dtype: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", f'{{"config": {{"dtype": "{dtype}"}}}}')
    return path


FILES = {
    "float TFLite": (lambda p: written(p, tiny_float.network()), ".tflite", "fp32"),
    "fp16 TFLite": (half_tflite, ".tflite", "fp16"),
    "int8 TFLite": (lambda p: written(p, tiny_uint8.classifier()), ".tflite", "int8"),
    "TFLite without weights": (relu_tflite, ".tflite", "fp32"),
    "int8 TFLite without weights": (lambda p: relu_tflite(p, dtype="int8"), ".tflite", "int8"),
    "compiled for the Edge TPU": (compiled_tflite, ".tflite", "int8"),
    "float ONNX": (tiny_onnx.write, ".onnx", "fp32"),
    "int8 ONNX": (onnx_int8, ".onnx", "int8"),
    "float OpenVINO": (lambda p: openvino(p, f32=4000, i64=9000), ".xml", "fp32"),
    "fp16 OpenVINO": (lambda p: openvino(p, f16=4000, f32=64), ".xml", "fp16"),
    "int8 OpenVINO": (lambda p: openvino(p, i8=4000, f32=3000, u8=9), ".xml", "int8"),
    "OpenVINO without weights": (openvino, ".xml", "fp32"),
    "float Keras": (lambda p: keras(p, "float32"), ".keras", "fp32"),
    "fp16 Keras": (lambda p: keras(p, "float16"), ".keras", "fp16"),
}


@pytest.mark.parametrize(("write", "suffix", "expected"), FILES.values(), ids=FILES.keys())
def test_the_precision_is_that_of_most_weights(write, suffix, expected, tmp_path: Path) -> None:
    assert precision_of(write(tmp_path / f"m{suffix}")) == expected


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    file = relu_tflite(tmp_path / "m.tflite")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ModelFileError, match="damaged or cut short"):
        precision_of(file)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("compressed", [False, True], ids=["fp32", "fp16"])
def test_what_openvino_writes_is_understood(compressed: bool, tmp_path: Path) -> None:
    ov = pytest.importorskip("openvino")
    model = ov.convert_model(tiny_onnx.write(tmp_path / "m.onnx"))
    ov.save_model(model, tmp_path / "m.xml", compress_to_fp16=compressed)
    assert precision_of(tmp_path / "m.xml") == ("fp16" if compressed else "fp32")
