"""Memory and swap: whether a model fits beside what runs already."""

from __future__ import annotations

from .facts import Facts
from .findings import Verdict, broken, ok, skipped, warning

LOWEST_MB = 100
"""Python with OpenCV and LiteRT holds about this much before it loads a model."""

LOW_MB = 250
SMALL_MB = 2200
"""Boards of at most 2 GB, which do without swap at their peril."""

FULL = 0.9
BIGGEST = "ps -eo rss,comm --sort=-rss | head  # shows what holds it; end what is not needed"
ADD_SWAP = (
    "sudo fallocate -l 1G /swapfile && sudo chmod 600 /swapfile && sudo mkswap /swapfile && "
    "sudo swapon /swapfile"
)


def available_memory(facts: Facts) -> Verdict:
    """Whether enough memory is left for a model."""
    total, left = facts.machine.memory_mb, facts.conditions.available_mb
    if not total:
        return skipped("nothing tells of memory")
    what = f"{left:.0f} of {total:.0f} MB are left"
    if left < LOWEST_MB:
        return broken(f"{what}: loading a model would end in being killed", BIGGEST)
    if left < LOW_MB:
        return warning(f"{what}: enough for small models alone", BIGGEST)
    return ok(what)


def swap(facts: Facts) -> Verdict:
    """Whether there is swap where memory is small, and room in it."""
    if not facts.machine.memory_mb:
        return skipped("nothing tells of memory")
    total, used = facts.conditions.swap_mb, facts.conditions.swap_used_mb
    if not total and facts.machine.memory_mb <= SMALL_MB:
        return warning("there is no swap, and little memory: peaks end in being killed", ADD_SWAP)
    if not total:
        return ok("no swap, and memory enough")
    what = f"{used:.0f} of {total:.0f} MB of swap are in use"
    return warning(f"{what}: full", BIGGEST) if used > FULL * total else ok(what)
