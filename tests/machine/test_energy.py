from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from boards import NANO, ORIN, PI5, PMIC, answering, plant

from edgecv.machine import Energy, EnergyMeter, energy_sensors
from edgecv.machine import energy as energy_module
from edgecv.machine.sensors import EnergyCounter, PmicSensor, PowerSensor, pmic_watts

ZONE = "sys/class/powercap/intel-rapl:0"
RAPL = {
    f"{ZONE}/name": "package-0\n",
    f"{ZONE}/energy_uj": "5000000\n",
    f"{ZONE}/max_energy_range_uj": "262143328850\n",
    f"{ZONE}:0/name": "core\n",
    f"{ZONE}:0/energy_uj": "2000000\n",
    f"{ZONE}:0/max_energy_range_uj": "262143328850\n",
    "sys/class/powercap/intel-rapl:1/name": "psys\n",
    "sys/class/powercap/intel-rapl:1/energy_uj": "9000000\n",
    "sys/class/powercap/intel-rapl:1/max_energy_range_uj": "262143328850\n",
}


@pytest.mark.parametrize(
    ("files", "commands", "expected"),
    [
        pytest.param({}, {}, [], id="none"),
        pytest.param(
            RAPL,
            {},
            [("package-0", "processor", 5.0), ("core", "part", 2.0), ("psys", "board", 9.0)],
            id="RAPL",
        ),
        pytest.param(
            ORIN.files, {}, [("VDD_IN", "board", 6.0), ("VDD_CPU_GPU_CV", "part", 2.0)], id="Orin"
        ),
        pytest.param(NANO.files, {}, [("POM_5V_IN", "board", 2.5)], id="Jetson Nano"),
        pytest.param(PI5.files, PI5.commands, [("PMIC", "board", 2.63)], id="Pi 5"),
        pytest.param(
            {
                "sys/class/hwmon/hwmon0/name": "amdgpu\n",
                "sys/class/hwmon/hwmon0/power1_label": "PPT\n",
                "sys/class/hwmon/hwmon0/power1_input": "4200000\n",
            },
            {},
            [("amdgpu PPT", "part", 4.2)],
            id="another chip of hwmon",
        ),
    ],
)
def test_sensors_are_found_and_read(files, commands, expected, tmp_path: Path) -> None:
    sensors, unreadable = energy_sensors(plant(tmp_path, files), answering(commands))
    found = [(sensor.name, sensor.covers, sensor.read()) for sensor in sensors]
    assert found == [(name, covers, pytest.approx(value)) for name, covers, value in expected]
    assert unreadable == ()


def test_a_rail_that_is_not_connected_is_no_sensor(tmp_path: Path) -> None:
    files = {**ORIN.files, "sys/class/hwmon/hwmon1/in2_label": "NC\n"}
    sensors, _ = energy_sensors(plant(tmp_path, files), answering({}))
    assert [sensor.name for sensor in sensors] == ["VDD_IN"]


def test_a_sensor_without_permission_says_how_to_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, {f"{ZONE}/name": "package-0\n", f"{ZONE}/energy_uj": "1\n"})

    opened = Path.open

    def refuse(file: Path, *words, **options):
        if file.name == "energy_uj":  # also for root, who may read what has no rights
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, *words, **options)

    monkeypatch.setattr(Path, "open", refuse)
    sensors, unreadable = energy_sensors(tmp_path, answering({}))
    assert sensors == ()
    assert [sensor.name for sensor in unreadable] == ["package-0"]
    assert f"sudo chmod a+r {tmp_path / ZONE / 'energy_uj'}" in unreadable[0].reason


def test_a_sensor_that_holds_no_number_says_so(tmp_path: Path) -> None:
    plant(tmp_path, {f"{ZONE}/name": "package-0\n", f"{ZONE}/energy_uj": "busy\n"})
    _, unreadable = energy_sensors(tmp_path, answering({}))
    assert unreadable[0].reason.endswith("holds no number")


