"""How an embedding is learned: the layers after it, which are dropped later, and their loss.

Each kind is the settings of a recipe's [loss], with two methods: `outputs` adds the layers, `loss`
reads what they give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import keras

from edgecv.training.losses.classes import Tensor, cross_entropy
from edgecv.training.losses.distill import cosine_distance, similarity_gap
from edgecv.training.losses.margins import CosineHead, WarmUp, arcface, cosface
from edgecv.training.losses.triplet import triplet
from edgecv.training.settings import at_least, within


class People(NamedTuple):
    """What a head has to know of the training set.

    Attributes:
        total: How many people.
        steps: Batches in an epoch.
    """

    total: int
    steps: int


class Head(Protocol):
    """How an embedding is learned from pictures of known people."""

    def outputs(self, embedding: Tensor, people: People) -> dict[str, Tensor]:
        """Return what is added to the network's outputs, by name."""
        ...

    def loss(self, ids: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return the loss, float32 (B,) or (), for the ids of the people, integers (B,)."""
        ...


@dataclass(frozen=True)
class ArcFace:
    """A margin between the angles of people.

    Attributes:
        margin: In radians.
        scale: What cosines are multiplied by.
        warmup_epochs: The margin grows linearly from 0 over so many epochs.
        subcentres: Directions for each person.
    """

    margin: float = 0.5
    scale: float = 64.0
    warmup_epochs: float = 0.0
    subcentres: int = 1

    def __post_init__(self) -> None:
        within("loss.margin", self.margin, 0, 3.14)
        _check(self.scale, self.warmup_epochs, self.subcentres)

    def outputs(self, embedding: Tensor, people: People) -> dict[str, Tensor]:
        """Return the cosines and the share of the margin."""
        return _cosines(embedding, people, self.subcentres, self.warmup_epochs)

    def loss(self, ids: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return ArcFace's loss."""
        margin = self.margin * outputs["share"]
        return arcface(ids, outputs["cosines"], margin=margin, scale=self.scale)


@dataclass(frozen=True)
class CosFace:
    """A margin between the cosines of people.

    Attributes:
        margin: A difference of cosines.
        scale: What cosines are multiplied by.
        warmup_epochs: The margin grows linearly from 0 over so many epochs.
        subcentres: Directions for each person.
    """

    margin: float = 0.35
    scale: float = 64.0
    warmup_epochs: float = 0.0
    subcentres: int = 1

    def __post_init__(self) -> None:
        within("loss.margin", self.margin, 0, 2)
        _check(self.scale, self.warmup_epochs, self.subcentres)

    def outputs(self, embedding: Tensor, people: People) -> dict[str, Tensor]:
        """Return the cosines and the share of the margin."""
        return _cosines(embedding, people, self.subcentres, self.warmup_epochs)

    def loss(self, ids: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return CosFace's loss."""
        margin = self.margin * outputs["share"]
        return cosface(ids, outputs["cosines"], margin=margin, scale=self.scale)


@dataclass(frozen=True)
class Softmax:
    """A plain classifier of people.

    Attributes:
        smoothing: The share of the target that is spread over all people.
    """

    smoothing: float = 0.0

    def __post_init__(self) -> None:
        within("loss.smoothing", self.smoothing, 0, 0.99)

    def outputs(self, embedding: Tensor, people: People) -> dict[str, Tensor]:
        """Return the logits."""
        dense = keras.layers.Dense(people.total, name="logits", dtype="float32")
        return {"logits": dense(embedding)}

    def loss(self, ids: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return the cross-entropy."""
        return cross_entropy(ids, outputs["logits"], smoothing=self.smoothing)


@dataclass(frozen=True)
class Triplet:
    """Pictures of one person nearer to each other than to others, with semi-hard negatives.

    Attributes:
        margin: By how much, in squared distances 0..4.
        images: Pictures of a person in a batch, at most.
    """

    margin: float = 0.2
    images: int = 4

    def __post_init__(self) -> None:
        within("loss.margin", self.margin, 0, 4)
        at_least("loss.images", self.images, 2)

    def outputs(self, embedding: Tensor, people: People) -> dict[str, Tensor]:
        """Return nothing: the embedding itself is learned."""
        return {}

    def loss(self, ids: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return the triplet loss."""
        return triplet(ids, outputs["embedding"], margin=self.margin)


@dataclass(frozen=True)
class Distill:
    """Nothing but what a teacher says; ids of people are not used."""

    def outputs(self, embedding: Tensor, people: People) -> dict[str, Tensor]:
        """Return nothing: the embedding itself is learned."""
        return {}

    def loss(self, ids: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
        """Return 0 for each sample."""
        return keras.ops.zeros_like(outputs["embedding"][:, 0])


HEADS: dict[str, type[Head]] = {
    "arcface": ArcFace,
    "cosface": CosFace,
    "softmax": Softmax,
    "triplet": Triplet,
    "distill": Distill,
}
"""The ways to learn an embedding, by the name that recipes use."""

STRUCTURE = 1.0
"""How much the similarity of pairs counts against the embeddings themselves."""


def project(embedding: Tensor, dimensions: int) -> dict[str, Tensor]:
    """Return the embedding in the teacher's number of dimensions, where that is another."""
    if embedding.shape[-1] == dimensions:
        return {}
    return {
        "projected": keras.layers.Dense(dimensions, use_bias=False, name="projected")(embedding)
    }


def teacher_loss(taught: Tensor, outputs: Mapping[str, Tensor]) -> Tensor:
    """Return how far the embeddings are from the teacher's, float32 (B,).

    Args:
        taught: The teacher's, (B, D).
        outputs: With "embedding" and, where D is another number, "projected".
    """
    near = cosine_distance(taught, outputs.get("projected", outputs["embedding"]))
    return near + STRUCTURE * similarity_gap(taught, outputs["embedding"])


def _cosines(
    embedding: Tensor, people: People, subcentres: int, warmup_epochs: float
) -> dict[str, Tensor]:
    cosines = CosineHead(people.total, subcentres=subcentres)(embedding)
    share = WarmUp(round(warmup_epochs * people.steps))(cosines)
    return {"cosines": cosines, "share": share}


def _check(scale: float, warmup_epochs: float, subcentres: int) -> None:
    at_least("loss.scale", scale, 1)
    at_least("loss.warmup_epochs", warmup_epochs, 0)
    at_least("loss.subcentres", subcentres, 1)
