"""The order of samples in an epoch, and where the chance of each comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from edgecv.training.data.augment import Random
from edgecv.types import IntArray

# First words of every seed: orders and samples never share their chance.
_ORDER, _SAMPLE = 1, 2


Order: TypeAlias = Callable[[int, int], IntArray]


@runtime_checkable
class Ordered(Protocol):
    """Samples that bring their own order, such as batches with several pictures of a person."""

    def order(self, seed: int, epoch: int) -> IntArray:
        """Return the order of an epoch, int64 (N,): the same for the same seed and epoch."""
        ...


@dataclass(frozen=True)
class Schedule:
    """Which sample is where in which batch.

    With several shards (machines), each takes its part of every batch of ``batch * count`` samples:
    together they see what one machine with the larger batch would see.

    Attributes:
        length: How many samples there are.
        batch: Samples in a batch of this shard.
        seed: Of the order; not negative.
        shuffle: Whether every epoch has an order of its own.
        shard: Which shard this is, and of how many.
        drop_remainder: Whether samples that fill no whole batch are left out of the epoch.
        own: Gives the shuffled order of an epoch by seed and epoch, int64 (length,), where the
            samples bring one; None for a permutation of all.
    """

    length: int
    batch: int
    seed: int = 0
    shuffle: bool = True
    shard: tuple[int, int] = (0, 1)
    drop_remainder: bool = False
    own: Order | None = None

    def __post_init__(self) -> None:
        """Refuse what would give no batch."""
        index, count = self.shard
        if self.batch < 1 or self.seed < 0:
            raise ValueError(f"batch counts from 1 and seed from 0, got {self.batch}, {self.seed}")
        if not 0 <= index < count:
            raise ValueError(f"shard is (index, count) with 0 <= index < count, got {self.shard}")
        if self.length < 1 or self.steps < 1:
            raise ValueError(
                f"{self.length} samples fill no batch of {self.batch} for each of {count} shards"
            )

    @property
    def steps(self) -> int:
        """How many batches an epoch has, the same for every shard."""
        whole, rest = divmod(self.length, self.batch * self.shard[1])
        return whole + (rest >= self.shard[1] and not self.drop_remainder)

    def indices(self, epoch: int, step: int) -> IntArray:
        """Return the samples of one batch: int64 (B,)."""
        index, count = self.shard
        every = self.batch * count
        order: IntArray = self._orders(epoch)
        end = (step + 1) * every
        if step == self.steps - 1 and not self.drop_remainder:
            end = self.length  # a rest too small to be a batch of every shard joins the last one
        return order[step * every : end][index::count]

    @cached_property
    def _orders(self) -> Callable[[int], IntArray]:
        """Remember the last few epochs: every batch asks for its own."""
        return lru_cache(maxsize=4)(self._order)

    def _order(self, epoch: int) -> IntArray:
        if not self.shuffle:
            return np.arange(self.length)
        if self.own is not None:
            return self.own(self.seed, epoch)
        return np.random.default_rng((_ORDER, self.seed, epoch)).permutation(self.length)


def own_order(samples: object) -> Order | None:
    """Return the `order` method of samples that bring their own order; None for all others."""
    return samples.order if isinstance(samples, Ordered) else None


def chance(seed: int, epoch: int, index: int) -> Random:
    """Return the source of chance for one sample in one epoch."""
    return np.random.default_rng((_SAMPLE, seed, epoch, index))
