from __future__ import annotations

import numpy as np
import pytest

from edgecv.training.data.order import Schedule, chance, own_order


def epoch(schedule: Schedule, number: int) -> list[int]:
    steps = [schedule.indices(number, step) for step in range(schedule.steps)]
    return np.concatenate(steps).tolist()


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("length", [24, 25, 26, 31, 100])
def test_shards_take_every_sample_once_in_as_many_steps(
    length: int, count: int, shuffle: bool
) -> None:
    shards = [Schedule(length, 4, seed=5, shuffle=shuffle, shard=(i, count)) for i in range(count)]
    assert len({shard.steps for shard in shards}) == 1
    taken = [index for shard in shards for index in epoch(shard, 2)]
    assert sorted(taken) == list(range(length))


@pytest.mark.parametrize("count", [2, 3])
def test_shards_see_together_what_one_machine_sees(count: int) -> None:
    whole = Schedule(120, 12, seed=1)
    parts = [Schedule(120, 12 // count, seed=1, shard=(i, count)) for i in range(count)]
    for step in range(whole.steps):
        together = np.concatenate([part.indices(3, step) for part in parts])
        assert sorted(together.tolist()) == sorted(whole.indices(3, step).tolist())


def test_dropping_the_rest_leaves_whole_batches_alone() -> None:
    schedule = Schedule(30, 8, drop_remainder=True)
    assert schedule.steps == 3
    assert {len(schedule.indices(0, step)) for step in range(3)} == {8}
    assert len({tuple(sorted(epoch(schedule, e))) for e in range(5)}) > 1  # never the same ones


def test_order_depends_on_seed_and_epoch_alone() -> None:
    a = Schedule(50, 7, seed=1)
    assert epoch(a, 4) == epoch(Schedule(50, 9, seed=1), 4)
    assert epoch(a, 4) != epoch(a, 5)
    assert epoch(a, 4) != epoch(Schedule(50, 7, seed=2), 4)
    assert epoch(Schedule(50, 7, shuffle=False), 4) == list(range(50))


def test_no_two_samples_share_their_chance() -> None:
    draws = {
        chance(seed, e, index).random()
        for seed in range(4)
        for e in range(4)
        for index in range(20)
    }
    assert len(draws) == 4 * 4 * 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch": 0}, "batch counts from 1"),
        ({"seed": -1}, "seed from 0"),
        ({"shard": (2, 2)}, "shard is"),
        ({"length": 0}, "0 samples fill no batch"),
        ({"batch": 99, "drop_remainder": True}, "fill no batch of 99"),
        ({"length": 2, "shard": (0, 3)}, "fill no batch"),
    ],
    ids=str,
)
def test_a_schedule_without_batches_is_refused(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schedule(**{"length": 10, "batch": 4} | change)


class Backwards:
    """Samples that bring their own order."""

    def order(self, seed: int, epoch: int) -> np.ndarray:
        return np.roll(np.arange(10)[::-1], seed + epoch)


def test_samples_may_bring_their_own_order() -> None:
    own = own_order(Backwards())
    assert epoch(Schedule(10, 3, seed=1, own=own), 2) == np.roll(np.arange(10)[::-1], 3).tolist()
    assert epoch(Schedule(10, 3, seed=1, own=own, shuffle=False), 2) == list(range(10))
    assert own_order([1, 2]) is None
