"""What is trained, one file a task: network, targets, loss and figures of merit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from edgecv.registry import Registry
from edgecv.spec import ModelSpec
from edgecv.types import Array, Image

if TYPE_CHECKING:
    import keras

    from edgecv.training.data.samples import Sample, Samples

Tensor: TypeAlias = Any
"""A tensor of TensorFlow's: its stubs are none that a checker could follow."""
Outputs: TypeAlias = Any
"""What the network gives: one tensor, or a mapping of them by name."""
Targets: TypeAlias = Any
"""What a batch should have given, as `encode` makes it: one array, or a mapping by name."""

TASKS = Registry(
    "training task",
    {
        "classify": "edgecv.training.tasks.classify:make",
        "detect": "edgecv.training.tasks.detect:make",
        "face": "edgecv.training.tasks.face:make",
        "pose": "edgecv.training.tasks.pose:make",
        "segment": "edgecv.training.tasks.segment:make",
    },
)
"""Every entry is a function ``make(recipe: Recipe) -> Task``."""


def _itself(model: keras.Model) -> keras.Model:
    return model


@dataclass(frozen=True)
class Task:
    """All that the loop has to know of what it trains.

    `make` builds everything from its recipe alone: two calls give tasks that train alike.

    Attributes:
        model: The network in training: input float32 (B, H, W, 3), RGB, -1..1.
        spec: What is written into the trained file.
        train: What is learnt.
        val: What is measured.
        encode: Makes the targets of a batch from its augmented samples, in numpy.
        loss: Gives a scalar or a value for each sample from targets and outputs.
        measure: Gives the figures of merit on `val` by name, of the network as it is.
        headline: The figure that decides which epoch was the best; larger is better.
        export: Gives the network that is saved, its training head stripped. Called after every
            better epoch, so its layers may be shared with `model`, but not changed.
        pictures: What the report shows of the trained network, by title: uint8 (H, W, 3) BGR.
        backbone: Names of the layers that [transfer] freezes and slows; empty where there is none.
        at_epoch: Called with the number of each epoch before it begins, counted from 0: for losses
            that grow harder. It may depend on that number alone, so that a resumed run is the same.
    """

    model: keras.Model
    spec: ModelSpec
    train: Samples
    val: Samples
    encode: Callable[[Sequence[Sample]], Mapping[str, Array] | Array]
    loss: Callable[[Targets, Outputs], Tensor]
    measure: Callable[[keras.Model], Mapping[str, float]]
    headline: str
    export: Callable[[keras.Model], keras.Model] = _itself
    pictures: Mapping[str, Callable[[keras.Model], Image]] = field(default_factory=dict)
    backbone: frozenset[str] = frozenset()
    at_epoch: Callable[[int], None] | None = None
