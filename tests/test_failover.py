from __future__ import annotations

from collections.abc import Callable

import pytest

from edgecv import failover
from edgecv.errors import DeviceError
from edgecv.failover import Failover


class Opened:
    """Something opened on a device."""

    def __init__(self, device: str) -> None:
        self.device, self.closed = device, False

    def close(self) -> None:
        self.closed = True


def opener(gone: set[str]) -> Callable[[str], Opened]:
    def open_on(device: str) -> Opened:
        if device in gone:
            raise DeviceError(f"{device} is not there")
        return Opened(device)

    return open_on


def test_the_first_device_that_works_is_used() -> None:
    assert Failover(opener(set()), ["coral", "cpu"]).device == "coral"
    assert Failover(opener({"coral"}), ["coral", "cpu"]).device == "cpu"


def test_with_no_device_that_works_all_reasons_are_told() -> None:
    with pytest.raises(DeviceError, match=r"coral is not there.*cpu is not there"):
        Failover(opener({"coral", "cpu"}), ["coral", "cpu"])
    with pytest.raises(ValueError, match="at least one device"):
        Failover(opener(set()), [])


def test_a_lost_device_gives_way_to_the_next_and_comes_back(monkeypatch) -> None:
    monkeypatch.setattr(failover, "PROBE_SECONDS", 0.0)
    gone: set[str] = set()
    told: list[str] = []
    both = Failover(opener(gone), ["coral", "cpu"], report=lambda kind, text: told.append(kind))
    broken = both.current
    gone.add("coral")
    assert both.lose(broken, "unplugged").device == "cpu"
    both.probe()
    assert both.device == "cpu"
    gone.clear()
    worse = both.current
    both.probe()
    assert both.device == "coral"
    assert worse.closed
    assert told == ["device_lost", "device_back"]


def test_a_device_that_comes_back_has_to_prove_itself(monkeypatch) -> None:
    monkeypatch.setattr(failover, "PROBE_SECONDS", 0.0)
    gone = {"coral"}

    def check(model: Opened) -> None:
        if model.device == "coral":
            raise DeviceError("it opens, and does not answer")

    both = Failover(opener(gone), ["coral", "cpu"], check=check)
    gone.clear()
    both.probe()
    assert both.device == "cpu"


def test_two_threads_that_see_the_same_loss_change_device_once() -> None:
    both = Failover(opener(set()), ["a", "b", "c"])
    broken = both.current
    assert both.lose(broken, "x").device == "b"
    assert both.lose(broken, "x").device == "b"


def test_the_loss_of_the_last_device_is_an_error() -> None:
    only = Failover(opener(set()), ["cpu"])
    assert not only.has_next
    with pytest.raises(DeviceError, match="no other device"):
        only.lose(only.current, "broken")
