"""ShuffleNetV2: half of the channels pass by, then all are shuffled (Ma et al. 2018).

arXiv:1807.11164.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from .blocks import classifier, conv_bn, depthwise_bn, image_input
from .shuffle import channel_shuffle, split_channels

STEM = 24
FILTERS = {
    0.5: (48, 96, 192, 1024),
    1.0: (116, 232, 464, 1024),
    1.5: (176, 352, 704, 1024),
    2.0: (244, 488, 976, 2048),
}
"""Width to the output channels of stages 2, 3, 4 and of the last convolution (Table 5)."""
REPEATS = (4, 8, 4)


def shufflenet_v2(
    *,
    input_size: int | Sequence[int] = 224,
    alpha: float = 1.0,
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a ShuffleNetV2.

    Args:
        input_size: The side of a square, or height and width; pixels.
        alpha: The width: .5, 1, 1.5 or 2.
        classes: The number of classes.
        include_top: Whether logits (B, classes) come out; else the last feature map, stride 32.
        dropout: The fraction of features left out before the logits while training.
        momentum: Of batch norm; .9 suits short trainings.

    Raises:
        ValueError: An option is out of range.
    """
    if alpha not in FILTERS:
        raise ValueError(f"alpha is one of {', '.join(map(str, FILTERS))}, got {alpha!r}")
    *stages, last = FILTERS[alpha]
    image = image_input(input_size)
    x = conv_bn(image, STEM, 3, 2, name="stem", activation="relu", momentum=momentum)
    x = keras.layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    for stage, (filters, repeats) in enumerate(zip(stages, REPEATS, strict=True), 2):
        x = _first_unit(x, filters, name=f"stage{stage}_unit1", momentum=momentum)
        for repeat in range(2, repeats + 1):
            x = _unit(x, name=f"stage{stage}_unit{repeat}", momentum=momentum)
    x = conv_bn(x, last, name="head", activation="relu", momentum=momentum)
    if include_top:
        x = classifier(x, classes, dropout)
    return keras.Model(image, x, name=f"shufflenet_v2_{alpha:g}")


def _unit(x: Any, *, name: str, momentum: float) -> Any:
    """Return a unit in which one half of the channels stays as it is (figure 3c)."""
    kept, x = split_channels(x, 2)
    half = x.shape[-1]
    x = conv_bn(x, half, name=f"{name}_pointwise1", activation="relu", momentum=momentum)
    return _join(kept, _filter(x, half, stride=1, name=name, momentum=momentum), name=name)


def _first_unit(x: Any, filters: int, *, name: str, momentum: float) -> Any:
    """Return the unit that halves the picture, in two branches (figure 3d).

    The left branch keeps its number of channels, the right one adds the others, as in the authors'
    own networks: with two equal halves the published counts would not be met.
    """
    channels = x.shape[-1]
    left = depthwise_bn(x, 3, 2, name=f"{name}_left_depthwise", activation=None, momentum=momentum)
    left = conv_bn(
        left, channels, name=f"{name}_left_pointwise", activation="relu", momentum=momentum
    )
    x = conv_bn(x, filters // 2, name=f"{name}_pointwise1", activation="relu", momentum=momentum)
    right = _filter(x, filters - channels, stride=2, name=name, momentum=momentum)
    return _join(left, right, name=name)


def _filter(x: Any, filters: int, *, stride: int, name: str, momentum: float) -> Any:
    x = depthwise_bn(x, 3, stride, name=f"{name}_depthwise", activation=None, momentum=momentum)
    return conv_bn(x, filters, name=f"{name}_pointwise2", activation="relu", momentum=momentum)


def _join(left: Any, right: Any, *, name: str) -> Any:
    x = keras.layers.Concatenate(name=f"{name}_concat")([left, right])
    return channel_shuffle(x, 2, name=f"{name}_shuffle")
