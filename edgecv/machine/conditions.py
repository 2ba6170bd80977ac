"""What changes while a machine works: heat, clocks, supply, load, memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgecv.temperature import temperature

from .cpu import governors, mhz
from .load import load_average
from .memory import memory
from .reading import Run, run_command
from .throttle import now, since_start, throttled

ROOT = Path("/")


@dataclass(frozen=True)
class Conditions:
    """A machine's state at one moment; None stands for what it does not tell.

    Attributes:
        temperature_c: Its hottest thermal zone, in degrees Celsius.
        mhz: The clock of its fastest core.
        governors: The governor of each group of cores: {"policy0": "ondemand"}.
        throttled: The bits of a Raspberry Pi's firmware: 0 is fine, `throttled_now` names them.
        load: Tasks that ran or waited to, over the last minute.
        available_mb: Memory that programs can still have, in MB.
        swap_mb: Swap in all; 0 without.
        swap_used_mb: Swap in use.
    """

    temperature_c: float | None
    mhz: float | None
    governors: dict[str, str] | None
    throttled: int | None
    load: float | None
    available_mb: float
    swap_mb: float
    swap_used_mb: float

    @property
    def throttled_now(self) -> tuple[str, ...]:
        """What holds the board back now: "undervoltage", "frequency capped", ..."""
        return now(self.throttled or 0)

    @property
    def throttled_since_start(self) -> tuple[str, ...]:
        """What has held the board back at some time since it was started."""
        return since_start(self.throttled or 0)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        return asdict(self)


def conditions(root: Path = ROOT, run: Run = run_command) -> Conditions:
    """Return the machine's state now; it never raises.

    Args:
        root: The folder that holds `proc` and `sys`.
        run: Runs a command: `vcgencmd` is asked.
    """
    free = memory(root)
    return Conditions(
        temperature_c=temperature(root / "sys/class/thermal"),
        mhz=mhz(root),
        governors=governors(root),
        throttled=throttled(root, run),
        load=load_average(root),
        available_mb=free.available_mb,
        swap_mb=free.swap_mb,
        swap_used_mb=free.swap_used_mb,
    )
