from __future__ import annotations

from threading import Thread

import pytest

from edgecv.slots import Closed, Slot


def test_the_newest_value_pushes_the_oldest_out() -> None:
    slot: Slot[int] = Slot(newest=True)
    for value in range(5):
        slot.put(value)
    assert slot.get() == 4
    assert slot.dropped == 4


def test_a_full_slot_of_a_file_makes_its_giver_wait() -> None:
    slot: Slot[int] = Slot(newest=False)
    giver = Thread(target=lambda: [slot.put(value) for value in range(100)])
    giver.start()
    assert [slot.get(5) for _ in range(100)] == list(range(100))
    giver.join(5)
    assert slot.dropped == 0


def test_what_was_left_may_be_taken_after_the_end() -> None:
    slot: Slot[int] = Slot(size=2, newest=False)
    slot.put(1)
    slot.put(2)
    slot.close()
    assert [slot.get(), slot.get()] == [1, 2]
    with pytest.raises(Closed):
        slot.get()
    with pytest.raises(Closed):
        slot.put(3)


def test_discarding_leaves_nothing() -> None:
    slot: Slot[int] = Slot(newest=False)
    slot.put(1)
    slot.close(discard=True)
    with pytest.raises(Closed):
        slot.get()


def test_a_waiting_giver_and_taker_are_told_of_the_end() -> None:
    full: Slot[int] = Slot(newest=False)
    full.put(1)
    empty: Slot[int] = Slot(newest=False)
    ended: list[str] = []

    def give() -> None:
        with pytest.raises(Closed):
            full.put(2)
        ended.append("giver")

    def take() -> None:
        with pytest.raises(Closed):
            empty.get()
        ended.append("taker")

    threads = [Thread(target=give), Thread(target=take)]
    for thread in threads:
        thread.start()
    full.close()
    empty.close()
    for thread in threads:
        thread.join(5)
    assert sorted(ended) == ["giver", "taker"]


def test_waiting_has_an_end() -> None:
    with pytest.raises(TimeoutError):
        Slot[int](newest=True).get(0.01)


def test_what_is_to_be_kept_is_never_pushed_out() -> None:
    slot: Slot[int] = Slot(newest=True)
    slot.put(1)
    slot.put(100, keep=True)
    slot.put(2)
    slot.put(3)
    assert [slot.get(), slot.get()] == [100, 3]
    assert slot.dropped == 2
