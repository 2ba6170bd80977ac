"""The class of every pixel: U-Net and FCN decoders on any backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from edgecv.spec import InputSpec, ModelSpec

from .features import features
from .heatmap import check_sides, mixed

STRIDES = (2, 4, 8, 16, 32)
"""Of the backbone's maps."""


def unet(
    backbone: keras.Model,
    *,
    classes: int,
    stride: int = 2,
    channels: Sequence[int] = (128, 96, 64, 48, 32),
    lite: bool = True,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a U-Net: the deepest map is enlarged step by step, beside the finer maps.

    Source: Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation",
    2015, with the backbone for its contracting path.

    Args:
        backbone: A functional model of a known input size that 32 divides.
        classes: The number of classes, the background included.
        stride: Input pixels a pixel of the map that comes out: 1, 2, 4 or 8.
        channels: Channels after each step up, the deepest first.
        lite: Whether 3x3 convolutions are depthwise separable.
        momentum: Of the new layers' batch norm.

    Returns:
        A model with the output "mask", logits float32 (B, H / stride, W / stride, classes).

    Raises:
        ValueError: The stride is none of these, there are too few channels, or 32 does not divide
            the input's sides.
    """
    if stride not in (1, 2, 4, 8):
        raise ValueError(f"stride is 1, 2, 4 or 8, got {stride}")
    finer = [s for s in reversed(STRIDES[:-1]) if s >= stride]
    steps = len(finer) + (stride == 1)
    if len(channels) < steps:
        raise ValueError(f"wanted channels for {steps} steps up, got {tuple(channels)}")
    check_sides(backbone)
    sides = features(backbone, [*finer, STRIDES[-1]])
    x = sides.pop()
    for i in range(steps):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"enlarged{i}")(x)
        if i < len(sides):
            x = layers.Concatenate(name=f"beside{i}")([x, sides[i]])
        x = mixed(x, channels[i], name=f"up{i}", lite=lite, momentum=momentum)
    return keras.Model(
        backbone.input, {"mask": _scores(x, classes, "mask")}, name=f"unet_{backbone.name}"
    )


def fcn(backbone: keras.Model, *, classes: int) -> keras.Model:
    """Build an FCN-8s: scores are told at three strides and added up, the coarse ones enlarged.

    Source: Long et al., "Fully Convolutional Networks for Semantic Segmentation", 2015, section
    4.2; the enlarging is bilinear and is not learnt.

    Args:
        backbone: A functional model of a known input size that 32 divides.
        classes: The number of classes, the background included.

    Returns:
        A model with the output "mask", logits float32 (B, H / 8, W / 8, classes).

    Raises:
        ValueError: 32 does not divide the input's sides.
    """
    check_sides(backbone)
    fine, middle, coarse = features(backbone, (8, 16, 32))
    x = _scores(coarse, classes, "scores32")
    for stride, side in ((16, middle), (8, fine)):
        x = layers.UpSampling2D(2, interpolation="bilinear", name=f"enlarged{stride}")(x)
        told = _scores(side, classes, f"scores{stride}")
        x = layers.Add(name="mask" if stride == 8 else f"sum{stride}")([x, told])
    return keras.Model(backbone.input, {"mask": x}, name=f"fcn_{backbone.name}")


def segmentation_spec(name: str, *, labels: Sequence[str]) -> ModelSpec:
    """Return the spec of a model that `unet` or `fcn` builds, for `decoders.segmentation`.

    Args:
        name: The model's name.
        labels: Class names, the background first.
    """
    return ModelSpec(
        name=name,
        task="segmentation",
        decoder="segmentation",
        input=InputSpec(color="rgb", mean=(127.5,) * 3, std=(127.5,) * 3),
        outputs={"mask": "mask"},
        labels=tuple(labels),
    )


def _scores(x: Any, classes: int, name: str) -> Any:
    return layers.Conv2D(classes, 1, name=name)(x)
