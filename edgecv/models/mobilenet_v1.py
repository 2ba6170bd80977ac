"""MobileNetV1: depthwise separable convolutions (Howard et al. 2017, arXiv:1704.04861)."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from .blocks import check_alpha, classifier, conv_bn, depthwise_bn, image_input

BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
"""Output channels and stride of each separable convolution (Table 1)."""


def mobilenet_v1(
    *,
    input_size: int | Sequence[int] = 224,
    alpha: float = 1.0,
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a MobileNetV1.

    Channels are cut to whole numbers, not to multiples of 8, as in the weights that were published.
    The convolutions have ReLU6, as the published weights have; the paper says ReLU.

    Args:
        input_size: The side of a square, or height and width; pixels.
        alpha: The width multiplier: .25, .5, .75 and 1 were published.
        classes: The number of classes.
        include_top: Whether logits (B, classes) come out; else the last feature map, stride 32.
        dropout: The fraction of features left out before the logits while training.
        momentum: Of batch norm; .9 suits short trainings.

    Raises:
        ValueError: An option is out of range.
    """
    check_alpha(alpha)
    image = image_input(input_size)
    x = conv_bn(image, _width(32, alpha), 3, 2, name="stem", momentum=momentum)
    for index, (filters, stride) in enumerate(BLOCKS, 1):
        x = depthwise_bn(x, 3, stride, name=f"block{index}_depthwise", momentum=momentum)
        x = conv_bn(x, _width(filters, alpha), name=f"block{index}_pointwise", momentum=momentum)
    if include_top:
        x = classifier(x, classes, dropout)
    return keras.Model(image, x, name=f"mobilenet_v1_{alpha:g}")


def _width(filters: int, alpha: float) -> int:
    return max(int(filters * alpha), 1)
