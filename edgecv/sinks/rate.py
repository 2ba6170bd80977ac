"""How often something may happen."""

from __future__ import annotations


class Rate:
    """Says which of many events are let through, so that they are `hz` a second on average.

    Args:
        hz: The most events a second; 0 for no limit.
    """

    def __init__(self, hz: float) -> None:
        self._period = 1 / hz if hz else 0.0
        self._due = 0.0

    def allows(self, now: float) -> bool:
        """Say whether an event at `now`, seconds of a clock that never goes back, is let through.

        After a pause the next one is, and none are made up for.
        """
        if now < self._due:
            return False
        on_time = now - self._due < self._period
        self._due = (self._due if on_time else now) + self._period
        return True
