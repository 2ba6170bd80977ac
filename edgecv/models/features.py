"""Feature maps of a backbone, found by what its layers do and not by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from .graph import PADDINGS, Step, cuts, is_map, steps, window

Stride = tuple[float, float]


def features(model: keras.Model, strides: Sequence[int] = (8, 16, 32)) -> list[Any]:
    """Return the last feature map (B, H, W, C) at each stride, of all that a model computes.

    "Last" is the last one that everything deeper is made of: the output of a stage of ResNet, and
    not a tensor inside its next block; the expansion of MobileNetV2's block 13 at stride 16, which
    is what SSDLite takes (Sandler et al. 2018, section 6.2). Padding is no feature map.

    Args:
        model: A functional Keras model, such as a backbone of `edgecv.models` or
            `keras.applications`, with or without its classifier.
        strides: How many pixels of the input a step on the feature map is.

    Raises:
        ValueError: The model has no feature map at one of the strides.
    """
    plan = steps(model)
    found = {
        stride[0]: tensor
        for tensor, stride in _strides(model, plan)
        if stride[0] == stride[1] and is_map(tensor)
    }
    missing = [stride for stride in strides if stride not in found]
    if missing:
        there = ", ".join(f"{stride:g}" for stride in sorted(found)) or "none"
        raise ValueError(f"{model.name} has no feature map at stride {missing[0]}; it has {there}")
    return [found[stride] for stride in strides]


def _strides(model: keras.Model, plan: Sequence[Step]) -> list[tuple[Any, Stride]]:
    """Return the tensors that everything behind them is made of, with their strides."""
    known: dict[int, Stride | None] = {id(tensor): (1, 1) for tensor in model.inputs}
    padded = set()
    for step in plan:
        stride = _stride(step, [known.get(id(tensor)) for tensor in step.inputs])
        known |= {id(tensor): stride for tensor in step.outputs}
        if isinstance(step.layer, PADDINGS):
            padded |= {id(tensor) for tensor in step.outputs}
    candidates = [(tensor, known[id(tensor)]) for tensor in cuts(plan) if id(tensor) not in padded]
    return [(tensor, stride) for tensor, stride in candidates if stride is not None]


def _stride(step: Step, before: Sequence[Stride | None]) -> Stride | None:
    """Return the stride of a step's outputs; None for what is no map of the picture."""
    seen, before_seen = window(step), [stride for stride in before if stride is not None]
    if seen is None or not before_seen:
        return None
    height, width = max(before_seen)
    return height * seen.stride[0], width * seen.stride[1]
