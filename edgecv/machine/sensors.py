"""The sensors of energy and power that boards and processors have.

| sensor | from | covers |
|---|---|---|
| RAPL, of Intel and AMD | powercap/intel-rapl:N/energy_uj | the processor's chip; psys: the board |
| INA3221, of Jetsons | hwmon: in*_input (mV), curr*_input (mA) | a rail; VDD_IN: the board |
| the same, under JetPack 4 | iio: in_voltage*_input, in_current*_input | the same |
| PMIC, of the Raspberry Pi 5 | `vcgencmd pmic_read_adc` | the board's rails |
| any other of hwmon | power*_input (microwatts) | a part |

Units: Documentation/power/powercap and Documentation/hwmon/sysfs-interface.rst of the Linux kernel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .reading import Run, names, number, run_command, text

BOARD, PROCESSOR, PART = "board", "processor", "part"
"""What a sensor covers: all of the board, the processor's chip, or some part of either."""

OLD_INA3221 = "sys/bus/i2c/drivers/ina3221x"

WHOLE_BOARD_RAILS = {"VDD_IN", "POM_5V_IN"}
"""Rails of Jetsons that feed all others."""

_PMIC_LINE = re.compile(r"(\w+)_([AV])\s+(?:current|volt)\(\d+\)=([\d.]+)[AV]")


@dataclass(frozen=True)
class Unreadable:
    """A sensor that is there and cannot be read.

    Attributes:
        name: The sensor's name.
        reason: Why, and what to do about it.
    """

    name: str
    reason: str


@dataclass(frozen=True)
class EnergyCounter:
    """A sensor that counts joules from some moment on, and starts again at `wraps_at`.

    Attributes:
        name: Its name for people: "package-0".
        covers: What it measures: "board", "processor" or "part".
        wraps_at: The joules at which it starts from 0 again.
    """

    name: str
    covers: str
    file: Path
    wraps_at: float

    def read(self) -> float | None:
        """Return the joules counted so far; None if the counter cannot be read now."""
        microjoules = number(self.file)
        return None if microjoules is None else microjoules / 1e6


@dataclass(frozen=True)
class PowerSensor:
    """A sensor that tells the watts of this moment, from one file or the product of two.

    Attributes:
        name: Its name for people: "VDD_IN".
        covers: What it measures: "board", "processor" or "part".
        files: One of microwatts, or one of millivolts and one of milliamperes.
    """

    name: str
    covers: str
    files: tuple[Path, ...]

    def read(self) -> float | None:
        """Return the watts now; None if the sensor cannot be read now."""
        watts = 1e-6  # of a microwatt, and of a millivolt times a milliampere as well
        for file in self.files:
            value = number(file)
            if value is None:
                return None
            watts *= value
        return watts


@dataclass(frozen=True)
class PmicSensor:
    """The Raspberry Pi 5's power chip: the sum of volts times amperes over its rails.

    USB devices and the losses before the chip are not in it. Reading it starts a process.
    """

    run: Run
    name: str = "PMIC"
    covers: str = BOARD

    def read(self) -> float | None:
        """Return the watts now; None if the chip cannot be read now."""
        return pmic_watts(self.run(["vcgencmd", "pmic_read_adc"]))


Sensor = EnergyCounter | PowerSensor | PmicSensor


def energy_sensors(
    root: Path = Path("/"), run: Run = run_command
) -> tuple[tuple[Sensor, ...], tuple[Unreadable, ...]]:
    """Return the sensors that can be read, and those that are there and cannot.

    Args:
        root: The folder that holds `sys`.
        run: Runs a command.
    """
    candidates: list[Sensor] = [*_rapl(root), *_hwmon(root), *_iio(root), PmicSensor(run)]
    sensors: list[Sensor] = []
    unreadable: list[Unreadable] = []
    for sensor in candidates:
        if sensor.read() is not None:
            sensors.append(sensor)
        elif not isinstance(sensor, PmicSensor):  # no other machine has that command
            unreadable.append(Unreadable(sensor.name, _why(sensor)))
    return tuple(sensors), tuple(unreadable)


def pmic_watts(answer: str) -> float | None:
    """Return the watts in what `vcgencmd pmic_read_adc` writes; None where it tells of no rail.

    A rail counts if both its current and its voltage are told: the 5 V input has no current.
    """
    rails: dict[str, dict[str, float]] = {}
    for rail, unit, value in _PMIC_LINE.findall(answer):
        rails.setdefault(rail, {})[unit] = float(value)
    watts = [rail["A"] * rail["V"] for rail in rails.values() if len(rail) == 2]
    return sum(watts) if watts else None


def _rapl(root: Path) -> Iterator[EnergyCounter]:
    for zone in names(root / "sys/class/powercap", "intel-rapl:*"):
        name = text(zone / "name") or zone.name
        covers = BOARD if name == "psys" else PROCESSOR if zone.name.count(":") == 1 else PART
        highest = number(zone / "max_energy_range_uj") or 0.0
        yield EnergyCounter(name, covers, zone / "energy_uj", highest / 1e6)


def _hwmon(root: Path) -> Iterator[PowerSensor]:
    for chip in names(root / "sys/class/hwmon", "hwmon*"):
        name = text(chip / "name")
        for volts in names(chip, "in[0-9]*_input"):
            index = volts.name.removeprefix("in").removesuffix("_input")
            amperes = chip / f"curr{index}_input"
            if not name.startswith("ina3221") or not amperes.exists():
                continue
            rail = text(chip / f"in{index}_label") or f"{name} channel {index}"
            if text(chip / f"in{index}_enable") == "0" or rail == "NC":  # not connected
                continue
            covers = BOARD if rail in WHOLE_BOARD_RAILS else PART
            yield PowerSensor(rail, covers, (volts, amperes))
        for watts in names(chip, "power[0-9]*_input"):
            label = text(chip / watts.name.replace("_input", "_label"))
            yield PowerSensor(" ".join(filter(None, (name, label))), PART, (watts,))


def _iio(root: Path) -> Iterator[PowerSensor]:
    """Yield the rails of a Jetson whose kernel is older than the driver of hwmon."""
    for volts in names(root / OLD_INA3221, "*/iio:device*/in_voltage[0-9]*_input"):
        index = volts.name.removeprefix("in_voltage").removesuffix("_input")
        rail = text(volts.parent / f"rail_name_{index}") or f"INA3221 channel {index}"
        covers = BOARD if rail in WHOLE_BOARD_RAILS else PART
        yield PowerSensor(rail, covers, (volts, volts.parent / f"in_current{index}_input"))


def _why(sensor: EnergyCounter | PowerSensor) -> str:
    files = (sensor.file,) if isinstance(sensor, EnergyCounter) else sensor.files
    for file in files:
        try:
            file.read_bytes()
        except PermissionError:
            return f"only root may read {file}: sudo chmod a+r {file}"
        except OSError as error:
            return f"{file}: {error.strerror or error}"
    return f"{files[0]} holds no number"
