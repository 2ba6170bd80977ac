"""Triplet loss with semi-hard negatives, and batches that hold several pictures of a person."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from keras import ops

from edgecv.training.data.samples import Derived, Sample, Samples
from edgecv.training.losses.classes import Tensor
from edgecv.training.losses.margins import unit
from edgecv.types import Array, IntArray


def triplet(targets: Tensor, embeddings: Tensor, *, margin: float = 0.2) -> Tensor:
    """Return the triplet loss of a batch, float32 (): alike should be nearer than different.

    It is the mean of ``max(0, d(a, p) - d(a, n) + margin)`` over all pairs (a, p) of two pictures
    of a person, with d the squared distance of embeddings of length 1 and n what
    `semi_hard_negatives` chooses. A batch without such a pair, or of one person, gives 0. Source:
    Schroff et al. 2015, "FaceNet", equation 3 and section 3.2.

    Args:
        targets: Ids of people, integers (B,).
        embeddings: (B, D), of any length.
        margin: By how much nearer; squared distances lie in 0..4.
    """
    directions = unit(embeddings)
    distances = ops.maximum(2 - 2 * ops.matmul(directions, ops.transpose(directions)), 0.0)
    same = _same(targets)
    pairs = ops.logical_and(same, ops.logical_not(ops.eye(ops.shape(same)[0], dtype="bool")))
    pairs = ops.logical_and(pairs, ops.any(ops.logical_not(same), axis=1, keepdims=True))
    terms = ops.maximum(distances - semi_hard_negatives(distances, targets) + margin, 0.0)
    count = ops.sum(ops.cast(pairs, "float32"))
    return ops.sum(ops.where(pairs, terms, 0.0)) / ops.maximum(count, 1.0)


def semi_hard_negatives(distances: Tensor, targets: Tensor) -> Tensor:
    """Return, for each pair (a, p), the distance from a to the negative that is learned from.

    It is the nearest of those that are farther from a than p is; where none is farther, the
    farthest of all, the least hard. Rows without any negative are 0.

    Args:
        distances: float32 (B, B).
        targets: Ids of people, integers (B,).

    Returns:
        float32 (B, B), row a, column p; of meaning where a and p are the same person.
    """
    other = ops.logical_not(_same(targets))
    farther = distances[:, None, :] > distances[:, :, None]  # a, p, n
    semi_hard = ops.logical_and(other[:, None, :], farther)
    far = ops.full_like(distances, 1e9)[:, None, :]
    nearest = ops.min(ops.where(semi_hard, distances[:, None, :], far), axis=2)
    farthest = ops.max(ops.where(other, distances, 0.0), axis=1, keepdims=True)
    return ops.where(ops.any(semi_hard, axis=2), nearest, farthest)


def identity_order(
    labels: Sequence[int] | Array, *, batch: int, images: int = 4, seed: int, epoch: int
) -> IntArray:
    """Return the order of an epoch, int64 (N,), in which people's pictures come together.

    Every index occurs once. Each block of `batch` holds groups of up to `images` pictures of one
    person; groups of several are spread evenly over the blocks, and people with one picture fill
    the gaps, as negatives.

    Args:
        labels: Ids of people, (N,).
        batch: Pictures in a batch.
        images: The most pictures of a person in a group, 2 or more.
        seed: The same seed gives the same orders.
        epoch: Which of them.

    Raises:
        ValueError: `batch` cannot hold two pictures of one person and one of another, or `images`
            is below 2.
    """
    if images < 2 or batch < 3:
        raise ValueError(
            f"triplets want groups of 2 or more in batches of 3 or more, got {images} in {batch}"
        )
    rng = np.random.default_rng((seed, epoch))
    groups = _groups(np.asarray(labels), images, rng)
    blocks = _blocks(groups, batch, len(labels))
    whole = [block for block in blocks if len(block) == batch]
    short = [block for block in blocks if len(block) < batch]
    shuffled = [whole[i] for i in rng.permutation(len(whole))]
    return np.array([i for block in shuffled + short for i in block], np.int64)


@dataclass(frozen=True, eq=False)
class ByPeople(Derived):
    """Samples whose batches hold several pictures of a person: they bring their own order.

    Attributes:
        samples: The set.
        labels: Who each is, int64 (N,).
        batch: Pictures in a batch, on all machines together.
        images: The most pictures of a person in a group.
    """

    samples: Samples
    labels: IntArray
    batch: int
    images: int = 4

    def __post_init__(self) -> None:
        """Refuse batches too small for triplets."""
        self.order(0, 0)

    def __getitem__(self, index: int, /) -> Sample:
        return self.samples[index]

    def order(self, seed: int, epoch: int) -> IntArray:
        """Return the order of an epoch: see `identity_order`."""
        return identity_order(
            self.labels, batch=self.batch, images=self.images, seed=seed, epoch=epoch
        )


def _blocks(groups: list[list[int]], batch: int, count: int) -> list[list[int]]:
    """Deal the groups, large ones first, to the block with the most room."""
    blocks: list[list[int]] = [[] for _ in range(0, count, batch)]
    room = [(-min(batch, count - k * batch), k) for k in range(len(blocks))]
    waiting = sorted(groups, key=len)  # stable: shuffled within one length
    while waiting:
        group = waiting.pop()
        free, k = heapq.heappop(room)
        taken, rest = group[:-free], group[-free:]
        blocks[k].extend(taken)
        if len(taken) < -free:
            heapq.heappush(room, (free + len(taken), k))
        if rest:  # no block has room for all of it
            waiting.append(rest)
    return blocks


def _groups(labels: Array, images: int, rng: np.random.Generator) -> list[list[int]]:
    """Cut everyone's pictures, shuffled, into groups of up to `images`; shuffle the groups."""
    order = rng.permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    people = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(order) else []
    groups = [
        person[start : start + images].tolist()
        for person in people
        for start in range(0, len(person), images)
    ]
    return [groups[i] for i in rng.permutation(len(groups))]


def _same(targets: Tensor) -> Tensor:
    targets = ops.reshape(ops.convert_to_tensor(targets), (-1,))
    return ops.equal(targets[:, None], targets[None, :])
