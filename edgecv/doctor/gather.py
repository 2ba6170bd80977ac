"""Gathers the facts: reads small files, asks small commands, and never raises or hangs."""

from __future__ import annotations

import grp
import os
import platform
import re
import struct
import sys
import sysconfig
import time
from collections.abc import Mapping
from pathlib import Path

from edgecv.machine import conditions, machine
from edgecv.machine.cpu import drivers
from edgecv.machine.reading import Run, names, number, run_command, text

from .facts import Clock, Facts, Import, Node, PciDevice, Python, Screen, UsbDevice, User
from .probes import opencv, try_import

ROOT = Path("/")

NODES = ("video[0-9]*", "apex_*", "hailo[0-9]*", "accel/accel*", "dri/renderD*")
"""Device files of cameras and accelerators, below /dev."""

DEBS = {"gasket-dkms", "hailort", "libedgetpu1-max", "libedgetpu1-std"}
"""Debian packages of which the version matters."""

MODULES = ("apex", "hailo_pci", "rknpu")
"""Kernel modules that drive accelerators."""

FILES = (
    "etc/udev/rules.d/60-libedgetpu1-std.rules",
    "etc/udev/rules.d/60-libedgetpu1-max.rules",
    "etc/udev/rules.d/99-edgetpu.rules",
    "lib/udev/rules.d/60-libedgetpu1-std.rules",
    "lib/udev/rules.d/60-libedgetpu1-max.rules",
    "usr/lib/udev/rules.d/60-libedgetpu1-std.rules",
    "usr/lib/udev/rules.d/60-libedgetpu1-max.rules",
    "usr/lib/python3/dist-packages/picamera2",
    "usr/lib/librknnrt.so",
    "usr/lib/aarch64-linux-gnu/librknnrt.so",
    "proc/driver/nvidia/version",
    "sys/bus/platform/drivers/RKNPU",
    "etc/OpenCL/vendors/intel.icd",
)
"""Files and folders that are there or not."""

LIBRARY_FOLDERS = ("usr/lib/*-linux-gnu", "lib/*-linux-gnu", "usr/lib", "usr/local/lib")

LIBRARY_VARIABLE = "EDGECV_EDGETPU_LIB"


def gather(
    root: Path = ROOT, run: Run = run_command, environ: Mapping[str, str] = os.environ
) -> Facts:
    """Return the facts of this machine.

    Args:
        root: The folder that stands for `/`.
        run: Runs a command.
        environ: The variables of the environment.
    """
    what = machine(root)
    pi = what.family == "raspberrypi"
    return Facts(
        machine=what,
        conditions=conditions(root, run),
        python=_python(root),
        opencv=opencv(),
        picamera2=try_import("picamera2") if pi else Import(tried=False),
        user=_user(root),
        screen=Screen(bool(environ.get("DISPLAY")), bool(environ.get("WAYLAND_DISPLAY"))),
        clock=_clock(run),
        usb=_usb(root) or _lsusb(run(["lsusb"]), root),
        pci=_pci(root),
        nodes=tuple(node for pattern in NODES for node in _nodes(root, pattern)),
        debs=_debs(root),
        modules=_modules(root),
        files=frozenset(file for file in FILES if (root / file).exists()),
        clock_drivers=frozenset(drivers(root)),
        page_bytes=os.sysconf("SC_PAGE_SIZE"),
        edgetpu_library=_edgetpu_library(root, environ.get(LIBRARY_VARIABLE, "")),
    )


def _python(root: Path) -> Python:
    venv = sys.prefix != sys.base_prefix
    config = text(Path(sys.prefix) / "pyvenv.cfg").lower()
    sees_system = re.search(r"include-system-site-packages\s*=\s*true", config) is not None
    return Python(
        version=sys.version_info[:2],
        bits=8 * struct.calcsize("P"),
        free_threaded=bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
        venv=venv,
        sees_system=sees_system or not venv,
        system_version=_system_python(root),
        libc=" ".join(filter(None, platform.libc_ver())) or ("musl" if _musl(root) else ""),
    )


