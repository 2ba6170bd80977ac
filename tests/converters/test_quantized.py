"""Files that calculate with integers, and what becomes of their ends in OpenVINO's format."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny_uint8
from edgecv.converters import CONVERTERS
from edgecv.converters.int8_rewrite import rewrite
from edgecv.converters.quantized import is_quantized
from tiny_models import relu_tflite

from edgecv.session import open_session
from edgecv.types import Array, TensorSpec

WRITERS = {
    "bytes": tiny_uint8.classifier,
    "signed bytes": lambda: partial(rewrite, int8_inputs=True)(tiny_uint8.classifier()),
}


@pytest.fixture(params=WRITERS)
def source(request, tmp_path: Path) -> Path:
    """A classifier in 8 bits."""
    path = tmp_path / "small.tflite"
    path.write_bytes(WRITERS[request.param]())
    return path


def real(values: Array, tensor: TensorSpec) -> Array:
    return (values.astype(np.float32) - tensor.quant.zero_point) * np.float32(tensor.quant.scale)


def test_integers_of_tflite_are_floats_at_the_ends_of_an_ir(source, tmp_path) -> None:
    pytest.importorskip("openvino")
    made = tmp_path / "made.xml"
    CONVERTERS.load("tflite>openvino")(source, made, precision="fp32")
    was = open_session(source, device="cpu", runtime="openvino").session  # saturates alike
    now = open_session(made, device="cpu", runtime="openvino").session
    for old, new in ((was.inputs, now.inputs), (was.outputs, now.outputs)):
        assert [(t.name, t.shape) for t in old] == [(t.name, t.shape) for t in new]
        assert all(t.dtype == np.float32 and t.quant is None for t in new)
    (given,), (answer,) = was.inputs, was.outputs
    rng = np.random.default_rng(0)
    ends = np.iinfo(given.dtype)
    for _ in range(4):
        tensor = rng.integers(ends.min, ends.max + 1, given.shape).astype(given.dtype)
        wanted = real(was.run({given.name: tensor})[answer.name], answer)
        noise = rng.uniform(-0.4, 0.4, given.shape) * given.quant.scale  # is rounded away
        found = now.run({given.name: (real(tensor, given) + noise).astype(np.float32)})
        assert np.abs(found[answer.name] - wanted).max() <= answer.quant.scale + 1e-6
        assert np.ptp(wanted) > 0.05


def test_numbers_beyond_the_range_are_kept_at_its_ends(source, tmp_path) -> None:
    pytest.importorskip("openvino")
    made = tmp_path / "made.xml"
    CONVERTERS.load("tflite>openvino")(source, made, precision="fp32")
    session = open_session(made, device="cpu", runtime="openvino").session
    (given,) = open_session(source, device="cpu", runtime="tflite").session.inputs
    most = real(np.full(given.shape, np.iinfo(given.dtype).max), given)
    (name,) = (t.name for t in session.outputs)
    far = session.run({given.name: most + np.float32(50)})[name]
    np.testing.assert_array_equal(far, session.run({given.name: most})[name])


def floats(folder: Path) -> Path:
    return relu_tflite(folder / "floats.tflite")


def int8(folder: Path) -> Path:
    path = folder / "int8.tflite"
    path.write_bytes(WRITERS["signed bytes"]())
    return path


def plain_onnx(folder: Path) -> Path:
    return onnx_file(folder, "Relu")


def int8_onnx(folder: Path) -> Path:
    return onnx_file(folder, "QuantizeLinear")


def onnx_file(folder: Path, operator: str) -> Path:
    onnx = pytest.importorskip("onnx")
    helper, kinds = onnx.helper, onnx.TensorProto
    scale = [helper.make_tensor("s", kinds.FLOAT, [], [0.1])]
    names = ["x", "s"] if operator != "Relu" else ["x"]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"])], "g",
        [helper.make_tensor_value_info("x", kinds.FLOAT, [1, 3])],
        [helper.make_tensor_value_info("y", kinds.UINT8 if len(names) > 1 else kinds.FLOAT, None)],
        scale,
    )  # fmt: skip
    path = folder / "made.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def damaged_onnx(folder: Path) -> Path:
    path = folder / "cut.onnx"
    path.write_bytes(b"\x08\x08\xff\xff")
    return path


FILES = {
    "floats": (floats, False), "int8": (int8, True), "plain ONNX": (plain_onnx, False),
    "int8 ONNX": (int8_onnx, True), "damaged ONNX": (damaged_onnx, False),
    "Keras": (lambda folder: folder / "any.keras", False),
}  # fmt: skip


@pytest.mark.parametrize(("make", "wanted"), FILES.values(), ids=FILES.keys())
def test_files_of_integers_are_told_from_files_of_floats(make, wanted, tmp_path) -> None:
    assert is_quantized(make(tmp_path)) is wanted
