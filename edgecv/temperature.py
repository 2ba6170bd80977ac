"""How hot the machine is."""

from __future__ import annotations

from pathlib import Path

THERMAL = Path("/sys/class/thermal")
PLAUSIBLE = (-40.0, 150.0)
"""Zones without a sensor read as 0 K, or as a number far above what a chip survives."""


def temperature(folder: Path = THERMAL) -> float | None:
    """Return the temperature of the hottest thermal zone, in degrees Celsius.

    It is None where there is no sensor, as in most virtual machines. The kernel's thermal sysfs API
    gives thousandths of a degree.
    """
    values: list[float] = []
    for file in folder.glob("thermal_zone*/temp"):
        try:
            values.append(int(file.read_text()) / 1e3)
        except (OSError, ValueError):  # a zone that is switched off answers with an error
            continue
    return max((v for v in values if PLAUSIBLE[0] < v < PLAUSIBLE[1]), default=None)
