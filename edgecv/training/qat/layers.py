"""Layers that compute with the rounding of INT8 while they learn in float32.

Values are rounded by TensorFlow's fake-quant operators, which TFLite's converter reads as the
ranges of tensors. Activations have one range a tensor, weights a symmetric one for each output
channel where the converter can follow, and gradients pass through the rounding as if it was not
there. Source: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 3; symmetric weights: TFLite's 8-bit specification.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from edgecv.training.tasks import Tensor

SMALLEST = 1e-6
"""Of a range: one of no width has no steps."""


@keras.saving.register_keras_serializable("edgecv")
class FakeQuant(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped here
    """A tensor, rounded to the 256 values of INT8 that its range has.

    The range follows the least and greatest values of the batches of a training as a moving
    average, which starts with those of the first batch; zero is always in it. It is part of the
    weights, so it is saved and restored with the others.

    Args:
        fixed: The range, where it is known before; it moves by less than a step (`on_grid`).
        momentum: How much of the moving average a batch leaves as it was, 0..1.
        name: The layer's name.
    """

    def __init__(
        self,
        *,
        fixed: tuple[float, float] | None = None,
        momentum: float = 0.99,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32")
        self.fixed = None if fixed is None else on_grid(*fixed)
        self.momentum = momentum
        self.observing = False

    def build(self, shape: Any) -> None:
        """Make the range: of no width before any value was seen."""
        if self.fixed is None:
            self.low, self.high = self._number("low", 0.0), self._number("high", 0.0)
            self.moving = self._number("moving", 1.0)

    def call(self, x: Tensor, training: bool = False, follow: bool = False) -> Tensor:
        """Return the rounded tensor.

        Args:
            x: The tensor.
            training: Whether the range follows it.
            follow: The range is another tensor's, and this one leaves it as it is.
        """
        if self.fixed is not None:
            return x if self.observing else _rounded(x, *self.fixed)
        if self.observing:
            if not follow:
                self._move(x, 1.0, widen=True)
            return x
        if training and not follow:
            first = ops.cast(ops.equal(self.low, self.high), "float32")
            self._move(x, ops.maximum(first, self.moving * (1 - self.momentum)))
        return _rounded(x, self.low.value, self.high.value)

    def compute_output_spec(self, x: Tensor, **_: Any) -> keras.KerasTensor:
        """Return what comes out: no sparse tensor, which Keras takes a product by a number for."""
        return keras.KerasTensor(x.shape, dtype="float32")

    def limits(self) -> tuple[float, float]:
        """Return the range: (0, 0) before any value was seen."""
        return self.fixed or (float(self.low.value.numpy()), float(self.high.value.numpy()))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {"name": self.name, "fixed": self.fixed, "momentum": self.momentum}

    def _number(self, name: str, start: float) -> Any:
        return self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(start),
            trainable=False,
            name=name,
            aggregation="mean",
        )

    def _move(self, x: Tensor, share: Any, *, widen: bool = False) -> None:
        """Move the range by a share towards that of a tensor; or widen it to hold both."""
        low, high = ops.minimum(ops.min(x), 0.0), ops.maximum(ops.max(x), SMALLEST)
        if widen:
            low, high = ops.minimum(low, self.low), ops.maximum(high, self.high)
        self.low.assign(self.low + share * (low - self.low))
        self.high.assign(self.high + share * (high - self.high))


@keras.saving.register_keras_serializable("edgecv")
class QuantConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """A convolution with rounded weights."""

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        """Return the convolution, without the bias."""
        return super().convolution_op(inputs, rounded_channels(kernel))


@keras.saving.register_keras_serializable("edgecv")
class QuantDepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]
    """A depthwise convolution with rounded weights."""

    def call(self, inputs: Tensor) -> Tensor:
        """Return the convolution and the bias."""
        shape = tuple(self.kernel.shape)  # (height, width, channels, multiplier)
        flat = ops.reshape(self.kernel, (*shape[:2], shape[2] * shape[3]))
        x = ops.depthwise_conv(
            inputs,
            ops.reshape(rounded_channels(flat), shape),
            strides=self.strides,
            padding=self.padding,
            dilation_rate=self.dilation_rate,
        )
        return x + self.bias


@keras.saving.register_keras_serializable("edgecv")
class QuantConv2DTranspose(keras.layers.Conv2DTranspose):  # type: ignore[misc]
    """A transposed convolution with rounded weights, with one range for all of them.

    TFLite's converter turns the kernel round and loses its way with a range for each channel:
    "'tfl.transpose' op has mismatched quantized axes" (TensorFlow 2.21).
    """

    def call(self, inputs: Tensor) -> Tensor:
        """Return the transposed convolution and the bias."""
        x = ops.conv_transpose(
            inputs,
            rounded_whole(self.kernel),
            strides=list(self.strides),
            padding=self.padding,
            output_padding=self.output_padding,
            dilation_rate=self.dilation_rate,
        )
        return x + self.bias


@keras.saving.register_keras_serializable("edgecv")
class QuantDense(keras.layers.Dense):  # type: ignore[misc]
    """A dense layer with rounded weights, with one range for all of them.

    As for transposed convolutions, the converter loses its way with one for each channel.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return the product and the bias."""
        return ops.matmul(inputs, rounded_whole(self.kernel)) + self.bias


def rounded_channels(kernel: Tensor) -> Tensor:
    """Return weights rounded to -127..127 steps, with a range for each channel of the last axis."""
    kernel = tf.convert_to_tensor(kernel)
    largest = tf.reduce_max(tf.abs(kernel), axis=list(range(len(kernel.shape) - 1)))
    largest = tf.stop_gradient(tf.maximum(largest, SMALLEST))
    return tf.quantization.fake_quant_with_min_max_vars_per_channel(
        kernel, -largest, largest, num_bits=8, narrow_range=True
    )


def rounded_whole(kernel: Tensor) -> Tensor:
    """Return weights rounded to -127..127 steps, with one range."""
    kernel = tf.convert_to_tensor(kernel)
    largest = tf.stop_gradient(tf.maximum(tf.reduce_max(tf.abs(kernel)), SMALLEST))
    return tf.quantization.fake_quant_with_min_max_vars(
        kernel, -largest, largest, num_bits=8, narrow_range=True
    )


def on_grid(low: float, high: float) -> tuple[float, float]:
    """Return a range moved so that zero is one of its 256 values, as TFLite's converter moves it.

    Where zero is half a step off, as between -1 and 1, TensorFlow's operator would move the other
    way than the converter, and white be another number in training than in the file.
    """
    scale = (high - low) / 255
    steps = math.floor(-low / scale + 0.5)
    return -steps * scale, (255 - steps) * scale


def _rounded(x: Tensor, low: Any, high: Any) -> Tensor:
    return tf.quantization.fake_quant_with_min_max_vars(x, low, high, num_bits=8)
