"""How each kind of layer is built anew: what is folded, what is rounded, what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from edgecv.models.graph import Step
from edgecv.training.qat import fold
from edgecv.training.qat.fold import Affine
from edgecv.training.qat.walk import MOVING, Walk, activation, is_plain, kind

SIGMOID, TANH = (0.0, 255 / 256), (-1.0, 127 / 128)
"""Ranges that TFLite's 8-bit specification lays down: scale 1/256 from 0, scale 1/128 about 0."""

ACTIVATIONS = (
    "linear", "relu", "relu6", "sigmoid", "tanh", "softmax", "hard_sigmoid", "hard_swish",
    "hard_silu", "silu", "swish", "leaky_relu",
)  # fmt: skip
FIXED = {"sigmoid": SIGMOID, "softmax": SIGMOID, "tanh": TANH}


def convolution(walk: Walk, step: Step) -> None:
    """Build a convolution, dense layer or the like, with its batch norm and activation."""
    layer, end = step.layer, step
    after = walk.next(step)
    affine = None
    if activation(layer) == "linear" and after is not None and _folds(after):
        affine, end = fold.normalization(after.layer), after
    inner = activation(layer) if activation(layer) != "linear" else ""
    fuses = kind(step) != "Conv2DTranspose"  # the converter does so with some biases alone
    name = walk.inner(step) if end is step else walk.name(layer.name)
    x = _KERNELS[kind(step)](walk, layer, walk.given(step), affine, name)
    if inner:
        _activate(walk, step, x, inner, fresh=True, fuses=fuses)
    else:
        walk.give(end, x, fuses=fuses)
    if end is not step:
        walk.skip(step, end)


def _separable(walk: Walk, layer: Any, x: Any, affine: Affine | None, name: str) -> Any:
    x = fold.separable_depthwise(layer, x, walk.name(f"{name}_depthwise"))
    x = walk.ranged(x, f"{name}_depthwise_range")
    return fold.separable_pointwise(layer, x, affine, name)


_KERNELS: dict[str, Callable[..., Any]] = {
    "Conv2D": lambda walk, *rest: fold.convolution(*rest),
    "DepthwiseConv2D": lambda walk, *rest: fold.depthwise(*rest),
    "Conv2DTranspose": lambda walk, *rest: fold.transposed(*rest),
    "Dense": lambda walk, *rest: fold.dense(*rest),
    "SeparableConv2D": _separable,
}


def batch_norm(walk: Walk, step: Step) -> None:
    """Build a batch norm that nothing before it could take in."""
    if walk.is_done(step):
        return
    if len(step.inputs[0].shape) != 4:
        raise ValueError(f"{step.layer.name}: what it normalizes goes elsewhere too; fold it first")
    x = fold.each_channel(fold.normalization(step.layer), walk.given(step), walk.inner(step))
    walk.give(step, x, fuses=True)


def rescaling(walk: Walk, step: Step) -> None:
    """Build a rescaling of a picture as a 1x1 depthwise convolution."""
    channels = step.inputs[0].shape[-1]
    scale, offset = (
        np.broadcast_to(np.asarray(value, np.float32), channels)
        for value in (step.layer.scale, step.layer.offset)
    )
    x = fold.each_channel(Affine(scale, offset), walk.given(step), walk.inner(step))
    walk.give(step, x, fuses=True)


def activated(walk: Walk, step: Step) -> None:
    """Build an activation that is a layer or an operation of its own."""
    _activate(walk, step, walk.given(step), activation_of(step))


def moved(walk: Walk, step: Step) -> None:
    """Build what gives values as they came.

    A max pool tells its range once more: where a mean pool and a convolution read it, the converter
    forgets it and leaves the convolution in floats (TensorFlow 2.21).
    """
    walk.pass_on(step, walk.called(step, last=True), rounds=kind(step) == "MaxPooling2D")


def blended(walk: Walk, step: Step) -> None:
    """Build what gives values between its neighbours: mean pools, and bilinear resizes."""
    walk.pass_on(step, walk.called(step, last=True), rounds=True)


def enlarged(walk: Walk, step: Step) -> None:
    """Build a resize: neighbours are blended, or copied."""
    copies = step.layer.interpolation == "nearest"
    walk.pass_on(step, walk.called(step, last=True), rounds=not copies)


def rounded(walk: Walk, step: Step) -> None:
    """Build what has a range of its own."""
    walk.give(step, walk.called(step))


def merged(walk: Walk, step: Step) -> None:
    """Build a sum or a product, two tensors at a time."""
    parts = walk.given(step)
    if not isinstance(parts, list) or len(parts) == 2:
        walk.give(step, walk.called(step), fuses=True)
        return
    x, config = parts[0], {**step.layer.get_config(), "dtype": "float32"}
    for number, part in enumerate(parts[1:-1]):
        name = walk.name(f"{step.layer.name}_part{number}")
        x = type(step.layer).from_config({**config, "name": name})([x, part])
        x = walk.ranged(x, f"{name}_range")
    last = type(step.layer).from_config({**config, "name": walk.inner(step)})
    walk.give(step, last([x, parts[-1]]), fuses=True)


