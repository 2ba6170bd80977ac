"""ShuffleNetV1: grouped 1x1 convolutions, channel shuffle (Zhang et al. 2017, arXiv:1707.01083).

A grouped convolution is built as a split, one convolution with its batch norm for each group, and a
concatenation. `Conv2D(groups=...)` would be one TFLite operator, but TensorFlow trains it on a CPU
through XLA alone: four units at 28 px took 12 times as long with 3 groups and 50 times with 8.
Each group's batch norm folds into its convolution; one after the concatenation would not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from .blocks import (
    Activation,
    check_alpha,
    classifier,
    conv_bn,
    depthwise_bn,
    image_input,
    make_divisible,
)
from .shuffle import channel_shuffle, split_channels

STEM = 24
FILTERS = {1: 144, 2: 200, 3: 240, 4: 272, 8: 384}
"""Groups to the output channels of stage 2 (Table 1); each later stage has twice as many."""
REPEATS = (4, 8, 4)


def shufflenet_v1(
    *,
    input_size: int | Sequence[int] = 224,
    alpha: float = 1.0,
    groups: int = 3,
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a ShuffleNetV1.

    Args:
        input_size: The side of a square, or height and width; pixels.
        alpha: The width multiplier, "s" in the paper: .25, .5, 1, 1.5 and 2 were published.
        groups: Of the 1x1 convolutions: 1, 2, 3, 4 or 8.
        classes: The number of classes.
        include_top: Whether logits (B, classes) come out; else the last feature map, stride 32.
        dropout: The fraction of features left out before the logits while training.
        momentum: Of batch norm; .9 suits short trainings.

    Raises:
        ValueError: An option is out of range.
    """
    check_alpha(alpha)
    if groups not in FILTERS:
        raise ValueError(f"groups are one of {', '.join(map(str, FILTERS))}, got {groups!r}")
    image = image_input(input_size)
    x = conv_bn(
        image, _stem(alpha, groups), 3, 2, name="stem", activation="relu", momentum=momentum
    )
    x = keras.layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    for stage, repeats in enumerate(REPEATS, 2):
        filters = make_divisible(FILTERS[groups] * alpha, 4 * groups) * 2 ** (stage - 2)
        for repeat in range(repeats):
            name = f"stage{stage}_unit{repeat + 1}"
            x = _unit(x, filters, groups, first=not repeat, name=name, momentum=momentum)
    if include_top:
        x = classifier(x, classes, dropout)
    return keras.Model(image, x, name=f"shufflenet_v1_{alpha:g}_g{groups}")


def _stem(alpha: float, groups: int) -> int:
    """Return the channels of the first convolution, which the 1.5x networks do not widen.

    Groups divide them, so that they divide what a stage's first unit adds to them as well.
    """
    return make_divisible(STEM * (alpha if alpha < 1 else int(alpha)), groups)


def _unit(x: Any, filters: int, groups: int, *, first: bool, name: str, momentum: float) -> Any:
    """Return a unit: a residual, or the first of its stage, which halves the picture."""
    inputs, channels = x, x.shape[-1]
    # the few channels that stage 2 begins with are not grouped (section 3.2)
    reduce_groups = 1 if name == "stage2_unit1" else groups
    x = _grouped(
        x, filters // 4, reduce_groups, name=f"{name}_reduce", activation="relu", momentum=momentum
    )
    if groups > 1:
        x = channel_shuffle(x, groups, name=f"{name}_shuffle")
    stride = 2 if first else 1
    x = depthwise_bn(x, 3, stride, name=f"{name}_depthwise", activation=None, momentum=momentum)
    if not first:
        x = _grouped(x, filters, groups, name=f"{name}_expand", activation=None, momentum=momentum)
        return keras.layers.ReLU(name=f"{name}_relu")(
            keras.layers.Add(name=f"{name}_add")([inputs, x])
        )
    x = _grouped(
        x, filters - channels, groups, name=f"{name}_expand", activation="relu", momentum=momentum
    )
    inputs = keras.layers.AveragePooling2D(3, 2, padding="same", name=f"{name}_pool")(inputs)
    return keras.layers.Concatenate(name=f"{name}_concat")([inputs, x])


def _grouped(
    x: Any, filters: int, groups: int, *, name: str, activation: Activation | None, momentum: float
) -> Any:
    """Return a 1x1 convolution of each group of channels, with batch norm and activation."""
    if groups == 1:
        return conv_bn(x, filters, name=name, activation=activation, momentum=momentum)
    parts = [
        conv_bn(
            part, filters // groups, name=f"{name}{index}", activation=activation, momentum=momentum
        )
        for index, part in enumerate(split_channels(x, groups), 1)
    ]
    return keras.layers.Concatenate(name=f"{name}_concat")(parts)
