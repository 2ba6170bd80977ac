"""The facts of a machine that nothing is wrong with, and how to state others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgecv.doctor import Facts
from edgecv.doctor.facts import Clock, Import, Python, Screen, User
from edgecv.machine import Conditions, Cpu, Machine

PACKAGES = {
    "ai-edge-litert": "2.3.0",
    "edgecv": "0.1.0",
    "numpy": "2.4.6",
    "opencv-python-headless": "5.0.0.93",
}

HEALTHY = Facts(
    machine=Machine(
        board="Raspberry Pi 5 Model B Rev 1.0",
        family="raspberrypi",
        soc="bcm2712",
        architecture="aarch64",
        cpu=Cpu("4x Cortex-A76", ("asimd", "asimdhp", "asimddp"), 4),
        cores=4,
        memory_mb=8443.0,
        os="Debian GNU/Linux 12 (bookworm)",
        kernel="6.6.51+rpt-rpi-2712",
        python="3.11.2",
        packages=PACKAGES,
    ),
    conditions=Conditions(
        temperature_c=48.0,
        mhz=2400.0,
        governors={"policy0": "ondemand"},
        throttled=0,
        load=0.5,
        available_mb=7000.0,
        swap_mb=200.0,
        swap_used_mb=0.0,
    ),
    python=Python((3, 11), 64, False, True, True, (3, 11), "glibc 2.36"),
    opencv=Import(tried=True, version="5.0.0", gui="NONE"),
    picamera2=Import(tried=True),
    user=User(False, frozenset({"pi", "video", "plugdev"}), frozenset({"video", "plugdev"})),
    screen=Screen(x11=False, wayland=False),
    clock=Clock(1_795_000_000.0, True),
    usb=(),
    pci=(),
    nodes=(),
    debs={},
    modules={},
    files=frozenset({"usr/lib/python3/dist-packages/picamera2"}),
    clock_drivers=frozenset({"cpufreq-dt"}),
    page_bytes=4096,
    edgetpu_library="",
)


def state(
    *,
    machine: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Any] | None = None,
    python: Mapping[str, Any] | None = None,
    packages: Mapping[str, str] | None = None,
    **changes: Any,
) -> Facts:
    """Return the healthy facts with changes.

    Args:
        machine: Changed fields of `Facts.machine`.
        conditions: Changed fields of `Facts.conditions`.
        python: Changed fields of `Facts.python`.
        packages: All the packages that are installed.
        **changes: Changed fields of `Facts`.
    """
    what = replace(HEALTHY.machine, **(machine or {}))
    if packages is not None:
        what = replace(what, packages=dict(packages))
    return replace(
        HEALTHY,
        machine=what,
        conditions=replace(HEALTHY.conditions, **(conditions or {})),
        python=HEALTHY.python._replace(**(python or {})),
        **changes,
    )
