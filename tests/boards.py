"""Boards as trees of files and answers of commands, for code that reads `/proc`, `/sys` and tools.

They are written after the formats that the kernel and the tools document. They were not recorded on
the boards, and no figure in them was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Board(NamedTuple):
    architecture: str
    files: Mapping[str, str]
    commands: Mapping[str, str]


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder, and return the folder."""
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


def answering(commands: Mapping[str, str]) -> Callable[[Sequence[str]], str]:
    """Return what runs no command, and answers those it knows."""
    return lambda words: commands.get(" ".join(words), "")


def arm_cpuinfo(parts: Sequence[str], features: str, end: str = "") -> str:
    blocks = [
        f"processor\t: {i}\nBogoMIPS\t: 108.00\nFeatures\t: {features}\nCPU implementer\t: 0x41\n"
        f"CPU architecture: 8\nCPU variant\t: 0x4\nCPU part\t: {part}\nCPU revision\t: 1\n"
        for i, part in enumerate(parts)
    ]
    return "\n".join([*blocks, end])


def x86_cpuinfo(name: str, flags: str, mhz: Sequence[float]) -> str:
    return "\n".join(
        f"processor\t: {i}\nvendor_id\t: GenuineIntel\nmodel name\t: {name}\ncpu MHz\t\t: {clock}\n"
        f"flags\t\t: {flags}\nbugs\t\t: spectre_v1 spectre_v2\n"
        for i, clock in enumerate(mhz)
    )


def meminfo(total: int, available: int, swap: int = 0, swap_free: int = 0) -> str:
    return (
        f"MemTotal:       {total} kB\nMemFree:        {available // 2} kB\n"
        f"MemAvailable:   {available} kB\nSwapCached:            0 kB\n"
        f"SwapTotal:      {swap} kB\nSwapFree:       {swap_free} kB\nHugePages_Total:       0\n"
    )


def cpufreq(governor: str, khz: int, driver: str = "cpufreq-dt") -> dict[str, str]:
    return {
        "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": f"{governor}\n",
        "sys/devices/system/cpu/cpufreq/policy0/scaling_driver": f"{driver}\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": f"{khz}\n",
    }


def usb(path: str, vendor: str, product: str, mbits: int, number: int = 3) -> dict[str, str]:
    folder = f"sys/bus/usb/devices/{path}"
    return {
        f"{folder}/idVendor": f"{vendor}\n",
        f"{folder}/idProduct": f"{product}\n",
        f"{folder}/speed": f"{mbits}\n",
        f"{folder}/busnum": "2\n",
        f"{folder}/devnum": f"{number}\n",
        f"dev/bus/usb/002/{number:03d}": "",
    }


