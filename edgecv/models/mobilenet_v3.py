"""MobileNetV3: searched blocks, squeeze-and-excite, h-swish (Howard et al. 2019, arXiv:1905.02244).

The minimalistic networks are those of TF-Slim: 3x3 kernels, ReLU, no squeeze-and-excite. They lose
some accuracy, and need nothing that INT8 accelerators do badly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from .blocks import (
    Activation,
    activate,
    check_alpha,
    conv_bn,
    depthwise_bn,
    image_input,
    logits,
    make_divisible,
    squeeze_excite,
)


class Row(NamedTuple):
    """A bottleneck: kernel, expansion of its input, output channels, squeeze, h-swish, stride."""

    kernel: int
    expansion: float
    filters: int
    squeeze: bool
    swish: bool
    stride: int


# The papers' tables say the expanded channels; TF-Slim has the ratios, which widths scale by.
LARGE = (
    Row(3, 1, 16, False, False, 1),
    Row(3, 4, 24, False, False, 2),
    Row(3, 3, 24, False, False, 1),
    Row(5, 3, 40, True, False, 2),
    Row(5, 3, 40, True, False, 1),
    Row(5, 3, 40, True, False, 1),
    Row(3, 6, 80, False, True, 2),
    Row(3, 2.5, 80, False, True, 1),
    Row(3, 2.3, 80, False, True, 1),
    Row(3, 2.3, 80, False, True, 1),
    Row(3, 6, 112, True, True, 1),
    Row(3, 6, 112, True, True, 1),
    Row(5, 6, 160, True, True, 2),
    Row(5, 6, 160, True, True, 1),
    Row(5, 6, 160, True, True, 1),
)
"""Table 1."""
SMALL = (
    Row(3, 1, 16, True, False, 2),
    Row(3, 72 / 16, 24, False, False, 2),
    Row(3, 88 / 24, 24, False, False, 1),
    Row(5, 4, 40, True, True, 2),
    Row(5, 6, 40, True, True, 1),
    Row(5, 6, 40, True, True, 1),
    Row(5, 3, 48, True, True, 1),
    Row(5, 3, 48, True, True, 1),
    Row(5, 6, 96, True, True, 2),
    Row(5, 6, 96, True, True, 1),
    Row(5, 6, 96, True, True, 1),
)
"""Table 2."""
STEM, LARGE_HEAD, SMALL_HEAD = 16, 1280, 1024


def mobilenet_v3_large(
    *,
    input_size: int | Sequence[int] = 224,
    alpha: float = 1.0,
    minimalistic: bool = False,
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a MobileNetV3-Large.

    Args:
        input_size: The side of a square, or height and width; pixels.
        alpha: The width multiplier: .75 and 1 were published with weights.
        minimalistic: Whether to build the network of 3x3 kernels and ReLU alone.
        classes: The number of classes.
        include_top: Whether logits (B, classes) come out; else the last feature map, stride 32.
        dropout: The fraction of features left out before the logits while training.
        momentum: Of batch norm; .9 suits short trainings.

    Raises:
        ValueError: An option is out of range.
    """
    image, x = _backbone(LARGE, input_size, alpha, minimalistic, momentum)
    if include_top:
        x = _top(x, LARGE_HEAD, alpha, minimalistic, classes, dropout)
    return keras.Model(image, x, name=_name("large", alpha, minimalistic))


def mobilenet_v3_small(
    *,
    input_size: int | Sequence[int] = 224,
    alpha: float = 1.0,
    minimalistic: bool = False,
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a MobileNetV3-Small.

    Args:
        input_size: The side of a square, or height and width; pixels.
        alpha: The width multiplier: .75 and 1 were published with weights.
        minimalistic: Whether to build the network of 3x3 kernels and ReLU alone.
        classes: The number of classes.
        include_top: Whether logits (B, classes) come out; else the last feature map, stride 32.
        dropout: The fraction of features left out before the logits while training.
        momentum: Of batch norm; .9 suits short trainings.

    Raises:
        ValueError: An option is out of range.
    """
    image, x = _backbone(SMALL, input_size, alpha, minimalistic, momentum)
    if include_top:
        x = _top(x, SMALL_HEAD, alpha, minimalistic, classes, dropout)
    return keras.Model(image, x, name=_name("small", alpha, minimalistic))


def _name(size: str, alpha: float, minimalistic: bool) -> str:
    return f"mobilenet_v3_{size}{'_minimalistic' * minimalistic}_{alpha:g}"


def _backbone(
    rows: Sequence[Row],
    input_size: int | Sequence[int],
    alpha: float,
    minimalistic: bool,
    momentum: float,
) -> tuple[Any, Any]:
    """Return the input and the last feature map."""
    check_alpha(alpha)
    swish: Activation = "relu" if minimalistic else "hard_swish"
    image = image_input(input_size)
    x = conv_bn(image, STEM, 3, 2, name="stem", activation=swish, momentum=momentum)
    for index, row in enumerate(rows):
        if minimalistic:
            row = row._replace(kernel=3, squeeze=False, swish=False)
        row = row._replace(filters=make_divisible(row.filters * alpha))
        x = _block(x, row, name=f"block{index}", momentum=momentum)
    last = make_divisible(x.shape[-1] * 6)
    return image, conv_bn(x, last, name="last", activation=swish, momentum=momentum)


def _block(x: Any, row: Row, *, name: str, momentum: float) -> Any:
    """Return an inverted residual, with squeeze-and-excite behind its depthwise convolution."""
    inputs, channels = x, x.shape[-1]
    activation: Activation = "hard_swish" if row.swish else "relu"
    if row.expansion != 1:
        expanded = make_divisible(channels * row.expansion)
        x = conv_bn(x, expanded, name=f"{name}_expand", activation=activation, momentum=momentum)
    x = depthwise_bn(
        x,
        row.kernel,
        row.stride,
        name=f"{name}_depthwise",
        activation=activation,
        momentum=momentum,
    )
    if row.squeeze:
        x = squeeze_excite(x, make_divisible(x.shape[-1] / 4), name=f"{name}_squeeze")
    x = conv_bn(x, row.filters, name=f"{name}_project", activation=None, momentum=momentum)
    if row.stride == 1 and channels == row.filters:
        x = keras.layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _top(x: Any, head: int, alpha: float, minimalistic: bool, classes: int, dropout: float) -> Any:
    """Return the logits: the mean comes before the last widening, which saves most of its cost."""
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(make_divisible(head * max(alpha, 1)), name="head")(x)
    swish: Activation = "relu" if minimalistic else "hard_swish"
    return logits(activate(x, swish, name=f"head_{swish}"), classes, dropout)
