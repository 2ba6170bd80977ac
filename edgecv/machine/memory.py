"""How much memory and swap there is, and how much of it is left."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from .reading import text


class Memory(NamedTuple):
    """Memory in MB (10^6 bytes), as /proc/meminfo tells it; all 0 where it tells nothing."""

    total_mb: float
    available_mb: float
    swap_mb: float
    swap_used_mb: float


def memory(root: Path) -> Memory:
    """Return the memory that `proc/meminfo` below a root folder tells of."""
    kib: dict[str, int] = {}
    for line in text(root / "proc/meminfo").splitlines():
        key, _, rest = line.partition(":")
        word = rest.partition("kB")[0].strip()
        if word.isdecimal():
            kib[key] = int(word)
    free = kib.get("MemAvailable", kib.get("MemFree", 0))
    swap = kib.get("SwapTotal", 0)
    used = swap - kib.get("SwapFree", swap)
    return Memory(*(_mb(value) for value in (kib.get("MemTotal", 0), free, swap, used)))


def _mb(kib: int) -> float:
    return round(kib * 1024 / 1e6, 1)
