"""MobileNetV2: inverted residuals, linear bottlenecks (Sandler et al. 2018, arXiv:1801.04381)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from .blocks import check_alpha, classifier, conv_bn, depthwise_bn, image_input, make_divisible

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, output channels, blocks, and stride of the first of them (Table 2)."""
LAST = 1280


def mobilenet_v2(
    *,
    input_size: int | Sequence[int] = 224,
    alpha: float = 1.0,
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a MobileNetV2.

    Args:
        input_size: The side of a square, or height and width; pixels.
        alpha: The width multiplier: .35, .5, .75, 1, 1.3 and 1.4 were published.
        classes: The number of classes.
        include_top: Whether logits (B, classes) come out; else the last feature map, stride 32.
        dropout: The fraction of features left out before the logits while training.
        momentum: Of batch norm; .9 suits short trainings.

    Raises:
        ValueError: An option is out of range.
    """
    check_alpha(alpha)
    image = image_input(input_size)
    x = conv_bn(image, make_divisible(32 * alpha), 3, 2, name="stem", momentum=momentum)
    index = 0
    for expansion, filters, repeats, first_stride in STAGES:
        for repeat in range(repeats):
            x = _block(
                x,
                make_divisible(filters * alpha),
                expansion=expansion,
                stride=1 if repeat else first_stride,
                name=f"block{index}",
                momentum=momentum,
            )
            index += 1
    # the last layer stays wide in narrow networks, for its accuracy (section 6.1 of the paper)
    last = make_divisible(LAST * alpha) if alpha > 1 else LAST
    x = conv_bn(x, last, name="head", momentum=momentum)
    if include_top:
        x = classifier(x, classes, dropout)
    return keras.Model(image, x, name=f"mobilenet_v2_{alpha:g}")


def _block(x: Any, filters: int, *, expansion: int, stride: int, name: str, momentum: float) -> Any:
    """Return an inverted residual: expand, filter each channel, project without activation."""
    inputs, channels = x, x.shape[-1]
    if expansion != 1:
        x = conv_bn(x, channels * expansion, name=f"{name}_expand", momentum=momentum)
    x = depthwise_bn(x, 3, stride, name=f"{name}_depthwise", momentum=momentum)
    x = conv_bn(x, filters, name=f"{name}_project", activation=None, momentum=momentum)
    if stride == 1 and channels == filters:
        x = keras.layers.Add(name=f"{name}_add")([inputs, x])
    return x
