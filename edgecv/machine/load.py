"""Who uses the processors: this process, others, or other guests of the same host.

`cpu_times` taken before and after something, and `cpu_share` between the two:

    before = cpu_times()
    work()
    share = cpu_share(before, cpu_times())
    share.others, share.steal      # parts of all processor time of the machine, 0 to 1

The fields of both files: proc_stat(5) and proc_pid_stat(5).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from .reading import text

ROOT = Path("/")


class CpuTimes(NamedTuple):
    """Processor seconds since the machine was started, over all processors.

    Attributes:
        busy: Work of any process, interrupts included.
        idle: Idle or waiting for a disk.
        steal: Wanted by this virtual machine, and given to another by the host.
        own: Work of this process and of its children that have ended.
    """

    busy: float
    idle: float
    steal: float
    own: float


class CpuShare(NamedTuple):
    """Where the machine's processor time went in between two snapshots: parts of 1.

    Attributes:
        own: To this process and its children that have ended.
        others: To other processes and interrupts.
        steal: To other guests of the same host.
        idle: To nobody.
        seconds: Processor seconds in all: those of the clock times the number of processors.
    """

    own: float
    others: float
    steal: float
    idle: float
    seconds: float

    def to_dict(self) -> dict[str, float]:
        """Return the fields as JSON takes them."""
        return {key: round(value, 4) for key, value in self._asdict().items()}


def cpu_times(root: Path = ROOT) -> CpuTimes | None:
    """Return a snapshot of the processors' times; None where the system does not tell (not Linux).

    Args:
        root: The folder that holds `proc`.
    """
    first = text(root / "proc/stat").partition("\n")[0].split()
    mine = text(root / "proc/self/stat").rpartition(")")[2].split()  # a name may hold spaces
    if len(first) < 9 or first[0] != "cpu" or len(mine) < 15:
        return None
    user, nice, system, idle, iowait, irq, softirq, steal = map(int, first[1:9])
    own = sum(map(int, mine[11:15]))  # utime, stime, and both of children that were waited for
    tick = _ticks_a_second()
    times = (user + nice + system + irq + softirq, idle + iowait, steal, own)
    return CpuTimes(*(value / tick for value in times))


def cpu_share(before: CpuTimes, after: CpuTimes) -> CpuShare | None:
    """Return who used the processors between two snapshots; None where no time went by."""
    busy, idle, steal, own = (max(b - a, 0.0) for a, b in zip(before, after, strict=True))
    total = busy + idle + steal
    if total <= 0:
        return None
    own = min(own, busy)  # the two files are not read at the same moment
    return CpuShare(own / total, (busy - own) / total, steal / total, idle / total, total)


def load_average(root: Path = ROOT) -> float | None:
    """Return how many tasks ran or waited to, over the last minute; None where nobody tells."""
    word = text(root / "proc/loadavg").partition(" ")[0]
    try:
        return float(word)
    except ValueError:
        return None


def _ticks_a_second() -> int:
    try:
        return os.sysconf("SC_CLK_TCK")
    except (AttributeError, ValueError, OSError):
        return 100
