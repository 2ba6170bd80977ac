"""Which Edge TPUs are plugged into this machine, and where their library is.

Vendor and device numbers: https://coral.ai/docs/accelerator/get-started and the udev rules of
https://github.com/google-coral/libedgetpu. A USB stick shows the first pair of numbers until
something has run on it, the second from then on.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import NamedTuple

from edgecv.errors import DeviceError

LIBRARY_VARIABLE = "EDGECV_EDGETPU_LIB"
USB_IDS = {("1a6e", "089a"), ("18d1", "9302")}
PCI_ID = ("0x1ac1", "0x089a")

NO_LIBRARY = (
    "the library libedgetpu is not installed. On Debian and Raspberry Pi OS: the package "
    "libedgetpu1-std from Google's repository (deb https://packages.cloud.google.com/apt "
    "coral-edgetpu-stable main); for newer systems a release of "
    f"https://github.com/feranick/libedgetpu; or set {LIBRARY_VARIABLE} to the file"
)
NO_DRIVER = (
    "the driver of PCIe Edge TPUs is not loaded: install the package gasket-dkms, then "
    "`sudo modprobe apex`"
)


class EdgeTpu(NamedTuple):
    """One Edge TPU.

    Attributes:
        name: What libedgetpu calls it: "usb:0", "pci:0".
        description: Its name for people.
        problem: Why it cannot be used; empty when it can.
    """

    name: str
    description: str
    problem: str


def plugged_in(root: Path = Path("/")) -> list[EdgeTpu]:
    """Return the Edge TPUs that Linux sees; other systems do not tell.

    Args:
        root: The folder that holds `sys` and `dev`.
    """
    return [*_pci(root), *_usb(root)]


def library() -> str:
    """Return the library's path or name, as the loader takes it.

    Raises:
        DeviceError: It is nowhere, or cannot be loaded.
    """
    given = os.environ.get(LIBRARY_VARIABLE)
    reasons = []
    for name in [given] if given else _usual_places():
        try:
            ctypes.CDLL(name)
        except OSError as error:
            reasons.append(str(error))
            continue
        return name
    if given:
        raise DeviceError(f"{LIBRARY_VARIABLE} names a library that does not load: {reasons[0]}")
    raise DeviceError(NO_LIBRARY)


def library_problem() -> str:
    """Return why the library cannot be used; empty when it can."""
    try:
        library()
    except DeviceError as error:
        return str(error)
    return ""


def _usual_places() -> list[str]:
    if sys.platform == "win32":
        return ["edgetpu.dll"]
    if sys.platform == "darwin":
        folders = ("/usr/local/lib", "/opt/homebrew/lib", "/opt/local/lib")
        return ["libedgetpu.1.dylib", *(f"{folder}/libedgetpu.1.dylib" for folder in folders)]
    folders = (f"/usr/lib/{platform.machine()}-linux-gnu", "/usr/local/lib", "/usr/lib")
    return ["libedgetpu.so.1", *(f"{folder}/libedgetpu.so.1" for folder in folders)]


def _usb(root: Path) -> list[EdgeTpu]:
    found: list[EdgeTpu] = []
    for device in sorted((root / "sys/bus/usb/devices").glob("*")):
        if (_text(device / "idVendor"), _text(device / "idProduct")) in USB_IDS:
            bus, number = _text(device / "busnum").zfill(3), _text(device / "devnum").zfill(3)
            node = root / "dev/bus/usb" / bus / number
            description = f"Edge TPU on USB, {bus}/{number}"
            found.append(EdgeTpu(f"usb:{len(found)}", description, _closed(node, "plugdev")))
    return found


def _pci(root: Path) -> list[EdgeTpu]:
    cards = [
        device.name
        for device in sorted((root / "sys/bus/pci/devices").glob("*"))
        if (_text(device / "vendor"), _text(device / "device")) == PCI_ID
    ]
    nodes = sorted(node.name for node in (root / "sys/class/apex").glob("apex_*"))
    found: list[EdgeTpu] = []
    for i in range(max(len(cards), len(nodes))):
        problem = _closed(root / "dev" / nodes[i], "apex") if i < len(nodes) else NO_DRIVER
        slot = f", {cards[i]}" if i < len(cards) else ""
        found.append(EdgeTpu(f"pci:{i}", f"Edge TPU on PCIe{slot}", problem))
    return found


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError:  # not every device has every file, and some vanish meanwhile
        return ""


def _closed(node: Path, group: str) -> str:
    """Return why a device node cannot be opened; empty when it can."""
    if not node.exists():
        return f"{node} is not there: in a container, pass it on (docker run --device {node})"
    if not os.access(node, os.R_OK | os.W_OK):
        return (
            f"this user may not open {node}: install libedgetpu's udev rules, add the user to the "
            f"group {group} (sudo usermod -aG {group} $USER), log in again and plug it in again"
        )
    return ""
