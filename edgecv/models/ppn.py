"""Pose proposal network: everybody's keypoints and limbs from one grid (Sekii, ECCV 2018)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from edgecv.decoders.ppn import LIMBS, NUMBERS
from edgecv.labels import COCO_17, COCO_17_SKELETON
from edgecv.spec import InputSpec, ModelSpec

from .features import features
from .heatmap import mixed, way_up

RARE = 0.01
"""How likely an untrained network finds any part or limb: nearly all cells hold none."""


def ppn(
    backbone: keras.Model,
    *,
    keypoints: int = 17,
    limbs: int = len(LIMBS),
    stride: int = 16,
    window: int = 9,
    channels: int = 256,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a pose proposal network.

    The paper's head is three 3x3 convolutions on ResNet-18's map at stride 32; for small backbones
    they are depthwise separable, and a grid of stride 16 takes in the deeper map too.

    Args:
        backbone: A functional model of a known input size that 32 divides.
        keypoints: The number of keypoints, K; the person is a part of its own beside them.
        limbs: The number of kinds of limbs, L.
        stride: Input pixels a cell: 8, 16 or 32.
        window: Cells on the side of the square around a cell that limbs may lead to, n; odd.
        channels: Channels of the head.
        momentum: Of the new layers' batch norm.

    Returns:
        A model with the outputs "parts", logits float32 (B, h, w, 6 (K + 1)): of each part
        responsibility, confidence, x, y, width and height; and "limbs", logits float32
        (B, h, w, L n n).

    Raises:
        ValueError: The stride or the window is none of these, or 32 does not divide the input.
    """
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window is an odd number of cells, got {window}")
    if stride == 32:
        x = features(backbone, [32])[0]
    else:
        x = way_up(backbone, stride, channels, lite=True, momentum=momentum)
    for i in range(2):
        x = mixed(x, channels, name=f"ppn{i}", lite=True, momentum=momentum)
    rare = -math.log((1 - RARE) / RARE)
    first = [rare, 0.0, 0.0, 0.0, -2.0, -2.0]  # no part anywhere, and every part small
    outputs = {
        "parts": _head(x, NUMBERS * (keypoints + 1), "parts", first * (keypoints + 1)),
        "limbs": _head(x, limbs * window**2, "limbs", rare),
    }
    return keras.Model(backbone.input, outputs, name=f"ppn_{backbone.name}")


def ppn_spec(
    name: str,
    *,
    keypoints: Sequence[str] = COCO_17,
    skeleton: Sequence[tuple[int, int]] = COCO_17_SKELETON,
    limbs: Sequence[tuple[int, int]] = LIMBS,
    score: float = 0.2,
) -> ModelSpec:
    """Return the spec of a model that `ppn` builds: what `decoders.ppn` needs to read it.

    Args:
        name: The model's name.
        keypoints: Names of the keypoints.
        skeleton: Pairs of them that are drawn as limbs.
        limbs: Pairs of parts that limbs join, outwards from the person, part 0.
        score: People below this score are left out.
    """
    return ModelSpec(
        name=name,
        task="pose",
        decoder="ppn",
        input=InputSpec(color="rgb", mean=(127.5,) * 3, std=(127.5,) * 3, fit="letterbox", pad=127),
        outputs={"parts": "parts", "limbs": "limbs"},
        keypoints=tuple(keypoints),
        skeleton=tuple(skeleton),
        score=score,
        options={"limbs": tuple(tuple(pair) for pair in limbs)},
    )


def _head(x: Any, filters: int, name: str, first: float | list[float]) -> Any:
    return layers.Conv2D(
        filters,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        bias_initializer=keras.initializers.Constant(first),
        name=name,
    )(x)
