"""What a layer costs: parameters, multiply-adds, and the memory that its tensors need."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from keras import layers

from .graph import Step

CONVOLUTIONS = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
SEPARABLE = (layers.SeparableConv1D, layers.SeparableConv2D)
TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
FUSED = (
    layers.BatchNormalization,
    layers.Activation,
    layers.ReLU,
    layers.LeakyReLU,
    layers.PReLU,
    layers.ELU,
    layers.Softmax,
    layers.Dropout,
    layers.SpatialDropout2D,
    layers.Reshape,
    layers.Flatten,
    layers.Rescaling,
    layers.Normalization,
)
"""Layers that change values where they are: runtimes fuse them, or let them run in place."""


def parameters(layer: Any) -> int:
    """Return how many numbers a layer holds, trained or not."""
    return sum(_size(weight) for weight in getattr(layer, "weights", ()))


def multiply_adds(step: Step) -> int | None:
    """Return the multiply-adds of one picture's convolutions and dense layers.

    Biases, batch norm (which folds away), activations, pools and sums are not counted, as in the
    papers of the MobileNets; publications that count multiplications and additions apart say twice
    as much.

    Returns:
        0 for a layer without kernels, None for one whose kernels are of no known kind.
    """
    layer = step.layer
    if isinstance(layer, TRANSPOSED):
        return _places(step.inputs[0], layer) * _size(layer.kernel)
    if isinstance(layer, SEPARABLE):
        kernels = _size(layer.depthwise_kernel) + _size(layer.pointwise_kernel)
        return _places(step.outputs[0], layer) * kernels
    if isinstance(layer, (*CONVOLUTIONS, *DEPTHWISE, layers.Dense)):
        return _places(step.outputs[0], layer) * _size(layer.kernel)
    return 0 if _has_no_kernel(layer) else None


def _places(tensor: Any, layer: Any) -> int:
    """Return height times width of a feature map; 1 for a vector."""
    first = getattr(layer, "data_format", None) == "channels_first"
    return prod(tensor.shape[2:] if first else tensor.shape[1:-1])


def _size(weight: Any) -> int:
    return prod(weight.shape)


def _has_no_kernel(layer: Any) -> bool:
    if isinstance(layer, (*FUSED, layers.Embedding)):
        return True
    return all(len(weight.shape) < 2 for weight in getattr(layer, "weights", ()))


def folded_parameters(plan: Sequence[Step]) -> int:
    """Return how many numbers are left when batch norm is folded into the layers before it.

    Of each batch norm one bias for a channel stays, and none where the layer has a bias of its own.
    """
    made_by = {id(tensor): step.layer for step in plan for tensor in step.outputs}
    count, seen = 0, set()
    for step in plan:
        layer = step.layer
        if id(layer) in seen:
            continue
        seen.add(id(layer))
        if isinstance(layer, layers.BatchNormalization):
            biased = getattr(made_by.get(id(step.inputs[0])), "use_bias", False)
            count += 0 if biased else step.outputs[0].shape[layer.axis]
        else:
            count += parameters(layer)
    return int(count)


def live_values(inputs: Sequence[Any], plan: Sequence[Step]) -> list[int]:
    """Return, for each step, how many values have to be in memory while it runs.

    These are its inputs, its outputs, and what later steps still wait for, for one picture, when
    steps run in their order. A step of `FUSED` overwrites its input where nothing else needs it.
    """
    last = {id(tensor): index for index, step in enumerate(plan) for tensor in step.inputs}
    live = {id(tensor): _values(tensor) for tensor in inputs}
    needed = []
    for index, step in enumerate(plan):
        gone = [id(tensor) for tensor in step.inputs if last[id(tensor)] == index]
        if isinstance(step.layer, FUSED):
            for key in gone:
                live.pop(key, None)
        live |= {id(tensor): _values(tensor) for tensor in step.outputs}
        needed.append(sum(live.values()))
        for key in gone:
            live.pop(key, None)
    return needed


def _values(tensor: Any) -> int:
    return prod(tensor.shape[1:])
