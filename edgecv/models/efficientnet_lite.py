"""EfficientNet-Lite0: EfficientNet-B0 (Tan and Le 2019, arXiv:1905.11946) for INT8 accelerators.

The Lite networks have ReLU6 in place of swish and no squeeze-and-excite
(github.com/tensorflow/tpu, models/official/efficientnet/lite).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from .blocks import classifier, conv_bn, depthwise_bn, image_input


class Stage(NamedTuple):
    """Inverted residuals: kernel, expansion, output channels, blocks, stride of the first."""

    kernel: int
    expansion: int
    filters: int
    repeats: int
    stride: int


STAGES = (
    Stage(3, 1, 16, 1, 1),
    Stage(3, 6, 24, 2, 2),
    Stage(5, 6, 40, 2, 2),
    Stage(3, 6, 80, 3, 2),
    Stage(5, 6, 112, 3, 1),
    Stage(5, 6, 192, 4, 2),
    Stage(3, 6, 320, 1, 1),
)
"""Table 1 of EfficientNet."""
STEM, HEAD = 32, 1280


def efficientnet_lite0(
    *,
    input_size: int | Sequence[int] = 224,
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    momentum: float = 0.99,
) -> keras.Model:
    """Build an EfficientNet-Lite0.

    Args:
        input_size: The side of a square, or height and width; pixels.
        classes: The number of classes.
        include_top: Whether logits (B, classes) come out; else the last feature map, stride 32.
        dropout: The fraction of features left out before the logits while training; .2 was used for
            the published weights.
        momentum: Of batch norm; .9 suits short trainings.

    Raises:
        ValueError: An option is out of range.
    """
    image = image_input(input_size)
    x = conv_bn(image, STEM, 3, 2, name="stem", momentum=momentum)
    index = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            row = stage._replace(stride=1) if repeat else stage
            x = _block(x, row, name=f"block{index}", momentum=momentum)
            index += 1
    x = conv_bn(x, HEAD, name="head", momentum=momentum)
    if include_top:
        x = classifier(x, classes, dropout)
    return keras.Model(image, x, name="efficientnet_lite0")


def _block(x: Any, row: Stage, *, name: str, momentum: float) -> Any:
    inputs, channels = x, x.shape[-1]
    if row.expansion != 1:
        x = conv_bn(x, channels * row.expansion, name=f"{name}_expand", momentum=momentum)
    x = depthwise_bn(x, row.kernel, row.stride, name=f"{name}_depthwise", momentum=momentum)
    x = conv_bn(x, row.filters, name=f"{name}_project", activation=None, momentum=momentum)
    if row.stride == 1 and channels == row.filters:
        x = keras.layers.Add(name=f"{name}_add")([inputs, x])
    return x
