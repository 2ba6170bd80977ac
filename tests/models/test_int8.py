"""Every family becomes a TFLite file of INT8 operators alone, such as the Edge TPU runs."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

keras = pytest.importorskip("keras")
from edgecv.models import build  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning"),  # TensorFlow's
]

NAMES = """
ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D EXPAND_DIMS FULLY_CONNECTED
L2_NORMALIZATION LOGISTIC MAXIMUM MAX_POOL_2D MEAN MINIMUM MUL PACK PAD PRELU QUANTIZE REDUCE_MAX
REDUCE_MIN RELU RELU6 RESHAPE RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR RSQRT SLICE SOFTMAX
SPACE_TO_DEPTH SPLIT SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV
"""
EDGE_TPU = set(NAMES.split())
"""coral.ai/docs/edgetpu/models-intro, supported operations."""
MOST_LONG_AXES = 3  # same page: of more axes, only the three innermost may be longer than 1


def to_int8(model: Any, folder: Path) -> bytes:
    """Convert with random pictures for calibration: the operators do not depend on them."""
    import tensorflow as tf

    _, height, width, _ = model.input_shape
    shape = (1, height, width, 3)
    model.export(folder, verbose=False, input_signature=[keras.InputSpec("float32", shape)])
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    rng = np.random.default_rng(0)

    def pictures() -> Iterator[list[np.ndarray]]:
        for _ in range(2):
            yield [rng.uniform(-1, 1, shape).astype(np.float32)]

    converter.representative_dataset = pictures
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bytes(converter.convert())


def operators(blob: bytes) -> tuple[Counter[str], dict[str, tuple[Any, tuple[int, ...]]]]:
    """Return how often each operator occurs, and the type and shape of what they give."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    plain = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = litert.Interpreter(model_content=blob, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    interpreter.invoke()
    tensors = {tensor["index"]: tensor for tensor in interpreter.get_tensor_details()}
    found, given = Counter(), {}
    for operator in interpreter._get_ops_details():
        found[operator["op_name"]] += 1
        for index in operator["outputs"]:
            tensor = tensors[index]
            given[f"{operator['op_name']} {tensor['name']}"] = (
                tensor["dtype"],
                tuple(tensor["shape"]),
            )
    return found, given


@pytest.mark.parametrize(
    ("name", "options", "counts"),
    [
        ("mobilenet_v1", {"alpha": 0.25}, {"CONV_2D": 14, "DEPTHWISE_CONV_2D": 13}),
        ("mobilenet_v2", {"alpha": 0.35}, {"CONV_2D": 35, "ADD": 10}),
        ("mobilenet_v3_small", {"minimalistic": True}, {"CONV_2D": 23, "FULLY_CONNECTED": 2}),
        ("efficientnet_lite0", {}, {"CONV_2D": 33, "DEPTHWISE_CONV_2D": 16}),
        # 16 shuffles of 3 operators; 1 + 15 x 2 convolutions are grouped, by 3, and split first
        (
            "shufflenet_v1",
            {"alpha": 0.5},
            {"RESHAPE": 32, "TRANSPOSE": 16, "SPLIT": 31, "CONV_2D": 2 + 31 * 3},
        ),
        ("shufflenet_v2", {"alpha": 0.5}, {"RESHAPE": 32, "TRANSPOSE": 16, "SPLIT": 13}),
        ("squeezenet", {}, {"CONV_2D": 26, "CONCATENATION": 8}),
        ("squeezenet", {"batch_norm": True}, {"CONV_2D": 26, "CONCATENATION": 8}),
        ("mobilefacenet", {"alpha": 0.5}, {"PRELU": 33, "DEPTHWISE_CONV_2D": 17}),
        ("mobilefacenet", {"alpha": 0.5, "activation": "relu"}, {"PRELU": 0, "CONV_2D": 33}),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_all_operators_are_int8_and_of_the_edge_tpu(name, options, counts, tmp_path) -> None:
    size = 112 if name == "mobilefacenet" else 64
    more = {} if name == "mobilefacenet" else {"classes": 8}
    found, given = operators(
        to_int8(build(name, input_size=size, **more, **options), tmp_path / "saved")
    )
    assert set(found) <= EDGE_TPU
    assert {kind: found[kind] for kind in counts} == counts
    for tensor, (dtype, shape) in given.items():
        assert dtype == np.int8, tensor
        assert sum(side > 1 for side in shape) <= MOST_LONG_AXES, f"{tensor} {shape}"


def test_mobilenet_v3_is_int8_but_for_its_swish_of_the_edge_tpu(tmp_path) -> None:
    model = build("mobilenet_v3_small", input_size=64, classes=8)
    found, given = operators(to_int8(model, tmp_path / "saved"))
    assert set(found) - EDGE_TPU == {"HARD_SWISH"}
    assert all(dtype == np.int8 for dtype, _ in given.values())
    assert not [name for name in given if re.search("DEQUANTIZE", name)]
