"""Networks whose channels differ a thousandfold between two layers, which only floats bear.

The factors of one layer are taken back by the next: in float32 nothing changes. INT8 has one scale
for all channels of a tensor, so that the small ones become zero.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tiny_uint8
from tiny_training import SHADES, SIDE

FACTORS = (0.1, 1.0, 100.0)
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


def write_pictures(folder: Path, each: int, *, seed: int = 0) -> Path:
    """Write `each` pictures of each colour that are told apart more easily than tiny_training's."""
    rng = np.random.default_rng(seed)
    for place, name in enumerate(("blue", "green", "red")):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            shade = np.full(3, rng.uniform(80, 130))
            shade[place] += rng.uniform(20, 60)
            image = np.clip(shade + rng.normal(0, 12, (32, 32, 3)), 0, 255).astype(np.uint8)
            assert cv2.imwrite(str(folder / name / f"{number:03}.png"), image)
    return folder


def write_mobilenet(path: Path, pictures: Path, *, spread: float = 1000.0, seed: int = 0) -> Path:
    """Write the first blocks of a MobileNetV2, with unequal channels inside, that tell colours.

    Their weights are random, but for the last layer, which is solved for on the pictures (more
    blocks of random weights would leave it nothing to go by). Between a block's expansion and its
    depthwise layer there is a ReLU, so that factors go through.

    Args:
        path: The .keras file.
        pictures: A folder that `write_pictures` wrote.
        spread: The ratio of the largest factor to the smallest.
        seed: Of the weights and the factors.
    """
    import keras

    from edgecv import datasets, models, read_image
    from edgecv.image import Plan
    from edgecv.spec import ModelSpec
    from edgecv.training.kerasfile import save_model
    from edgecv.types import TensorSpec

    keras.utils.set_random_seed(seed)
    whole = models.build("mobilenet_v2", input_size=32, alpha=0.35, momentum=0.5)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(whole.get_layer("block2_add").output)
    model = keras.Model(whole.input, keras.layers.Dense(3, name="logits")(x), name="mobilenet")
    for layer in model.layers:
        if isinstance(layer, keras.layers.ReLU):
            layer.max_value = None  # ReLU6 would cut what a factor makes larger
    labels = sorted(SPEC["labels"])  # in the order of folders, as a training has them
    spec = ModelSpec.from_dict({**SPEC, "name": "mobilenet", "labels": labels})
    plan = Plan(spec.input, TensorSpec("x", (1, 32, 32, 3), np.dtype(np.float32)))
    labelled = datasets.read_classes(pictures)
    x = np.concatenate([plan(read_image(one.file))[0] for one in labelled])
    for _ in range(12):  # batch norm's averages
        model(x, training=True)
    head = model.layers[-1]
    features = keras.Model(model.input, head.input)(x, training=False).numpy()
    wanted = np.array([[one.label == name for name in labels] for one in labelled])
    mean, deviation = features.mean(0), features.std(0) + 1e-3
    flat = (features - mean) / deviation
    ridge = flat.T @ flat + 0.3 * len(flat) * np.eye(flat.shape[1])
    weights = np.linalg.solve(ridge, flat.T @ (wanted * 10.0)) / deviation[:, None]
    head.set_weights([weights, 10 * wanted.mean(0) - mean @ weights])
    _spread(model, spread, np.random.default_rng(seed))
    save_model(model, spec, path)
    return path


def _spread(model: Any, ratio: float, rng: np.random.Generator) -> None:
    """Multiply what goes into depthwise layers channel by channel, and take it back in them."""
    for layer in model.layers:
        if not layer.name.endswith("_expand_bn"):
            continue
        gamma, beta, *averages = layer.get_weights()
        factors = ratio ** rng.uniform(-0.5, 0.5, gamma.shape)
        layer.set_weights([gamma * factors, beta * factors, *averages])
        depthwise = model.get_layer(layer.name.replace("_expand_bn", "_depthwise"))
        (kernel,) = depthwise.get_weights()
        depthwise.set_weights([kernel / factors[:, None]])
