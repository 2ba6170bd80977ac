"""How a network that is not ours takes a picture: its size, its channels, the values of a byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from edgecv.models.graph import Step, flat_steps, with_inputs
from edgecv.spec import InputSpec
from edgecv.training.data.geometry import INPUT
from edgecv.training.errors import RecipeError

BYTES = InputSpec()
"""A picture as it is: RGB, 0..255."""

GREY = replace(INPUT, color="grey", mean=(127.5,), std=(127.5,))
"""Grey, -1..1."""

IMAGENET = InputSpec(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
"""RGB, less ImageNet's mean and divided by its deviation."""

UNPREPARED = {
    "ConvNeXt": IMAGENET,
    "EfficientNetV2B": IMAGENET,
    "EfficientNetV2": InputSpec(mean=(128.0,) * 3, std=(128.0,) * 3),
    "MobileNetV3": INPUT,
}
"""What networks of `keras.applications` compute of a byte first, by how their names begin.

With include_preprocessing=False it has to be done before. Source: the layers that Keras 3.15 builds
with include_preprocessing=True.
"""

UNCHANGING = (
    "CenterCrop", "Cropping2D", "Dropout", "GetItem", "Identity", "Random", "Resizing", "Stack",
    "ZeroPadding2D",
)  # fmt: skip
"""How the classes of layers begin that leave a picture in its range."""


def unprepared(name: str) -> InputSpec | None:
    """Return what a network of `keras.applications` takes with include_preprocessing=False.

    Args:
        name: Such as "MobileNetV3Small".

    Returns:
        None for a network that is not known to take another picture without.
    """
    return next((spec for start, spec in UNPREPARED.items() if name.startswith(start)), None)


def input_of(model: keras.Model) -> InputSpec:
    """Return how a network takes a picture, as its input's channels and its first layers tell.

    Args:
        model: A functional network of one input.

    Raises:
        RecipeError: Its input is no picture (B, H, W, 3) or (B, H, W, 1).
    """
    shape = tuple(model.inputs[0].shape[1:])
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise RecipeError(
            "wanted a network for pictures, with an input of (HEIGHT, WIDTH, 3) in colour or "
            f"(HEIGHT, WIDTH, 1) in grey, got {shape}"
        )
    grey = shape[2] == 1
    if takes_bytes(model):
        return InputSpec(color="grey", mean=(0.0,), std=(1.0,)) if grey else BYTES
    return GREY if grey else INPUT


def takes_bytes(model: keras.Model) -> bool:
    """Tell whether the first layers of a network scale 0..255 themselves.

    Args:
        model: A functional network, with models inside it or without.
    """
    for step in flat_steps(model):
        if not type(step.layer).__name__.startswith(UNCHANGING):
            return _scales(step)
    return False


def closed(model: keras.Model, size: tuple[int, int]) -> keras.Model:
    """Return a network with one input whose sides are fixed: itself, or a copy of that size.

    Args:
        model: A functional network of one input (B, H, W, C), H and W open or not.
        size: Height and width, for the open ones.
    """
    batch, *sides, channels = model.inputs[0].shape
    if len(sides) != 2 or None not in sides:
        return model
    fixed = (side or wanted for side, wanted in zip(sides, size, strict=True))
    copy = with_inputs(model, [(batch, *fixed, channels)])
    copy_weights(model, copy)
    return copy


def copy_weights(source: keras.Layer, target: keras.Layer) -> None:
    """Copy the weights of a layer or a network into another one of the same shapes."""
    target.set_weights(source.get_weights())
    for layer in target._flatten_layers():
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()  # it computes with what it once made of its weights


def _scales(step: Step) -> bool:
    """Tell whether a step is arithmetic for bytes, which numbers of 0..1 would not want."""
    layer, kind = step.layer, type(step.layer).__name__
    if kind == "Rescaling":
        return float(np.max(np.abs(layer.scale))) < 1
    if kind == "Normalization":
        return float(np.max(keras.ops.convert_to_numpy(layer.variance))) > 1
    numbers = list(_constants(step))
    if kind not in ("Add", "Divide", "Multiply", "Subtract", "TrueDivide") or not numbers:
        return False
    return max(numbers) < 1 if kind == "Multiply" else max(numbers) > 1


def _constants(step: Step) -> Iterator[float]:
    """Yield the largest absolute value of each number or array that a step is called with."""
    operation, node, _ = step.outputs[0]._keras_history
    given = operation._inbound_nodes[node].arguments
    for value in keras.tree.flatten([given.args, given.kwargs]):
        if not isinstance(value, keras.KerasTensor) and value is not None:
            yield float(np.max(np.abs(_array(value))))


def _array(value: Any) -> Any:
    return keras.ops.convert_to_numpy(value) if keras.ops.is_tensor(value) else value
