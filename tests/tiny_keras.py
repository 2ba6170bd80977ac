"""Keras networks of a few layers, settled so that pictures make a difference: one of each task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgecv.spec import InputSpec, ModelSpec

SIDE = 64
ANCHORS = {"layers": 2, "strides": (16, 32), "ratios": (1.0, 2.0)}
CARD = {"recipe": {"name": "made up"}, "figures": {"top1": 0.5}}
BYTES = InputSpec(mean=(127.5,) * 3, std=(127.5,) * 3)


def backbone(*, batch_norm: bool = True) -> Any:
    """Return a classifier of five convolutions, each at half the size of the one before."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = x = keras.Input((SIDE, SIDE, 3), name="image")
    for number, channels in enumerate((8, 12, 16, 24, 32)):
        if number % 2:
            x = layers.DepthwiseConv2D(3, 2, "same", use_bias=False, name=f"depthwise{number}")(x)
            x = layers.Conv2D(channels, 1, use_bias=False, name=f"pointwise{number}")(x)
        else:
            x = layers.Conv2D(channels, 3, 2, "same", use_bias=False, name=f"conv{number}")(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.5, name=f"bn{number}")(x)
        x = layers.ReLU(6.0, name=f"relu{number}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(5, name="logits")(x), name="tiny")


def settle(model: Any) -> Any:
    """Give batch norm the statistics of pictures; large weights at the end make it sure."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    for _ in range(8):
        noise = rng.uniform(-1, 1, (4, 1 + SIDE // 8, 1 + SIDE // 8, 3)).astype(np.float32)
        model(tf.image.resize(noise, (SIDE, SIDE)), training=True)
    for layer in model.layers:
        if layer.name.startswith(("logits", "boxes", "scores", "heatmaps", "offsets")):
            layer.set_weights([3 * w + 0.1 * rng.normal(size=w.shape) for w in layer.get_weights()])
    return model


def classifier() -> tuple[Any, ModelSpec]:
    """Return a classifier of five classes, and its spec."""
    spec = ModelSpec(
        name="tiny", task="classification", decoder="classifier", input=BYTES,
        outputs={"logits": "logits"}, labels=("ant", "bee", "red fox", "cow", "dog"), score=0.0,
        options={"softmax": True}, license="CC0-1.0", source="made up",
    )  # fmt: skip
    return settle(backbone()), spec


def detector() -> tuple[Any, ModelSpec]:
    """Return an SSD of two classes, and its spec."""
    from edgecv.models.ssd import ssd, ssd_spec

    spec = ssd_spec("tiny_ssd", labels=("cat", "dog"), anchors=ANCHORS, score=0.4)
    return settle(ssd(backbone(), classes=2, anchors=ANCHORS, momentum=0.5)), spec


def pose() -> tuple[Any, ModelSpec]:
    """Return a network that finds one person's keypoints, and its spec."""
    from edgecv.models.heatmap import heatmap_pose, heatmap_spec

    model = heatmap_pose(backbone(), keypoints=17, channels=16, momentum=0.5)
    return settle(model), heatmap_spec("tiny_pose", score=0.05)


NETWORKS = {"classifier": classifier, "detector": detector, "pose": pose}


def write(name: str, path: Path) -> Path:
    """Write one of `NETWORKS` into a .keras file."""
    from edgecv.training.kerasfile import save_model

    model, spec = NETWORKS[name]()
    save_model(model, spec, path, CARD)
    return path