RULES: dict[str, Callable[[Walk, Step], None]] = {
    **dict.fromkeys(_KERNELS, convolution),
    **dict.fromkeys(MOVING, moved),
    "BatchNormalization": batch_norm,
    "Rescaling": rescaling,
    **dict.fromkeys(("Activation", "ReLU", "LeakyReLU", "PReLU", "Softmax"), activated),
    **dict.fromkeys(("Relu", "Relu6", "Sigmoid", "Tanh", "Identity"), activated),
    "GlobalMaxPooling2D": moved,
    "AveragePooling2D": blended,
    **dict.fromkeys(("Enlarge", "Resizing", "UpSampling2D"), enlarged),
    "GlobalAveragePooling2D": rounded,
    "Concatenate": rounded,
    **dict.fromkeys(("Add", "Subtract", "Multiply"), merged),
}
"""By the names of classes: of Keras's layers, and of the operations behind keras.ops and x + y."""


def activation_of(step: Step) -> str:
    """Return what an activation step is called; what edgecv does not know by its class's name."""
    layer, name = step.layer, kind(step)
    if name == "ReLU":
        return "relu6" if layer.max_value == 6 else "relu"
    own = {"LeakyReLU": "leaky_relu", "PReLU": "prelu", "Softmax": "softmax", "Identity": "linear"}
    return activation(layer) if name == "Activation" else own.get(name, name.lower())


def fault(step: Step) -> str:
    """Return why a step cannot be built; empty where it can."""
    layer, name = step.layer, kind(step)
    if name not in RULES:
        return name
    if getattr(layer, "data_format", "channels_last") not in (None, "channels_last"):
        return f"{name} with its channels first"
    if name in _KERNELS or name == "Activation":
        used = activation(layer)
        return "" if used in ACTIVATIONS else f"the activation {used} of {name}"
    if name == "ReLU" and not is_plain(layer):
        return "ReLU with a slope, a threshold or a limit other than 6"
    if RULES[name] is enlarged and layer.interpolation not in ("nearest", "bilinear"):
        return f"{name} that is {layer.interpolation}"
    if name in ("BatchNormalization", "Rescaling"):
        return _affine_fault(step)
    return ""


def _affine_fault(step: Step) -> str:
    axes = len(step.inputs[0].shape)
    if kind(step) == "BatchNormalization" and step.layer.axis not in (-1, axes - 1):
        return "BatchNormalization of another axis than the last"
    maker = step.inputs[0]._keras_history.operation
    if axes != 4 and type(maker).__name__ not in _KERNELS:
        return f"{kind(step)} of no feature map, and behind no layer that it could be folded into"
    return ""


def _folds(step: Step) -> bool:
    return kind(step) == "BatchNormalization" and not fault(step)


def _activate(
    walk: Walk, step: Step, x: Any, name: str, *, fresh: bool = False, fuses: bool = True
) -> None:
    """Build an activation.

    Args:
        walk: The network so far.
        step: The activation, or the layer that has it.
        x: What it works on.
        name: The activation.
        fresh: `x` has no range yet: the activation is inside of the layer before it.
        fuses: TFLite fuses a ReLU with that layer.
    """
    if name == "linear":
        walk.pass_on(step, walk.called(step, last=True))
        return
    own = walk.name(f"{step.layer.name}_{name}") if fresh else walk.inner(step)
    is_relu = name in ("relu", "relu6")
    if fresh and not (is_relu and fuses):
        x = walk.ranged(x, f"{own}_input")
    if is_relu:
        walk.give(step, layers.ReLU(6.0 if name == "relu6" else None, name=own)(x))
    elif name == "prelu":
        walk.give(step, _prelu(step.layer, x, own))
    elif name == "hard_sigmoid":
        walk.give(step, _hard_sigmoid(walk, x, own), fixed=(0.0, 1.0))
    elif name in ("silu", "swish"):
        gate = walk.ranged(ops.sigmoid(x), f"{own}_gate", SIGMOID)
        walk.give(step, layers.Multiply(name=own)([x, gate]))
    elif name == "leaky_relu":
        slope = getattr(step.layer, "negative_slope", 0.2)
        walk.give(step, layers.LeakyReLU(slope, name=own)(x))
    else:
        walk.give(step, layers.Activation(name, name=own)(x), fixed=FIXED.get(name))


def _hard_sigmoid(walk: Walk, x: Any, name: str) -> Any:
    """Return relu6(x + 3) / 6, rounded where TFLite's two operators for it round."""
    inner = walk.ranged(ops.relu6(x + 3.0), f"{name}_inner", (0.0, 6.0))
    return inner * (1 / 6)


def _prelu(layer: layers.PReLU, x: Any, name: str) -> Any:
    config = {**layer.get_config(), "name": name, "dtype": "float32"}
    new = layers.PReLU.from_config(config)
    x = new(x)
    new.set_weights(layer.get_weights())
    return x


def all_faults(steps: list[Step], own: set[int]) -> list[str]:
    """Return what cannot be built of a network, each with its layer's name.

    Args:
        steps: The network's.
        own: The `id` of every layer that belongs to it; others are copies without its weights.
    """
    out = [f"{step.layer.name} ({reason})" for step in steps if (reason := fault(step))]
    calls: dict[int, int] = {}
    for step in steps:
        if isinstance(step.layer, keras.Layer) and step.layer.weights:
            calls[id(step.layer)] = calls.get(id(step.layer), 0) + 1
            if calls[id(step.layer)] == 2 or id(step.layer) not in own:
                out.append(f"{step.layer.name} (called more than once)")
    return list(dict.fromkeys(out))
