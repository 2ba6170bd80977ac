"""Networks whose channels differ a thousandfold between two layers, which only floats bear.

The factors of one layer are taken back by the next: in float32 nothing changes. INT8 has one scale
for all channels of a tensor, so that the small ones become zero.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tiny_uint8
from tiny_training import SHADES, SIDE

FACTORS = (0.05, 1.0, 300.0)
"""Of the channels for red, green and blue, between the two layers."""

SPEC = {
    "name": "colours",
    "task": "classification",
    "decoder": "classifier",
    "labels": ["red", "green", "blue"],
    "input": {"mean": 127.5, "std": 127.5},
    "options": {"softmax": True},
}


def write_tflite(path: Path, factors: tuple[float, ...] = FACTORS) -> Path:
    """Write a float32 classifier of the colours that `tiny_training.write_pictures` paints.

    It is right whenever the mean of a picture's own channel is the largest.

    Args:
        path: The .tflite file; its spec comes beside it.
        factors: Of the three channels between the convolution and the depthwise one.
    """
    assert set(SHADES) == set(SPEC["labels"])
    net, scale = tiny_uint8.Builder(), np.array(factors)
    window = {"strideW": 1, "strideH": 1, "padding": 0, "fusedActivationFunction": 1}  # ReLU

    def constant(name: str, values: np.ndarray) -> int:
        return net.tensor(name, values.shape, values=values, dtype="float32")

    def layer(name: str, channels: int = 3) -> int:
        return net.tensor(name, [1, SIDE, SIDE, channels], dtype="float32")

    x, wide, smooth = layer("x"), layer("wide"), layer("smooth")
    first = [  # x + 1, which is never negative
        constant("wide_weights", (np.eye(3) * scale).T.reshape(3, 1, 1, 3)),
        constant("wide_bias", scale),
    ]
    net.add("CONV_2D", [x, *first], [wide], kind="Conv2DOptions", **window)
    second = [
        constant("smooth_weights", np.ones((1, 3, 3, 3)) / 9 / scale),
        constant("smooth_bias", np.zeros(3)),
    ]
    kind = "DepthwiseConv2DOptions"
    net.add("DEPTHWISE_CONV_2D", [wide, *second], [smooth], kind=kind, depthMultiplier=1, **window)
    mean = net.tensor("mean", [1, 3], dtype="float32")
    axes = net.tensor("axes", [2], values=np.array([1, 2]), dtype="int32")
    net.add("MEAN", [smooth, axes], [mean], kind="ReducerOptions", keepDims=False)
    scores = net.tensor("scores", [1, 3], dtype="float32")
    head = [constant("head_weights", np.eye(3) * 20), constant("head_bias", np.zeros(3))]
    net.add("FULLY_CONNECTED", [mean, *head], [scores], kind="FullyConnectedOptions")
    path.write_bytes(net.packed([x], [scores]))
    path.with_name(path.name + ".json").write_text(json.dumps(SPEC))
    return path