def test_the_pmic_counts_rails_of_which_both_figures_are_told() -> None:
    assert pmic_watts(PMIC) == pytest.approx(0.1 * 3.7 + 0.2 * 3.3 + 2 * 0.8)
    assert pmic_watts("EXT5V_V volt(24)=5.1V\n") is None
    assert pmic_watts("Command not registered\n") is None


@dataclass
class Scripted:
    """A power sensor that gives listed watts, then the last one for ever."""

    values: list[float | None]
    name: str = "scripted"
    covers: str = "board"
    reads: list[float | None] = field(default_factory=list)

    def read(self) -> float | None:
        self.reads.append(self.values.pop(0) if len(self.values) > 1 else self.values[0])
        return self.reads[-1]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A clock that goes on by one second each time it is looked at."""
    ticks = iter(range(1000))
    monkeypatch.setattr(energy_module, "monotonic", lambda: float(next(ticks)))
    return


def one_by_one(sensor, count: int) -> Energy:
    meter = EnergyMeter([sensor])
    for _ in range(count):
        meter._take()
    return meter.energies[0]


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("watts", "joules", "seconds"),
    [
        pytest.param([2.0, 2.0, 2.0], 4.0, 2.0, id="steady"),
        pytest.param([0.0, 4.0], 2.0, 1.0, id="rising"),
        pytest.param([2.0, None, 4.0], 3.0, 1.0, id="a failed reading is no zero"),
    ],
)
def test_power_becomes_energy_by_trapezoids(watts, joules, seconds) -> None:
    found = one_by_one(Scripted(list(watts)), len(watts))
    assert (found.joules, found.seconds, found.how) == (joules, seconds, "sampled")
    assert found.watts == joules / seconds


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("counts", "joules"),
    [
        pytest.param([5, 7, 8], 3.0, id="going on"),
        pytest.param([95, 3], 8.0, id="starting again from 0"),
    ],
)
def test_a_counter_gives_differences(counts, joules, tmp_path: Path) -> None:
    file = tmp_path / "energy_uj"
    meter = EnergyMeter([EnergyCounter("package-0", "processor", file, wraps_at=100.0)])
    for count in counts:
        file.write_text(f"{count * 1_000_000}\n")
        meter._take()
    assert meter.energies[0].joules == pytest.approx(joules)
    assert meter.energies[0].how == "counted"


def test_a_meter_measures_from_start_to_end() -> None:
    sensor = Scripted([3.0])
    with EnergyMeter([sensor], period=0.005) as meter:
        time.sleep(0.05)
    best = meter.best()
    assert best is not None
    assert best.samples == len(sensor.reads) >= 3
    assert best.watts == pytest.approx(3.0)
    assert json.loads(json.dumps(best.to_dict()))["watts"] == best.watts


def test_a_meter_without_sensors_measures_nothing() -> None:
    with EnergyMeter([]) as meter:
        pass
    assert (meter.best(), meter.energies) == (None, ())


def test_a_meter_of_this_machine_never_raises() -> None:
    with EnergyMeter() as meter:
        pass
    assert all(energy.joules >= 0 for energy in meter.energies)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        pytest.param(["part", "board", "processor"], ("1", "board"), id="the board before all"),
        pytest.param(["processor", "part", "processor"], ("0 + 2", "processor"), id="all chips"),
        pytest.param(["part", "part"], None, id="parts are no whole"),
    ],
)
def test_the_best_energy_is_of_the_most_that_is_measured(kinds, expected) -> None:
    meter = EnergyMeter([Scripted([1.0], str(i), kind) for i, kind in enumerate(kinds)])
    meter._take()
    meter._take()
    best = meter.best()
    assert (best and (best.name, best.covers)) == expected


def test_a_sensor_that_costs_a_process_is_read_less_often() -> None:
    cheap = EnergyMeter([PowerSensor("a", "part", ())])
    dear = EnergyMeter([PmicSensor(answering({}))])
    assert dear._period >= 1.0 > cheap._period
