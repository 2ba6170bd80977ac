"""Heads and losses that learn embeddings as directions: ArcFace and CosFace.

The head gives the cosine between an embedding and a learned direction of every person; the loss
makes the right person's cosine smaller by a margin before the softmax. Heads are for training:
what is kept is the embedding before them.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from edgecv.training.losses.classes import Tensor, cross_entropy

_TINY = 1e-7
"""Where ``1 - cos^2`` is below this the angle is 0 or pi, as far as float32 can tell."""


@keras.saving.register_keras_serializable("edgecv")
class CosineHead(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped here
    """Embeddings, (B, D) of any length, to the cosine with each class: float32 (B, classes).

    With several sub-centres a class has that many directions and the nearest one counts, so that
    mislabelled pictures gather around a direction of their own. Source: Deng et al. 2020,
    "Sub-center ArcFace", section 3.2.

    Args:
        classes: How many.
        subcentres: Directions for each class.
        name: The layer's name.

    Raises:
        ValueError: A number is below 1.
    """

    def __init__(self, classes: int, *, subcentres: int = 1, name: str = "cosines") -> None:
        super().__init__(name=name, dtype="float32")  # half a byte of a cosine is too little
        for what, number in (("classes", classes), ("subcentres", subcentres)):
            if number < 1:
                raise ValueError(f"{what} has to be at least 1, got {number}")
        self.classes, self.subcentres = classes, subcentres

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the directions, (D, subcentres * classes)."""
        self.directions = self.add_weight(
            shape=(shape[-1], self.subcentres * self.classes),
            initializer="glorot_normal",
            name="directions",
        )

    def call(self, embeddings: Tensor) -> Tensor:
        """Return the cosines."""
        cosines = unit(embeddings) @ unit(self.directions, axis=0)
        if self.subcentres > 1:
            cosines = ops.reshape(cosines, (-1, self.subcentres, self.classes))
            cosines = ops.max(cosines, axis=1)
        return cosines

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {"name": self.name, "classes": self.classes, "subcentres": self.subcentres}


@keras.saving.register_keras_serializable("edgecv")
class WarmUp(keras.layers.Layer):  # type: ignore[misc]  # Keras is untyped here
    """Anything, (B, ...), to a share that grows from 0 to 1 over the first batches: float32 (B,).

    The number of batches seen is a weight, so it is saved and restored with the others.

    Args:
        batches: After how many the share is 1; 0 for at once.
        name: The layer's name.

    Raises:
        ValueError: `batches` is negative.
    """

    def __init__(self, batches: int, *, name: str = "warmup") -> None:
        super().__init__(name=name, dtype="float32")
        if batches < 0:
            raise ValueError(f"batches has to be at least 0, got {batches}")
        self.batches = batches

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the counter."""
        self.seen = self.add_weight(
            shape=(),
            initializer="zeros",
            trainable=False,
            name="seen",
            aggregation="only_first_replica",
        )

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        """Return the share; a batch of training counts."""
        total = max(self.batches, 1)
        share = self.seen / total if self.batches else ops.ones(())
        if training:
            self.seen.assign(ops.minimum(self.seen + 1, total))
        return ops.full(ops.shape(inputs)[:1], 1.0) * share

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this layer again."""
        return {"name": self.name, "batches": self.batches}


def unit(vectors: Tensor, axis: int = -1) -> Tensor:
    """Return vectors scaled to length 1, float32; those below a length of 0.001 stay shorter."""
    vectors = ops.cast(vectors, "float32")
    square = ops.sum(vectors * vectors, axis=axis, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(square, 1e-6))


def arcface(
    targets: Tensor,
    cosines: Tensor,
    *,
    margin: float | Tensor = 0.5,
    scale: float = 64.0,
) -> Tensor:
    """Return ArcFace's loss, float32 (B,): the right class's angle counts as larger by a margin.

    The logits are ``scale * cos(angle + margin)`` for the right class and ``scale * cos(angle)``
    for the others. Source: Deng et al. 2019, "ArcFace", equation 3.

    Args:
        targets: Class ids, integers (B,).
        cosines: (B, C), from `CosineHead`.
        margin: In radians; a number or one for each sample (B,), as a warm-up has it.
        scale: What the cosines are multiplied by.
    """
    return cross_entropy(targets, scale * with_margin(targets, cosines, angle=margin))


def cosface(
    targets: Tensor,
    cosines: Tensor,
    *,
    margin: float | Tensor = 0.35,
    scale: float = 64.0,
) -> Tensor:
    """Return CosFace's loss, float32 (B,): the right class's cosine is made less by a margin.

    Source: Wang et al. 2018, "CosFace: Large Margin Cosine Loss", equation 4.

    Args:
        targets: Class ids, integers (B,).
        cosines: (B, C), from `CosineHead`.
        margin: A difference of cosines; a number or one for each sample (B,).
        scale: What the cosines are multiplied by.
    """
    return cross_entropy(targets, scale * with_margin(targets, cosines, cosine=margin))


def with_margin(
    targets: Tensor,
    cosines: Tensor,
    *,
    angle: float | Tensor = 0.0,
    cosine: float | Tensor = 0.0,
) -> Tensor:
    """Return the cosines, float32 (B, C), the right classes' changed to cos(a + angle) - cosine.

    Past an angle of ``pi - angle`` the cosine of the sum would rise again: from there on it is
    continued by a line of slope 1 in the cosine, ``cos(a) - (1 - cos(angle))``, so that it falls
    all the way. Slopes are finite everywhere, at cosines of 1 and -1 too.

    Args:
        targets: Class ids, integers (B,).
        cosines: (B, C), -1..1.
        angle: Added to the right class's angle: radians, 0..pi; a number or (B,).
        cosine: Taken off its cosine; a number or (B,).
    """
    cosines = ops.clip(ops.cast(cosines, "float32"), -1.0, 1.0)
    right = ops.one_hot(ops.cast(targets, "int32"), cosines.shape[-1], dtype="float32")
    own = ops.sum(right * cosines, axis=-1)
    angle = ops.cast(angle, "float32")
    turned = own * ops.cos(angle) - _sine(own) * ops.sin(angle)
    turned = ops.where(own >= -ops.cos(angle), turned, own - (1 - ops.cos(angle)))
    change = turned - ops.cast(cosine, "float32") - own
    return cosines + right * ops.expand_dims(change, -1)


def _sine(cosine: Tensor) -> Tensor:
    """Return the sine of an angle 0..pi by its cosine; at both ends its slope is taken as 0."""
    square = (1 - cosine) * (1 + cosine)
    inside = square > _TINY
    return ops.where(inside, ops.sqrt(ops.where(inside, square, 1.0)), 0.0)
