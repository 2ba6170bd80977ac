"""A small float32 ONNX network: strides, groups, a transposed convolution, a dense layer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 16


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    coarse = [rng.uniform(-1, 1, (1, 3, 4, 4)) * rng.uniform(0.3, 1) for _ in range(count)]
    return [np.kron(c, np.ones((1, 1, 4, 4))).astype(np.float32) for c in coarse]


def write(
    path: Path, *, batch: int | str = 1, side: int | str = SIDE, unequal: float = 0, opset: int = 17
) -> Path:
    """Write convolutions with strides and groups, an upsampling, a pool and a dense layer.

    Args:
        path: The file.
        batch: Of its input.
        side: Rows and columns of its input.
        unequal: By how many powers of two the channels after the first layer differ.
        opset: The operator set.
    """
    rng = np.random.default_rng(3)
    weights: dict[str, np.ndarray] = {}

    def constant(name: str, *shape: int) -> str:
        fan = np.prod(shape[1:])
        weights[name] = rng.normal(0.2, 1, shape) / np.sqrt(fan)
        return name

    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node(
            "Conv", ["x", constant("w1", 8, 3, 3, 3), constant("b1", 8)], ["c1"],
            strides=[2, 2], **window,
        ),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", constant("w2", 8, 1, 3, 3)], ["c2"], group=8, **window),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node(
            "ConvTranspose", ["r2", constant("w3", 8, 6, 4, 4), constant("b3", 6)], ["c3"],
            kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1],
        ),
        helper.make_node("GlobalAveragePool", ["c3"], ["p"]),
        helper.make_node("Flatten", ["p"], ["flat"]),
        helper.make_node(
            "Gemm", ["flat", constant("w4", 5, 6), constant("b4", 5)], ["y"], transB=1,
        ),
    ]  # fmt: skip
    factors = 2.0 ** np.linspace(-unequal, unequal, 8)
    for name, by in (("w1", factors), ("b1", factors), ("w2", 1 / factors)):
        weights[name] = weights[name] * by.reshape([-1, *[1] * (weights[name].ndim - 1)])
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 5])],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    entry = model.metadata_props.add()
    entry.key, entry.value = "mine", "kept"
    onnx.save(model, str(path))
    return path
