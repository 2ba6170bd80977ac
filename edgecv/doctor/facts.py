"""What the checks know of a machine: plain values, so that a test can state any machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from edgecv.machine import Conditions, Machine


class Python(NamedTuple):
    """The Python that runs this.

    Attributes:
        version: (3, 11).
        bits: 64 or 32.
        free_threaded: Built without the global lock ("3.13t").
        venv: Whether it is a virtual environment.
        sees_system: Whether it sees the system's packages; true outside of a venv.
        system_version: That of /usr/bin/python3, or None.
        libc: The C library: "glibc 2.36", "musl"; "" if unknown.
    """

    version: tuple[int, int]
    bits: int
    free_threaded: bool
    venv: bool
    sees_system: bool
    system_version: tuple[int, int] | None
    libc: str


class Import(NamedTuple):
    """What came of importing a package in a process of its own.

    Attributes:
        tried: Whether it was tried at all.
        error: The last line that Python wrote; empty when it worked.
        version: The package's version; empty where it has none.
        gui: For OpenCV, what draws its windows: "QT5", "GTK3", "NONE".
    """

    tried: bool
    error: str = ""
    version: str = ""
    gui: str = ""


class Node(NamedTuple):
    """A device file: its path, the group that owns it, and whether this user may use it."""

    path: str
    group: str
    usable: bool


class UsbDevice(NamedTuple):
    """A USB device: numbers as `lsusb` shows them, Mbit/s it runs at, its file; None if unknown."""

    vendor: str
    product: str
    mbits: float | None
    node: Node | None


class PciDevice(NamedTuple):
    """A PCI device: slot, numbers and class as sysfs has them ("0x8086"), bound driver or ""."""

    slot: str
    vendor: str
    device: str
    kind: str
    driver: str


class User(NamedTuple):
    """Who runs this: the groups of this session, and those that /etc/group lists by now."""

    root: bool
    groups: frozenset[str]
    listed: frozenset[str]


class Screen(NamedTuple):
    """The displays that this session can draw on."""

    x11: bool
    wayland: bool


class Clock(NamedTuple):
    """The system clock: seconds since 1970, and whether it is synchronized (None if unknown)."""

    now: float
    synchronized: bool | None


@dataclass(frozen=True)
class Facts:
    """All that the checks look at.

    Attributes:
        machine: Board, processor, memory, system, versions of packages.
        conditions: Heat, governors, throttling, memory now.
        python: The Python that runs this.
        opencv: What came of importing cv2.
        picamera2: What came of importing picamera2; tried on Raspberry Pis alone.
        user: Who runs this.
        screen: What windows could be drawn on.
        clock: The system clock.
        usb: USB devices.
        pci: PCI devices.
        nodes: Device files of cameras and accelerators.
        debs: Versions of those Debian packages of `gather.DEBS` that are installed.
        modules: Versions of loaded kernel modules of `gather.MODULES`; "" where one has none.
        files: Those files of `gather.FILES` that are there.
        clock_drivers: What sets the processor's clocks: "intel_pstate", "cpufreq-dt".
        page_bytes: The kernel's page size.
        edgetpu_library: Where libedgetpu is; "" if nowhere.
    """

    machine: Machine
    conditions: Conditions
    python: Python
    opencv: Import
    picamera2: Import
    user: User
    screen: Screen
    clock: Clock
    usb: tuple[UsbDevice, ...]
    pci: tuple[PciDevice, ...]
    nodes: tuple[Node, ...]
    debs: dict[str, str]
    modules: dict[str, str]
    files: frozenset[str]
    clock_drivers: frozenset[str]
    page_bytes: int
    edgetpu_library: str

    def nodes_of(self, start: str) -> tuple[Node, ...]:
        """Return the device files whose paths begin so: "/dev/video"."""
        return tuple(node for node in self.nodes if node.path.startswith(start))

    def installed(self, *packages: str) -> list[str]:
        """Return those Python packages that are installed."""
        return [name for name in packages if name in self.machine.packages]
