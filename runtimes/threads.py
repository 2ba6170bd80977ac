"""How many CPU threads a model gets when nobody says."""

from __future__ import annotations

import os

MOST = 4
"""Small networks gain little beyond four threads, and boards have four cores."""


def thread_count(threads: int | None) -> int:
    """Return `threads`, or the cores this process may use, four at most."""
    if threads is not None:
        return threads
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        cores = os.cpu_count() or 1
    return min(cores, MOST)
