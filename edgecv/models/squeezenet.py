"""SqueezeNet: fire modules (Iandola et al. 2016, arXiv:1602.07360), versions 1.0 and 1.1.

Version 1.1 is the authors' own revision: 2.4 times fewer operations at the same accuracy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras

from .blocks import bn_activation, check_top, image_input

SQUEEZE = (16, 16, 32, 32, 48, 48, 64, 64)
"""Channels between the two layers of modules fire2 to fire9; each branch behind has four times as
many (Table 1)."""


class Version(NamedTuple):
    """What the versions differ in: the first convolution, and the fire modules behind a pool."""

    filters: int
    kernel: int
    pooled: tuple[int, ...]


VERSIONS = {"1.0": Version(96, 7, (2, 5, 9)), "1.1": Version(64, 3, (2, 4, 6))}


def squeezenet(
    *,
    input_size: int | Sequence[int] = 224,
    version: str = "1.1",
    batch_norm: bool = False,
    classes: int = 1000,
    include_top: bool = True,
    dropout: float = 0.0,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a SqueezeNet.

    The first convolution is not padded and pools round up, as published, so feature maps are about,
    and not exactly, the picture's size over their stride. The classifier is a 1x1 convolution whose
    mean is taken; with its ReLU, as in the published weights, logits are never negative.

    Args:
        input_size: The side of a square, or height and width; pixels. Version 1.0 was published
            for 227.
        version: "1.0" or "1.1".
        batch_norm: Whether convolutions have batch norm, with which the network trains more easily,
            and logits no ReLU. The published one has none.
        classes: The number of classes.
        include_top: Whether logits (B, classes) come out; else the last feature map, stride 16.
        dropout: The fraction of features left out before the logits while training; .5 in the
            paper.
        momentum: Of batch norm; .9 suits short trainings.

    Raises:
        ValueError: An option is out of range.
    """
    if version not in VERSIONS:
        raise ValueError(f"version is one of {', '.join(VERSIONS)}, got {version!r}")
    norm = momentum if batch_norm else None
    first, kernel, pooled = VERSIONS[version]
    image = image_input(input_size)
    x = _conv(image, first, kernel, 2, name="conv1", norm=norm)
    for module, squeeze in enumerate(SQUEEZE, 2):
        if module in pooled:
            x = _pool(x, name=f"pool{module - 1}")
        x = _fire(x, squeeze, name=f"fire{module}", norm=norm)
    if include_top:
        x = _classifier(x, classes, dropout, relu=not batch_norm)
    return keras.Model(image, x, name=f"squeezenet_{version}")


def _fire(x: Any, squeeze: int, *, name: str, norm: float | None) -> Any:
    x = _conv(x, squeeze, name=f"{name}_squeeze", norm=norm)
    branches = [
        _conv(x, 4 * squeeze, kernel, name=f"{name}_expand{kernel}x{kernel}", norm=norm)
        for kernel in (1, 3)
    ]
    return keras.layers.Concatenate(name=f"{name}_concat")(branches)


def _conv(
    x: Any, filters: int, kernel: int = 1, stride: int = 1, *, name: str, norm: float | None
) -> Any:
    """Return a convolution with ReLU: with a bias, or with batch norm of the momentum `norm`."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same" if stride == 1 else "valid",
        use_bias=norm is None,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    if norm is None:
        return keras.layers.ReLU(name=f"{name}_relu")(x)
    return bn_activation(x, name=name, activation="relu", momentum=norm)


def _pool(x: Any, *, name: str) -> Any:
    """Return 3x3 maxima at stride 2, the last one of what is left over where a side is even."""
    left_over = [1 - side % 2 for side in x.shape[1:3]]
    if left_over[0] != left_over[1]:  # inputs are behind a ReLU: no maximum is a padded zero
        x = keras.layers.ZeroPadding2D(tuple((0, n) for n in left_over), name=f"{name}_pad")(x)
    padding = "same" if all(left_over) else "valid"
    return keras.layers.MaxPooling2D(3, 2, padding=padding, name=name)(x)


def _classifier(x: Any, classes: int, dropout: float, *, relu: bool) -> Any:
    check_top(classes, dropout)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    x = keras.layers.Conv2D(
        classes, 1, kernel_initializer=keras.initializers.RandomNormal(stddev=0.01), name="conv10"
    )(x)
    if relu:
        x = keras.layers.ReLU(name="conv10_relu")(x)
    return keras.layers.GlobalAveragePooling2D(name="logits")(x)
