"""What the model families share: the input, convolutions with batch norm, the classifier."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import keras

from edgecv.types import Size

EPSILON = 1e-3
"""Of batch norm: the value that all TF-Slim MobileNets were trained with."""

Activation = Literal["relu", "relu6", "hard_swish", "prelu", "prelu_shared"]
"""PReLU has a slope for each channel, "prelu_shared" one for all of them."""


def image_input(input_size: int | Sequence[int]) -> Any:
    """Return the input: float32 (B, H, W, 3), RGB, scaled to -1..1.

    Args:
        input_size: The side of a square, or height and width; pixels.

    Raises:
        ValueError: It is neither, or not positive.
    """
    return keras.Input((*size_of(input_size), 3), name="image")


def size_of(input_size: int | Sequence[int]) -> Size:
    """Read a side, or height and width.

    Raises:
        ValueError: It is neither, or not positive.
    """
    sides = tuple(input_size) if isinstance(input_size, Sequence) else (input_size, input_size)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(f"input_size is a side or (height, width) in pixels, got {input_size!r}")
    return Size(*sides)


def make_divisible(channels: float, divisor: int = 8, least: int | None = None) -> int:
    """Return the multiple of `divisor` nearest to `channels`, and no more than 10 % below it.

    The rule by which TF-Slim's MobileNets round the channels that a width multiplier gives.
    """
    rounded = max(least or divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


def check_alpha(alpha: float) -> None:
    """Refuse a width multiplier that is not positive.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(alpha, (int, float)) or not 0 < alpha < math.inf:
        raise ValueError(f"alpha, the width multiplier, is positive, got {alpha!r}")


def conv_bn(
    x: Any,
    filters: int,
    kernel: int = 1,
    stride: int = 1,
    *,
    name: str,
    activation: Activation | None = "relu6",
    momentum: float = 0.99,
) -> Any:
    """Return a convolution without bias, batch norm, and an activation or none."""
    x = keras.layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return bn_activation(x, name=name, activation=activation, momentum=momentum)


def depthwise_bn(
    x: Any,
    kernel: int | tuple[int, int] = 3,
    stride: int = 1,
    *,
    name: str,
    activation: Activation | None = "relu6",
    padding: Literal["same", "valid"] = "same",
    momentum: float = 0.99,
) -> Any:
    """Return a depthwise convolution without bias, batch norm, and an activation or none."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    x = keras.layers.DepthwiseConv2D(
        (height, width),
        stride,
        padding=padding,
        use_bias=False,
        # he_normal would count all the channels in, and a depthwise filter sees one
        depthwise_initializer=keras.initializers.TruncatedNormal(
            stddev=math.sqrt(2 / (height * width))
        ),
        name=name,
    )(x)
    return bn_activation(x, name=name, activation=activation, momentum=momentum)


def bn_activation(
    x: Any, *, name: str, activation: Activation | None, momentum: float = 0.99
) -> Any:
    """Return batch norm and an activation, named after the layer that they follow."""
    x = keras.layers.BatchNormalization(momentum=momentum, epsilon=EPSILON, name=f"{name}_bn")(x)
    return x if activation is None else activate(x, activation, name=f"{name}_{activation}")


def activate(x: Any, activation: Activation, *, name: str) -> Any:
    """Return an activation as a layer of its own, which converters fuse with what is before it.

    Raises:
        ValueError: It is none of those that the families use.
    """
    if activation in ("prelu", "prelu_shared"):
        return keras.layers.PReLU(
            shared_axes=[1, 2] if activation == "prelu" else [1, 2, 3],
            alpha_initializer=keras.initializers.Constant(0.25),
            name=name,
        )(x)
    if activation == "relu":
        return keras.layers.ReLU(name=name)(x)
    if activation == "relu6":
        return keras.layers.ReLU(6.0, name=name)(x)
    if activation == "hard_swish":
        return keras.layers.Activation("hard_swish", name=name)(x)
    raise ValueError(
        f"activation is relu, relu6, hard_swish, prelu or prelu_shared, got {activation!r}"
    )


def squeeze_excite(
    x: Any,
    reduced: int,
    *,
    name: str,
    activation: Activation = "relu",
    gate: Literal["hard_sigmoid", "sigmoid"] = "hard_sigmoid",
) -> Any:
    """Return a feature map whose channels are weighed by what all of the picture shows.

    Source: Hu et al. 2018, "Squeeze-and-Excitation Networks", arXiv:1709.01507.

    Args:
        x: (B, H, W, C).
        reduced: Channels between the two layers that make the C weights.
        name: The layers' names begin with it; the weights are those of ``{name}_gate``.
        activation: Between the two layers.
        gate: What makes weights of 0..1 of the last one.
    """
    weight = keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    weight = keras.layers.Conv2D(reduced, 1, name=f"{name}_reduce")(weight)
    weight = activate(weight, activation, name=f"{name}_{activation}")
    weight = keras.layers.Conv2D(x.shape[-1], 1, name=f"{name}_restore")(weight)
    weight = keras.layers.Activation(gate, name=f"{name}_gate")(weight)
    return keras.layers.Multiply(name=f"{name}_multiply")([x, weight])


def classifier(x: Any, classes: int, dropout: float) -> Any:
    """Return the logits (B, classes) of the mean of a feature map.

    Raises:
        ValueError: There are no classes, or dropout is no fraction.
    """
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return logits(x, classes, dropout)


def logits(x: Any, classes: int, dropout: float) -> Any:
    """Return the logits (B, classes) of vectors (B, C).

    Raises:
        ValueError: There are no classes, or dropout is no fraction.
    """
    check_top(classes, dropout)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    return keras.layers.Dense(classes, name="logits")(x)


def check_top(classes: int, dropout: float) -> None:
    """Refuse what a classifier cannot have.

    Raises:
        ValueError: There are no classes, or dropout is no fraction.
    """
    if not isinstance(classes, int) or classes < 1:
        raise ValueError(f"classes are a whole number from 1, got {classes!r}")
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ValueError(f"dropout is a fraction in 0..1, got {dropout!r}")
