"""A network with the weights of a sister that has more in it: a start for a training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from edgecv.errors import ModelFileError
from edgecv.models.graph import steps
from edgecv.training.network import matched
from edgecv.types import Array, FloatArray

POOL, GATE = "_squeeze_pool", "_squeeze_gate"
"""How the first layer of squeeze-and-excite is named, and the one that gives its weights."""


def vary(model: keras.Model, plain: keras.Model, images: Array, *, batch: int = 32) -> None:
    """Fill a network from a sister with squeeze-and-excite, other activations or other padding.

    Squeeze-and-excite that is missing becomes its mean over pictures, in the batch norm before it.
    The statistics of each batch norm are measured anew, so that what the layers behind see has the
    mean and spread that it had in the sister. What the two give is no longer the same.

    Args:
        model: The sister, its batch norms settled (`mapping.settle`).
        plain: The network to fill: its layers with weights are named as the sister's.
        images: Pictures to measure on, float32 (N, H, W, 3), as both take them.
        batch: How many go through at once.

    Raises:
        ModelFileError: The sister has no layer of a name, or one of another shape.
    """
    pairs, others = matched(plain, model)
    for name, (ours, found) in others.items():
        raise ModelFileError(
            f"{name} has weights of {ours}, and in the network that the file fits it has "
            f"{found or 'none'}"
        )
    for layer, sister in pairs:
        layer.set_weights(sister.get_weights())
    own = {layer.name for layer in plain.layers}
    for norm, gate in mean_gates(model, images, batch=batch).items():
        if f"{norm.removesuffix('_project_bn')}{GATE}" not in own:
            layer = plain.get_layer(norm)
            layer.gamma.assign(layer.gamma.numpy() * gate)
            layer.beta.assign(layer.beta.numpy() * gate)
    _measure_norms(plain, images, batch)


def mean_gates(model: keras.Model, images: Array, *, batch: int = 32) -> dict[str, FloatArray]:
    """Return the mean weight that squeeze-and-excite gives each channel of a batch norm.

    Args:
        model: A network; only what comes right behind a batch norm is looked at.
        images: float32 (N, H, W, 3), as the model takes them.
        batch: How many go through at once.

    Returns:
        By the name of the batch norm: float32 (C,), 0..1.
    """
    source = {id(tensor): step.layer for step in steps(model) for tensor in step.outputs}
    gates = {}
    for step in steps(model):
        weighed = source.get(id(step.inputs[0])) if step.layer.name.endswith(POOL) else None
        if isinstance(weighed, keras.layers.BatchNormalization):
            gate = model.get_layer(step.layer.name.removesuffix(POOL) + GATE)
            gates[weighed.name] = gate.output
    if not gates:
        return {}
    probe = keras.Model(model.input, gates)
    sums: dict[str, Any] = dict.fromkeys(gates, 0.0)
    for start in range(0, len(images), batch):
        made = probe(images[start : start + batch], training=False)
        for name, values in made.items():
            sums[name] = sums[name] + values.numpy().reshape(-1, values.shape[-1]).sum(0)
    return {name: np.asarray(total / len(images), np.float32) for name, total in sums.items()}


def _measure_norms(model: keras.Model, images: Array, batch: int) -> None:
    """Set the statistics of each batch norm to the mean of those of batches.

    Each batch goes through as in training, where a layer sees what is normalised before it.
    """
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    sums: list[Any] = [0.0] * len(norms)
    starts = range(0, max(1, len(images) - batch + 1), batch)  # whole batches
    try:
        for norm in norms:
            norm.momentum = 0.0
        for start in starts:
            model(images[start : start + batch], training=True)
            for i, norm in enumerate(norms):
                sums[i] = sums[i] + np.stack([norm.moving_mean, norm.moving_variance])
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    for norm, total in zip(norms, sums, strict=True):
        mean, variance = total / len(starts)
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(variance)
