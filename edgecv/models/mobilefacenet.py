"""MobileFaceNet: faces to vectors (Chen et al. 2018, arXiv:1804.07573)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import keras

from .blocks import (
    Activation,
    bn_activation,
    check_alpha,
    conv_bn,
    depthwise_bn,
    image_input,
    make_divisible,
    squeeze_excite,
)

STEM, HEAD = 64, 512
STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Expansion, output channels, blocks, and stride of the first of them (Table 1)."""

Padding = Literal["same", "symmetric"]


class _Style(NamedTuple):
    """What all blocks have in common."""

    activation: Activation
    padding: Padding
    squeeze: int
    momentum: float


def mobilefacenet(  # noqa: PLR0913
    *,
    input_size: int | Sequence[int] = 112,
    alpha: float = 1.0,
    embedding: int = 128,
    activation: Activation = "prelu",
    padding: Padding = "same",
    separable: bool = False,
    squeeze: int = 0,
    include_top: bool = True,
    momentum: float = 0.99,
) -> keras.Model:
    """Build a MobileFaceNet: its output is an embedding (B, embedding) that is not normalised.

    The mean of the last map is a weighted one, with weights that are learned for each channel and
    place: the global depthwise convolution (GDConv), 7x7 for faces of 112x112 pixels.

    Args:
        input_size: The side of a square, or height and width; pixels.
        alpha: A width multiplier.
        embedding: The length of the vector.
        activation: "prelu" as in the paper; "prelu_shared", with one slope a layer, as in some
            public weights; "relu" or "relu6" fuse with the convolution before them when quantized,
            where PReLU is an operator of its own.
        padding: Where strides are 2: "same" pads the end, "symmetric" all around, as in weights
            that come from PyTorch or MXNet, and costs a TFLite operator each time.
        separable: Whether a 1x1 convolution follows the first depthwise one, both with ReLU, as in
            some public weights. The paper has none.
        squeeze: Behind each block its channels are weighed by squeeze-and-excite, this many times
            fewer between its two layers, as in some public weights. 0, as in the paper: not at all.
        include_top: Whether embeddings come out; else the last feature map, stride 16.
        momentum: Of batch norm; .9 suits short trainings.

    Raises:
        ValueError: An option is out of range.
    """
    check_alpha(alpha)
    if padding not in ("same", "symmetric"):
        raise ValueError(f"padding is same or symmetric, got {padding!r}")
    if not isinstance(squeeze, int) or not 0 <= squeeze <= STEM:
        raise ValueError(f"squeeze is a whole number from 0 to {STEM}, got {squeeze!r}")
    style = _Style(activation, padding, squeeze, momentum)
    image = image_input(input_size)
    stem = make_divisible(STEM * alpha)
    x = _stem(image, stem, style)
    first = "relu" if separable else activation
    x = depthwise_bn(x, name="stem_depthwise", activation=first, momentum=momentum)
    if separable:
        x = conv_bn(x, stem, name="stem_pointwise", activation=first, momentum=momentum)
    x = _bottlenecks(x, alpha, style)
    x = conv_bn(
        x, make_divisible(HEAD * alpha), name="head", activation=activation, momentum=momentum
    )
    if include_top:
        x = _embedding(x, embedding, momentum)
    return keras.Model(image, x, name=f"mobilefacenet_{alpha:g}")


def _stem(image: Any, filters: int, style: _Style) -> Any:
    activation, padding, _, momentum = style
    if padding == "same":
        return conv_bn(image, filters, 3, 2, name="stem", activation=activation, momentum=momentum)
    x = keras.layers.ZeroPadding2D(1, name="stem_pad")(image)
    x = keras.layers.Conv2D(
        filters, 3, 2, use_bias=False, kernel_initializer="he_normal", name="stem"
    )(x)
    return bn_activation(x, name="stem", activation=activation, momentum=momentum)


def _bottlenecks(x: Any, alpha: float, style: _Style) -> Any:
    activation, _, squeeze, momentum = style
    index = 0
    for expansion, filters, repeats, first_stride in STAGES:
        filters = make_divisible(filters * alpha)
        for repeat in range(repeats):
            name, inputs, stride = f"block{index}", x, 1 if repeat else first_stride
            wide = x.shape[-1] * expansion
            x = conv_bn(x, wide, name=f"{name}_expand", activation=activation, momentum=momentum)
            x = _depthwise(x, stride, name, style)
            x = conv_bn(x, filters, name=f"{name}_project", activation=None, momentum=momentum)
            if squeeze:
                x = squeeze_excite(
                    x, max(1, filters // squeeze), name=f"{name}_squeeze",
                    activation=activation, gate="sigmoid",
                )  # fmt: skip
            if stride == 1 and inputs.shape[-1] == filters:
                x = keras.layers.Add(name=f"{name}_add")([inputs, x])
            index += 1
    return x


def _depthwise(x: Any, stride: int, name: str, style: _Style) -> Any:
    activation, padding, _, momentum = style
    symmetric = stride == 2 and padding == "symmetric"
    if symmetric:
        x = keras.layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return depthwise_bn(
        x,
        3,
        stride,
        name=f"{name}_depthwise",
        activation=activation,
        padding="valid" if symmetric else "same",
        momentum=momentum,
    )


def _embedding(x: Any, embedding: int, momentum: float) -> Any:
    """Return the global depthwise convolution and the last 1x1, both linear."""
    if not isinstance(embedding, int) or embedding < 1:
        raise ValueError(f"embedding is a length, a whole number from 1, got {embedding!r}")
    x = depthwise_bn(
        x, x.shape[1:3], name="gdconv", activation=None, padding="valid", momentum=momentum
    )
    x = conv_bn(x, embedding, name="linear", activation=None, momentum=momentum)
    return keras.layers.Flatten(name="embedding")(x)