V8 = "fp asimd evtstrm crc32 cpuid"
V8_2 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp"
)
BOOKWORM = {"etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'}

PMIC = """\
   3V7_WL_SW_A current(0)=0.10000000A
     3V3_SYS_A current(1)=0.20000000A
  VDD_CORE_A current(7)=2.00000000A
   3V7_WL_SW_V volt(8)=3.70000000V
     3V3_SYS_V volt(9)=3.30000000V
  VDD_CORE_V volt(15)=0.80000000V
      EXT5V_V volt(24)=5.10000000V
       BATT_V volt(25)=0.00000000V
"""

PI5 = Board(
    "aarch64",
    {
        "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
        "proc/device-tree/compatible": "raspberrypi,5-model-b\0brcm,bcm2712\0",
        "proc/cpuinfo": arm_cpuinfo(
            ["0xd0b"] * 4, V8_2, "Revision\t: d04170\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"
        ),
        "proc/meminfo": meminfo(8245000, 7000000, 204784, 204784),
        "proc/loadavg": "0.52 0.58 0.59 1/234 5678\n",
        "sys/class/thermal/thermal_zone0/temp": "48850\n",
        **cpufreq("ondemand", 2400000),
        **BOOKWORM,
    },
    {"vcgencmd get_throttled": "throttled=0x0\n", "vcgencmd pmic_read_adc": PMIC},
)

PI4 = Board(
    "aarch64",
    {
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        "proc/device-tree/compatible": "raspberrypi,4-model-b\0brcm,bcm2711\0",
        "proc/cpuinfo": arm_cpuinfo(["0xd08"] * 4, V8),
        "proc/meminfo": meminfo(3880000, 3000000, 102396, 102396),
        "sys/class/thermal/thermal_zone0/temp": "61100\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        **cpufreq("ondemand", 600000),
        **BOOKWORM,
    },
    {"vcgencmd get_throttled": "throttled=0x50005\n"},
)

ZERO2 = Board(
    "aarch64",
    {
        "proc/device-tree/model": "Raspberry Pi Zero 2 W Rev 1.0\0",
        "proc/device-tree/compatible": "raspberrypi,model-zero-2-w\0brcm,bcm2837\0",
        "proc/cpuinfo": arm_cpuinfo(["0xd03"] * 4, V8),
        "proc/meminfo": meminfo(438000, 90000, 0, 0),
        "sys/devices/platform/soc/soc:firmware/get_throttled": "0\n",
        **cpufreq("ondemand", 1000000),
        **BOOKWORM,
    },
    {},
)

ORIN = Board(
    "aarch64",
    {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
        "proc/device-tree/compatible": "nvidia,p3768-0000+p3767-0005\0nvidia,p3767-0005\0"
        "nvidia,tegra234\0",
        "proc/cpuinfo": arm_cpuinfo(["0xd42"] * 6, f"{V8_2} uscat ilrcpc flagm paca pacg"),
        "proc/meminfo": meminfo(7800000, 6000000, 3900000, 3900000),
        "sys/class/hwmon/hwmon1/name": "ina3221\n",
        "sys/class/hwmon/hwmon1/in1_label": "VDD_IN\n",
        "sys/class/hwmon/hwmon1/in1_input": "5000\n",
        "sys/class/hwmon/hwmon1/curr1_input": "1200\n",
        "sys/class/hwmon/hwmon1/in2_label": "VDD_CPU_GPU_CV\n",
        "sys/class/hwmon/hwmon1/in2_input": "5000\n",
        "sys/class/hwmon/hwmon1/curr2_input": "400\n",
        "sys/class/hwmon/hwmon1/in7_label": "sum of shunt voltages\n",
        "sys/class/hwmon/hwmon1/in7_input": "8\n",
        "sys/class/thermal/thermal_zone0/temp": "51000\n",
        **cpufreq("schedutil", 1510400, "tegra194"),
        "etc/os-release": 'PRETTY_NAME="Ubuntu 22.04.4 LTS"\n',
    },
    {},
)

NANO = Board(
    "aarch64",
    {
        "proc/device-tree/model": "NVIDIA Jetson Nano Developer Kit\0",
        "proc/device-tree/compatible": "nvidia,p3450-0000\0nvidia,jetson-nano\0nvidia,tegra210\0",
        "proc/cpuinfo": arm_cpuinfo(
            ["0xd07"] * 4, "fp asimd evtstrm aes pmull sha1 sha2 crc32"
        ).replace("BogoMIPS", "model name\t: ARMv8 Processor rev 1 (v8l)\nBogoMIPS"),
        "proc/meminfo": meminfo(4050000, 2000000, 2000000, 2000000),
        "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/rail_name_0": "POM_5V_IN\n",
        "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_voltage0_input": "5000\n",
        "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_current0_input": "500\n",
        **cpufreq("schedutil", 1479000),
        "etc/os-release": 'PRETTY_NAME="Ubuntu 18.04.6 LTS"\n',
    },
    {},
)

ROCK5 = Board(
    "aarch64",
    {
        "proc/device-tree/model": "Radxa ROCK 5B\0",
        "proc/device-tree/compatible": "radxa,rock-5b\0rockchip,rk3588\0",
        "proc/cpuinfo": arm_cpuinfo(["0xd05"] * 4 + ["0xd0b"] * 4, V8_2),
        "proc/meminfo": meminfo(16000000, 14000000),
        "proc/sys/kernel/osrelease": "6.12.9-arm64\n",
        "sys/devices/system/cpu/cpufreq/policy4/scaling_governor": "performance\n",
        **cpufreq("ondemand", 1800000),
        **BOOKWORM,
    },
    {},
)

PC = Board(
    "x86_64",
    {
        "sys/class/dmi/id/sys_vendor": "LENOVO\n",
        "sys/class/dmi/id/product_name": "21A00003\n",
        "proc/cpuinfo": x86_cpuinfo(
            "13th Gen Intel(R) Core(TM) i5-1340P",
            "fpu sse2 avx f16c fma avx2 avx_vnni hypervisor",
            (1100.5, 3200.0),
        ),
        "proc/meminfo": meminfo(16000000, 9000000, 2000000, 2000000),
        "proc/loadavg": "1.25 0.58 0.59 1/234 5678\n",
        **cpufreq("powersave", 2800000, "intel_pstate"),
        **BOOKWORM,
    },
    {"timedatectl show --property=NTPSynchronized --value": "yes\n"},
)

BOARDS = {
    "Pi 5": PI5,
    "Pi 4": PI4,
    "Zero 2 W": ZERO2,
    "Orin Nano": ORIN,
    "Jetson Nano": NANO,
    "ROCK 5B": ROCK5,
    "PC": PC,
}

LSUSB = """\
Bus 002 Device 003: ID 18d1:9302 Google Inc.
Bus 002 Device 001: ID 1d6b:0003 Linux Foundation 3.0 root hub
Bus 001 Device 002: ID 2109:3431 VIA Labs, Inc. Hub
Bus 001 Device 001: ID 1d6b:0002 Linux Foundation 2.0 root hub
"""
