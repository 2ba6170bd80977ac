"""What a machine is: board, processor, memory, system, packages."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .board import board as find_board
from .cpu import Cpu, usable_cores
from .cpu import cpu as find_cpu
from .memory import memory
from .packages import packages as find_packages
from .reading import text

ROOT = Path("/")


@dataclass(frozen=True)
class Machine:
    """What a machine is. It does not change while a program runs.

    Attributes:
        board: The board's name for people: "Raspberry Pi 5 Model B Rev 1.0"; "" if unknown.
        family: "raspberrypi", "jetson", "rockchip", "qualcomm", "nxp", "amlogic", "x86" or "".
        soc: The chip as the device tree names it: "bcm2712", "tegra234"; "" without such a tree.
        architecture: "aarch64", "x86_64", "armv7l".
        cpu: The processor: `model`, `features`, `cores`.
        cores: Logical processors that this process may use.
        memory_mb: Memory in MB (10^6 bytes); 0 if unknown.
        os: The system's name: "Debian GNU/Linux 12 (bookworm)".
        kernel: The kernel's version.
        python: Python's version: "3.11.7".
        packages: Versions of the packages that edgecv works with, of those installed.
    """

    board: str
    family: str
    soc: str
    architecture: str
    cpu: Cpu
    cores: int
    memory_mb: float
    os: str
    kernel: str
    python: str
    packages: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        values = asdict(self)
        values["cpu"] = {**self.cpu._asdict(), "features": list(self.cpu.features)}
        return values


def machine(root: Path = ROOT, *, architecture: str | None = None) -> Machine:
    """Return what this machine is; it never raises, and what cannot be known is empty.

    Args:
        root: The folder that holds `proc`, `sys` and `etc`.
        architecture: As `uname -m` says it; that of this machine if None.
    """
    architecture = platform.machine() if architecture is None else architecture
    board = find_board(root, architecture)
    return Machine(
        board=board.name,
        family=board.family,
        soc=board.soc,
        architecture=architecture,
        cpu=find_cpu(root),
        cores=usable_cores(),
        memory_mb=memory(root).total_mb,
        os=_system(root),
        kernel=text(root / "proc/sys/kernel/osrelease") or platform.release(),
        python=platform.python_version(),
        packages=find_packages(),
    )


def _system(root: Path) -> str:
    for line in text(root / "etc/os-release").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip("\"'")
    return platform.system()
