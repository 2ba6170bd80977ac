from __future__ import annotations

import threading
import time

from edgecv.sources.clock import LATE, Clock


def test_the_clock_waits_until_a_frame_is_due() -> None:
    clock = Clock()
    start = clock.wait(0)
    assert clock.wait(0.05) == start + 0.05
    assert time.monotonic() >= start + 0.05


def test_a_late_caller_is_told_when_the_frame_was_due() -> None:
    clock = Clock()
    start = clock.wait(0)
    time.sleep(0.03)
    assert clock.wait(0.01) == start + 0.01


def test_after_a_long_sleep_the_clock_goes_on_from_now() -> None:
    clock = Clock()
    start = clock.wait(0)
    time.sleep(LATE + 0.1)
    second = clock.wait(0.01)
    assert second > start + LATE
    assert clock.wait(0.02) > second  # no rush to catch up


def test_stopping_ends_the_wait() -> None:
    clock = Clock()
    clock.wait(0)
    threading.Timer(0.05, clock.stop).start()
    start = time.monotonic()
    clock.wait(60)
    assert time.monotonic() - start < 30
