from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count, repeat

import numpy as np
import pytest

from edgecv.bench import loop
from edgecv.bench.loop import Effort, Marks, passes, warm_up
from edgecv.errors import InferenceError


class Clock:
    """A clock that goes on when something is done, and only then."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time

    def taking(self, seconds: Iterator[float]) -> Callable[[], None]:
        """Return what takes so long, call by call."""

        def once() -> None:
            self.time += next(seconds)

        return once

    def stages(self, seconds: Sequence[float], fail_at: int | None = None) -> Callable[[], Marks]:
        """Return a pass whose stages take so long each, and that fails from a call on."""
        calls = count()

        def once() -> Marks:
            if next(calls) == fail_at:
                raise InferenceError("gone")
            marks = [self.time]
            for step in seconds:
                self.time += step
                marks.append(self.time)
            return tuple(marks)

        return once


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(loop, "perf_counter", made)
    return made


@pytest.mark.parametrize(
    ("seconds", "calls", "steady"),
    [
        (repeat(0.01), 16, True),
        (chain(repeat(0.1, 8), repeat(0.01)), 21, True),
        ((0.01 + 0.0002 * (i % 2) for i in count()), 16, True),
        ((0.01 * 1.05**i for i in count()), 44, False),
        (repeat(2.0), 1, False),
    ],
    ids=["the same from the start", "slow at first", "noise", "ever slower", "slower than allowed"],
)
def test_a_warm_up_ends_when_times_have_settled_or_its_time_is_over(
    clock, seconds, calls, steady
) -> None:
    found = warm_up(clock.taking(seconds), most_seconds=1.5)
    assert (found.count, found.steady) == (calls, steady)
    assert found.seconds == pytest.approx(clock.time - 100)


@pytest.mark.parametrize(
    ("effort", "expected"),
    [
        (Effort(seconds=1, count=20), 20),
        (Effort(seconds=4, count=20), 32),
        (Effort(seconds=1, count=900, most_seconds=5), 40),
        (Effort(seconds=9, count=20, most_seconds=5), 72),
        (Effort(seconds=0.01, count=1), 1),
    ],
    ids=["count", "seconds", "most seconds", "more seconds than the most", "one pass"],
)
def test_passes_go_on_until_seconds_and_count_are_reached(clock, effort, expected) -> None:
    times, wall, error = passes(clock.stages([0.0625, 0.0625]), effort)
    assert (len(times), wall, error) == (expected, expected / 8, "")


def test_a_pass_has_its_stages_and_then_all_of_it(clock) -> None:
    times, _, _ = passes(clock.stages([0.002, 0.001, 0.004]), Effort(seconds=0, count=3))
    np.testing.assert_allclose(times, [[2, 1, 4, 7]] * 3)


def test_what_was_measured_before_a_failure_is_kept(clock) -> None:
    times, wall, error = passes(clock.stages([0.25, 0.25], fail_at=3), Effort())
    assert (len(times), wall, error) == (3, 1.5, "gone")


def test_a_failure_of_the_first_pass_is_raised(clock) -> None:
    with pytest.raises(InferenceError, match="gone"):
        passes(clock.stages([0.25], fail_at=0), Effort())
