"""How far a long job is, for someone who watches a terminal; silence for everyone else."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TextIO, TypeAlias, TypeVar

Report: TypeAlias = Callable[[int, int], None]
"""What long jobs call now and then: how much is done, and of how much (0 where nobody knows)."""

_INTERVAL = 0.1  # seconds between two drawings: a terminal over a slow line keeps up with ten
_Item = TypeVar("_Item")


def silent(done: int, total: int) -> None:
    """Report to nobody."""


@contextmanager
def bar(
    label: str, *, unit: str = "", start: int = 0, stream: TextIO | None = None
) -> Iterator[Report]:
    """Give a report function that draws a bar with the time left; the bar is gone at the end.

    Args:
        label: What is being done, in a word or two.
        unit: "MB" where bytes are reported; empty where things are counted.
        start: How much was done before, and says nothing of the time that is left.
        stream: Where to draw, if it is a terminal; None for stderr.
    """
    target = sys.stderr if stream is None else stream
    if not target.isatty():
        yield silent
        return
    began = monotonic()
    drawn = -_INTERVAL

    def report(done: int, total: int) -> None:
        nonlocal drawn
        seconds = monotonic() - began
        if seconds - drawn >= _INTERVAL or done == total:
            drawn = seconds
            text = line(label, done, total, seconds, _columns(), unit=unit, start=start)
            target.write(f"\r{text}\x1b[K")
            target.flush()

    try:
        yield report
    finally:
        target.write("\r\x1b[K")
        target.flush()


def track(items: Iterable[_Item], report: Report, *, total: int) -> Iterator[_Item]:
    """Yield the items, reporting how many have been dealt with."""
    report(0, total)
    for done, item in enumerate(items, start=1):
        yield item
        report(done, total)


def line(
    label: str,
    done: int,
    total: int,
    seconds: float,
    columns: int = 80,
    *,
    unit: str = "",
    start: int = 0,
) -> str:
    """Return the bar as text no wider than `columns`.

    Args:
        label: What is being done.
        done: How much of it is done.
        total: How much there is; 0 where nobody knows.
        seconds: How long it has taken so far.
        columns: How many characters fit.
        unit: "MB" where `done` and `total` are bytes.
        start: How much of it was done before the clock started.
    """
    if total < 1:
        return f"{label} {_amount(done, unit)} [{clock(seconds)}]"[:columns]
    part = min(max(done / total, 0.0), 1.0)
    new = done - start
    left = f" {clock(seconds / new * (total - done))} left" if new > 0 and done < total else ""
    head = f"{label} {part:4.0%} "
    amounts = f"{_amount(done, unit)}/{_amount(total, unit)}{unit and ' ' + unit}"
    tail = f" {amounts} [{clock(seconds)}{left}]"
    room = min(30, columns - len(head) - len(tail) - 2)
    if room < 5:
        return (head.rstrip() + tail)[:columns]
    full = int(part * room)
    return f"{head}|{'#' * full}{' ' * (room - full)}|{tail}"


def _amount(number: int, unit: str) -> str:
    return f"{number / 1e6:.1f}" if unit == "MB" else str(number)


def clock(seconds: float) -> str:
    """Return a duration as "0:07", "12:30" or "1:02:03"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _columns() -> int:
    return shutil.get_terminal_size().columns - 1  # a full last column wraps in some terminals
