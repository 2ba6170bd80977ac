"""The parts of a network that learn at their own rates, and from their own epochs on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import keras

from edgecv.training.recipe import OptimizerPart, TransferPart


@dataclass(frozen=True, eq=False)
class Group:
    """Layers that are frozen, set free and slowed together.

    Attributes:
        name: What people call them.
        layers: The innermost layers with weights to learn.
        rate: Their learning rate, as a part of the run's.
        first_epoch: They learn from this epoch on, counted from 0.
        variables: Their weights.
        optimizer: Follows the gradients of these weights alone, so that its averages start when the
            weights do.
    """

    name: str
    layers: tuple[keras.Layer, ...]
    rate: float
    first_epoch: int
    variables: tuple[Any, ...]
    optimizer: keras.optimizers.Optimizer


def make_groups(
    model: keras.Model, backbone: frozenset[str], transfer: TransferPart, optimizer: OptimizerPart
) -> list[Group]:
    """Divide a network into the head, which learns from the start, and parts of the backbone.

    Args:
        model: The network.
        backbone: Names of the backbone's layers.
        transfer: The recipe's [transfer].
        optimizer: The recipe's [optimizer].

    Raises:
        ValueError: No layer outside of the backbone learns, and the backbone is frozen first.
    """
    learning = [
        (top.name in backbone, leaf)
        for top in model.layers
        for leaf in _leaves(top)
        if leaf.trainable_variables
    ]
    slow = [leaf for inside, leaf in learning if inside]
    head = [leaf for inside, leaf in learning if not inside]
    if not slow or transfer == TransferPart():
        return [_group("network", [leaf for _, leaf in learning], 1.0, 0, optimizer)]
    if not head and transfer.freeze_epochs:
        raise ValueError(f"{model.name} has no layers but its backbone: nothing is left to learn")
    groups = [_group("head", head, 1.0, 0, optimizer)] if head else []
    parts = _parts(slow, transfer.unfreeze_epochs)
    for number, layers in enumerate(parts):
        name = f"backbone {number + 1}/{len(parts)}" if len(parts) > 1 else "backbone"
        start = transfer.freeze_epochs + number
        groups.append(_group(name, layers, transfer.backbone_lr, start, optimizer))
    return groups


def free(groups: Sequence[Group], epoch: int) -> list[Group]:
    """Let the groups learn whose epoch has come, freeze the others, and return the former.

    Batch norms of frozen layers use their averages, and leave them as they are.
    """
    for group in groups:
        for layer in group.layers:
            layer.trainable = group.first_epoch <= epoch
    return [group for group in groups if group.first_epoch <= epoch]


def decays(variable: Any) -> bool:
    """Tell whether weight decay is for a variable: for kernels, and not for values per channel.

    Biases, scales of batch norm and slopes of PReLU have one axis that is longer than 1, the last.
    """
    return any(side > 1 for side in variable.shape[:-1])


def _group(
    name: str, layers: Iterable[keras.Layer], rate: float, first_epoch: int, part: OptimizerPart
) -> Group:
    chosen = tuple(layers)
    variables = tuple(v for layer in chosen for v in layer.trainable_variables)
    optimizer = _optimizer(part)
    optimizer.exclude_from_weight_decay(var_list=[v for v in variables if not decays(v)])
    optimizer.build(variables)
    return Group(name, chosen, rate, first_epoch, variables, optimizer)


def _optimizer(part: OptimizerPart) -> keras.optimizers.Optimizer:
    """Return the optimizer; its weight decay is decoupled from the gradient whatever its name."""
    decay = part.weight_decay or None
    if part.name == "sgd":
        return keras.optimizers.SGD(
            part.lr, momentum=part.momentum, nesterov=part.momentum > 0, weight_decay=decay
        )
    if part.name == "adam":
        return keras.optimizers.Adam(part.lr, weight_decay=decay)
    return keras.optimizers.AdamW(part.lr, weight_decay=part.weight_decay)


def _parts(layers: Sequence[keras.Layer], count: int) -> list[list[keras.Layer]]:
    """Divide layers, in the order of the network, into `count` parts from the last to the first."""
    count = min(max(count, 1), len(layers))
    backwards = list(reversed(layers))
    edges = [len(layers) * i // count for i in range(count + 1)]
    return [backwards[start:end] for start, end in pairwise(edges)]


def _leaves(layer: keras.Layer) -> Iterator[keras.Layer]:
    inner = getattr(layer, "layers", None)
    if not inner:
        yield layer
        return
    for each in inner:
        yield from _leaves(each)