def _system_python(root: Path) -> tuple[int, int] | None:
    """Return the version of /usr/bin/python3, which is a link to its full name."""
    try:
        name = (root / "usr/bin/python3").readlink().name
    except OSError:
        return None
    found = re.fullmatch(r"python(\d+)\.(\d+)", name)
    return (int(found[1]), int(found[2])) if found else None


def _musl(root: Path) -> bool:
    return bool(names(root / "lib", "ld-musl-*.so.1"))


def _user(root: Path) -> User:
    mine = os.getgroups() if hasattr(os, "getgroups") else []
    name = _user_name(root)
    listed = set()
    for line in text(root / "etc/group").splitlines():
        group, _, members = line.partition(":")
        if name and name in members.rpartition(":")[2].split(","):
            listed.add(group)
    active = frozenset(_group_name(number) for number in mine)
    return User(os.geteuid() == 0, active, frozenset(listed))


def _user_name(root: Path) -> str:
    wanted = str(os.geteuid())
    for line in text(root / "etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == wanted:
            return fields[0]
    return ""


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:  # as in containers, where numbers need no names
        return str(number)


def _clock(run: Run) -> Clock:
    answer = run(["timedatectl", "show", "--property=NTPSynchronized", "--value"]).strip()
    return Clock(time.time(), {"yes": True, "no": False}.get(answer))


def _nodes(root: Path, pattern: str) -> list[Node]:
    return [_node(root, file) for file in names(root / "dev", pattern)]


def _node(root: Path, file: Path) -> Node:
    try:
        group = _group_name(file.stat().st_gid)
    except OSError:
        group = ""
    path = "/" + str(file.relative_to(root))
    return Node(path, group, os.access(file, os.R_OK | os.W_OK))


def _usb(root: Path) -> tuple[UsbDevice, ...]:
    found = []
    for device in names(root / "sys/bus/usb/devices", "*"):
        vendor, product = text(device / "idVendor"), text(device / "idProduct")
        if vendor:
            node = _usb_node(root, text(device / "busnum"), text(device / "devnum"))
            found.append(UsbDevice(vendor, product, number(device / "speed"), node))
    return tuple(found)


def _lsusb(answer: str, root: Path) -> tuple[UsbDevice, ...]:
    """Return the devices that `lsusb` lists, where sysfs does not: their speed stays unknown."""
    line = re.compile(r"Bus (\d+) Device (\d+): ID ([0-9a-f]{4}):([0-9a-f]{4})")
    return tuple(
        UsbDevice(vendor, product, None, _usb_node(root, bus, device))
        for bus, device, vendor, product in line.findall(answer)
    )


def _usb_node(root: Path, bus: str, device: str) -> Node | None:
    file = root / "dev/bus/usb" / bus.zfill(3) / device.zfill(3)
    return _node(root, file) if file.exists() else None


def _pci(root: Path) -> tuple[PciDevice, ...]:
    return tuple(
        PciDevice(
            slot=device.name,
            vendor=text(device / "vendor"),
            device=text(device / "device"),
            kind=text(device / "class"),
            driver=(device / "driver").resolve().name if (device / "driver").exists() else "",
        )
        for device in names(root / "sys/bus/pci/devices", "*")
    )


def _debs(root: Path) -> dict[str, str]:
    """Return versions of the watched packages, from dpkg's own list."""
    found = {}
    for block in text(root / "var/lib/dpkg/status").split("\n\n"):
        name = block.partition("\n")[0].removeprefix("Package: ")
        version = re.search(r"^Version: (\S+)", block, re.MULTILINE)
        if name in DEBS and version and "install ok installed" in block:
            found[name] = version[1]
    return found


def _modules(root: Path) -> dict[str, str]:
    folder = root / "sys/module"
    return {name: text(folder / name / "version") for name in MODULES if (folder / name).exists()}


def _edgetpu_library(root: Path, given: str) -> str:
    if "/" in given:
        return given if Path(given).exists() else ""
    for folder in LIBRARY_FOLDERS:
        for file in names(root, f"{folder}/{given or 'libedgetpu.so.1'}"):
            return "/" + str(file.relative_to(root))
    return ""
