"""Convolutions and dense layers with rounded weights, and the batch norm behind them inside them.

Batch norm with its averages is a scale and an offset for each channel. Both go into the kernel and
the bias of the layer that feeds it; where none does, they become a 1x1 depthwise convolution.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from edgecv.training.qat.layers import (
    QuantConv2D,
    QuantConv2DTranspose,
    QuantDense,
    QuantDepthwiseConv2D,
)
from edgecv.types import FloatArray


class Affine(NamedTuple):
    """A scale and an offset for each channel, float32 (C,)."""

    scale: FloatArray
    offset: FloatArray


class Kernel(NamedTuple):
    """The weights of a convolution or a dense layer: the kernel as Keras has it, the bias (C,)."""

    kernel: FloatArray
    bias: FloatArray


def normalization(layer: layers.BatchNormalization) -> Affine:
    """Return what a batch norm does when nothing is learnt."""
    variance = _array(layer.moving_variance).astype(np.float64)
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * _array(layer.gamma)
    offset = -_array(layer.moving_mean).astype(np.float64) * scale
    if layer.center:
        offset = offset + _array(layer.beta)
    return Affine(scale.astype(np.float32), offset.astype(np.float32))


def folded(weights: Kernel, affine: Affine | None, *, channels_at: int = -1) -> Kernel:
    """Return weights whose outputs are scaled and offset.

    Args:
        weights: The weights.
        affine: What is done to the outputs; None for nothing.
        channels_at: The kernel's axis of output channels; for a depthwise kernel -2: its last axis
            counts the filters of each channel.
    """
    if affine is None:
        return weights
    kernel, bias = weights
    shape = [1] * kernel.ndim
    if channels_at == -2 and kernel.shape[-1] * kernel.shape[-2] == len(affine.scale):
        shape[-2:] = kernel.shape[-2:]
    else:
        shape[channels_at] = -1
    scaled = kernel * affine.scale.reshape(shape)
    return Kernel(scaled, bias * affine.scale + affine.offset)


def convolution(layer: layers.Conv2D, x: Any, affine: Affine | None, name: str) -> Any:
    """Return a convolution of `x`, with what follows it folded in."""
    weights = folded(_weights(layer, layer.filters), affine)
    return _called(QuantConv2D, layer, x, weights, name)


def depthwise(layer: layers.DepthwiseConv2D, x: Any, affine: Affine | None, name: str) -> Any:
    """Return a depthwise convolution of `x`, with what follows it folded in."""
    weights = _weights(layer, layer.kernel.shape[2] * layer.kernel.shape[3])
    return _called(QuantDepthwiseConv2D, layer, x, folded(weights, affine, channels_at=-2), name)


def transposed(layer: layers.Conv2DTranspose, x: Any, affine: Affine | None, name: str) -> Any:
    """Return a transposed convolution of `x`, with what follows it folded in."""
    kernel, bias = _weights(layer, layer.filters)  # (height, width, filters, channels)
    if affine is not None:
        kernel = kernel * affine.scale[:, None]
        bias = bias * affine.scale + affine.offset
    return _called(QuantConv2DTranspose, layer, x, Kernel(kernel, bias), name)


def dense(layer: layers.Dense, x: Any, affine: Affine | None, name: str) -> Any:
    """Return a dense layer on `x`, with what follows it folded in."""
    return _called(QuantDense, layer, x, folded(_weights(layer, layer.units), affine), name)


def separable_depthwise(layer: layers.SeparableConv2D, x: Any, name: str) -> Any:
    """Return the first half of a separable convolution, which has no bias."""
    kernel = _array(layer.depthwise_kernel)
    new = QuantDepthwiseConv2D(
        layer.kernel_size,
        layer.strides,
        padding=layer.padding,
        depth_multiplier=layer.depth_multiplier,
        dilation_rate=layer.dilation_rate,
        name=name,
    )
    return _set(new, x, Kernel(kernel, np.zeros(kernel.shape[2] * kernel.shape[3], np.float32)))


def separable_pointwise(
    layer: layers.SeparableConv2D, x: Any, affine: Affine | None, name: str
) -> Any:
    """Return the second half of a separable convolution, with what follows it folded in."""
    bias = _array(layer.bias) if layer.use_bias else np.zeros(layer.filters, np.float32)
    weights = folded(Kernel(_array(layer.pointwise_kernel), bias), affine)
    return _set(QuantConv2D(layer.filters, 1, name=name), x, weights)


def each_channel(affine: Affine, x: Any, name: str) -> Any:
    """Return a feature map (B, H, W, C) scaled and offset by a 1x1 depthwise convolution."""
    kernel = affine.scale.reshape(1, 1, -1, 1)
    return _set(QuantDepthwiseConv2D(1, name=name), x, Kernel(kernel, affine.offset))


def _array(variable: Any) -> FloatArray:
    """Return a variable's values; Keras's own way gives a warning under numpy 2.4."""
    values: FloatArray = np.asarray(variable.value.numpy())
    return values


def _weights(layer: Any, count: int) -> Kernel:
    bias = _array(layer.bias) if layer.use_bias else np.zeros(count, np.float32)
    return Kernel(_array(layer.kernel), bias)


def _called(kind: type[keras.Layer], layer: keras.Layer, x: Any, weights: Kernel, name: str) -> Any:
    """Return `x` through a layer like another one, with a bias and without an activation."""
    config = {**layer.get_config(), "name": name, "use_bias": True, "activation": "linear"}
    return _set(kind.from_config({**config, "dtype": "float32", "trainable": True}), x, weights)


def _set(layer: keras.Layer, x: Any, weights: Kernel) -> Any:
    out = layer(x)
    layer.set_weights([weights.kernel, uneven(weights.bias)])
    return out


def uneven(bias: FloatArray) -> FloatArray:
    """Return a bias (C,) that is not the same number C times; one of them is the next smaller.

    Of one number TFLite's converter makes one integer for all channels, though each has a scale of
    its own (TensorFlow 2.21). The same zeros are right as they are.
    """
    if not bias[0] or (bias != bias[0]).any():
        return bias
    out = bias.copy()
    out[0] = np.nextafter(out[0], np.float32(0))
    return out
