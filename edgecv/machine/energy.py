"""How many joules something took, by whatever sensors the machine has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Any

from .sensors import BOARD, PROCESSOR, EnergyCounter, PmicSensor, Sensor, Unreadable, energy_sensors

PERIOD = 0.1
"""Seconds from one sample of a power sensor to the next."""

COMMAND_PERIOD = 1.0
"""The same for sensors of which every sample starts a process, which itself costs energy."""


@dataclass(frozen=True)
class Energy:
    """What one sensor measured.

    Attributes:
        name: The sensor.
        covers: "board", "processor" or "part".
        joules: The energy.
        seconds: From the first sample to the last.
        how: "counted" by the sensor itself, or "sampled": watts times the time between samples.
        samples: How many readings it rests on.
    """

    name: str
    covers: str
    joules: float
    seconds: float
    how: str
    samples: int

    @property
    def watts(self) -> float:
        """The mean power; 0 where no time went by."""
        return self.joules / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and the watts as JSON takes them."""
        return {**vars(self), "watts": self.watts}


class EnergyMeter:
    """Measures energy from its start to its end, with all sensors at once.

        with EnergyMeter() as meter:
            work()
        best = meter.best()          # of the whole board, else of its processors; else None
        meter.unreadable             # sensors without permission, each with its reason

    It may be used once. Without sensors it does nothing.

    Args:
        sensors: Those to read; all of this machine if None.
        period: Seconds between samples.
    """

    def __init__(self, sensors: Sequence[Sensor] | None = None, *, period: float = PERIOD) -> None:
        self.unreadable: tuple[Unreadable, ...] = ()
        if sensors is None:
            sensors, self.unreadable = energy_sensors()
        self.sensors = tuple(sensors)
        self._meters = [_Integral(sensor) for sensor in self.sensors]
        by_command = any(isinstance(sensor, PmicSensor) for sensor in self.sensors)
        self._period = max(period, COMMAND_PERIOD) if by_command else period
        self._ended = Event()
        self._thread = Thread(target=self._sample, name="edgecv-energy", daemon=True)

    def __enter__(self) -> EnergyMeter:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Take the first sample and begin."""
        if self._meters:
            self._take()
            self._thread.start()

    def stop(self) -> tuple[Energy, ...]:
        """Take the last sample and return what each sensor measured."""
        if self._thread.is_alive():
            self._ended.set()
            self._thread.join()
            self._take()
        return self.energies

    @property
    def energies(self) -> tuple[Energy, ...]:
        """What each sensor has measured; those with fewer than two samples are left out."""
        return tuple(meter.energy() for meter in self._meters if meter.samples > 1)

    def best(self) -> Energy | None:
        """Return the energy of the whole board, else of all processors' chips; None without."""
        board = [energy for energy in self.energies if energy.covers == BOARD]
        if board:
            return board[0]
        chips = [energy for energy in self.energies if energy.covers == PROCESSOR]
        if not chips:
            return None
        name = " + ".join(energy.name for energy in chips)
        joules, first = sum(energy.joules for energy in chips), chips[0]
        return Energy(name, PROCESSOR, joules, first.seconds, first.how, first.samples)

    def _sample(self) -> None:
        while not self._ended.wait(self._period):
            self._take()

    def _take(self) -> None:
        for meter in self._meters:
            meter.take()


class _Integral:
    """The energy of one sensor, summed from sample to sample."""

    def __init__(self, sensor: Sensor) -> None:
        self.sensor = sensor
        self.samples = 0
        self._joules = 0.0
        self._start = self._time = self._value = 0.0

    def take(self) -> None:
        value = self.sensor.read()
        if value is None:  # a sensor that fails once: the next sample spans the gap
            return
        time = monotonic()
        if self.samples:
            self._joules += self._step(value, time)
        else:
            self._start = time
        self._value, self._time = value, time
        self.samples += 1

    def energy(self) -> Energy:
        how = "counted" if isinstance(self.sensor, EnergyCounter) else "sampled"
        seconds = self._time - self._start
        return Energy(
            self.sensor.name, self.sensor.covers, self._joules, seconds, how, self.samples
        )

    def _step(self, value: float, time: float) -> float:
        if not isinstance(self.sensor, EnergyCounter):
            return (value + self._value) / 2 * (time - self._time)
        step = value - self._value
        return step if step >= 0 else max(step + self.sensor.wraps_at, 0.0)
