"""What the machine is, what state it is in, and what energy it takes.

    from edgecv.machine import EnergyMeter, conditions, cpu_share, cpu_times, machine

    machine().board                      # "Raspberry Pi 5 Model B Rev 1.0"
    machine().cpu.features               # ("asimd", "asimdhp", "asimddp")
    conditions().temperature_c           # 48.3; also clock, governors, throttling, load, memory

| name | what it is |
|---|---|
| `machine()`, `Machine`, `Cpu`, `FEATURES` | board, processor, memory, system, versions |
| `conditions()`, `Conditions` | temperature, MHz, governors, throttling, load, memory now |
| `cpu_times()`, `cpu_share()`, `CpuTimes`, `CpuShare` | whose processor time it was |
| `EnergyMeter`, `Energy` | joules from here to there |
| `energy_sensors()`, `Sensor`, `Unreadable` | what measures them, and what may not |

It needs nothing but the standard library, never raises where a machine does not tell, and reads a
recorded machine as well: each function takes the folder that stands for `/`.
"""

from .conditions import Conditions, conditions
from .cpu import FEATURES, Cpu
from .energy import Energy, EnergyMeter
from .facts import Machine, machine
from .load import CpuShare, CpuTimes, cpu_share, cpu_times
from .sensors import Sensor, Unreadable, energy_sensors

__all__ = [
    "FEATURES",
    "Conditions",
    "Cpu",
    "CpuShare",
    "CpuTimes",
    "Energy",
    "EnergyMeter",
    "Machine",
    "Sensor",
    "Unreadable",
    "conditions",
    "cpu_share",
    "cpu_times",
    "energy_sensors",
    "machine",
]
