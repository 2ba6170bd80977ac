"""What the firmware of a Raspberry Pi says of its supply and its heat.

The bits: https://www.raspberrypi.com/documentation/computers/os.html#get_throttled
"""

from __future__ import annotations

from pathlib import Path

from .reading import Run, text

SYSFS = "sys/devices/platform/soc/soc:firmware/get_throttled"

STATES = ("undervoltage", "frequency capped", "throttled", "soft temperature limit")
"""Bits 0 to 3: so now. Bits 16 to 19: has been so since the machine was started."""

SINCE_START = 16


def throttled(root: Path, run: Run) -> int | None:
    """Return the firmware's bits; None on what is no Raspberry Pi.

    The file in sysfs was stuck at 0 on some kernels, and `vcgencmd` needs the group `video`: the
    bits of both count.
    """
    answer = run(["vcgencmd", "get_throttled"]).strip()
    values = [_hex(answer.removeprefix("throttled=")), _hex(text(root / SYSFS))]
    known = [value for value in values if value is not None]
    if not known:
        return None
    bits = 0
    for value in known:
        bits |= value
    return bits


def now(bits: int) -> tuple[str, ...]:
    """Return those of `STATES` that hold now."""
    return tuple(state for i, state in enumerate(STATES) if bits >> i & 1)


def since_start(bits: int) -> tuple[str, ...]:
    """Return those of `STATES` that have held at some time since the machine was started."""
    return now(bits >> SINCE_START)


def _hex(word: str) -> int | None:
    try:
        return int(word, 16)
    except ValueError:
        return None
