"""Feature maps of a backbone, found by what its layers do and not by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from .graph import PADDINGS, cuts, is_map, steps
from .receptive import reaches


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
    known = reaches(model.inputs, plan)
    padded = {id(step.outputs[0]) for step in plan if isinstance(step.layer, PADDINGS)}
    found = {}
    for tensor in cuts(plan):
        reach = known[id(tensor)]
        if reach is not None and is_map(tensor) and id(tensor) not in padded:
            found[reach.stride] = tensor
    missing = [stride for stride in strides if (stride, stride) not in found]
    if missing:
        there = ", ".join(f"{high:g}" for high, wide in sorted(found) if high == wide) or "none"
        raise ValueError(f"{model.name} has no feature map at stride {missing[0]}; it has {there}")
    return [found[stride, stride] for stride in strides]
