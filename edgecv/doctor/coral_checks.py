"""Coral Edge TPUs: the stick's port and its rights, the card's driver, the library."""

from __future__ import annotations

import re

from .facts import Facts, UsbDevice
from .findings import Verdict, broken, ok, skipped, warning
from .remedies import join_group, open_node

USB_IDS = {("1a6e", "089a"), ("18d1", "9302")}
"""A stick shows the first pair until something has run on it, the second from then on."""

PCI_ID = ("0x1ac1", "0x089a")
SUPERSPEED = 5000.0
"""Mbit/s of USB 3; USB 2 has 480."""

NO_USB3 = ("Raspberry Pi 3", "Raspberry Pi Zero", "Raspberry Pi 2")
NEWEST_FOR_GOOGLES = (2, 11)
"""The last TFLite that Google's libedgetpu 16.0 runs under; with 2.12 and later it ends in a
segmentation fault: https://github.com/google-coral/edgetpu/issues/812"""

RELEASES = "https://github.com/feranick/libedgetpu/releases"
DRIVERS = "https://github.com/feranick/gasket-driver/releases"
NEWEST_FOR_GASKET = (6, 4)
"""From this kernel on Google's driver does not build: google/gasket-driver, issue 12."""

RULES = "/etc/udev/rules.d/99-edgetpu.rules"
NO_STICK = "no Coral on USB"
NO_CARD = "no Coral on PCIe"
NO_CORAL = "no Coral is plugged in"


def coral_usb_speed(facts: Facts) -> Verdict:
    """Whether the sticks run at the speed of USB 3."""
    sticks = _sticks(facts)
    slow = [s for s in sticks if s.mbits is not None and s.mbits < SUPERSPEED]
    if not sticks:
        return skipped(NO_STICK)
    if not slow:
        return ok("USB 3" if all(stick.mbits for stick in sticks) else "its speed is unknown")
    what = f"the Coral runs at {slow[0].mbits:.0f} Mbit/s (USB 2), not 5000: models take longer"
    if facts.machine.board.startswith(NO_USB3):
        return warning(
            f"{what}; this board has no USB 3", "use a Raspberry Pi 4 or 5, or leave it so"
        )
    return warning(
        what,
        "plug it straight into a blue USB 3 port with the cable it came with; "
        "`lsusb -t` then shows 5000M",
    )


def coral_usb_access(facts: Facts) -> Verdict:
    """Whether this user may open the sticks, before and after their first use."""
    sticks = _sticks(facts)
    if not sticks:
        return skipped(NO_STICK)
    nodes = [stick.node for stick in sticks if stick.node]
    if not nodes:
        return broken(
            "Linux sees the Coral, but its file in /dev/bus/usb is not here: a container?",
            "docker run --privileged -v /dev/bus/usb:/dev/bus/usb ...",
        )
    closed = [node for node in nodes if not node.usable]
    if not closed:
        return ok("this user may open it")
    if not any(file.endswith(".rules") for file in facts.files):
        return broken("there is no udev rule that opens the Coral to users", _write_rules(facts))
    if closed[0].group == "root":
        return broken(
            "the udev rule is there, but was not applied to the Coral",
            "sudo udevadm control --reload-rules && sudo udevadm trigger  # then plug it in again",
        )
    return broken(
        f"this user may not open the Coral: not in the group {closed[0].group}",
        join_group(facts, closed[0].group),
    )


def coral_pcie_driver(facts: Facts) -> Verdict:
    """Whether the driver of PCIe Edge TPUs is there, and open to this user."""
    if not _cards(facts):
        return skipped(NO_CARD)
    nodes = facts.nodes_of("/dev/apex_")
    if not nodes and "apex" in facts.modules:
        return broken(
            "the driver of the PCIe Coral is loaded, but did not start the card",
            "sudo dmesg | grep -i -e apex -e gasket  # says why",
        )
    if not nodes:
        return broken("the PCIe Coral has no driver: there is no /dev/apex_0", _driver(facts))
    closed = [node for node in nodes if not node.usable]
    if not closed:
        return ok(f"{len(nodes)} of /dev/apex_*, open to this user")
    if closed[0].group not in ("", "root"):
        return broken(f"this user may not open {closed[0].path}", open_node(facts, closed[0], ""))
    rule = 'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"'
    return broken(
        f"only root may open {closed[0].path}",
        f"sudo groupadd -f apex && echo '{rule}' | sudo tee /etc/udev/rules.d/65-apex.rules && "
        "sudo usermod -aG apex $USER  # then start the machine again",
    )


def coral_page_size(facts: Facts) -> Verdict:
    """Whether the kernel's pages are of the size that the PCIe driver wants."""
    if not _cards(facts):
        return skipped(NO_CARD)
    if facts.page_bytes == 4096:
        return ok("pages of 4 KiB")
    return broken(
        f"the kernel has pages of {facts.page_bytes // 1024} KiB, and the PCIe Coral wants 4",
        "echo kernel=kernel8.img | sudo tee -a /boot/firmware/config.txt && sudo reboot",
    )


def coral_library(facts: Facts) -> Verdict:
    """Whether libedgetpu is installed."""
    if not _coral(facts):
        return skipped(NO_CORAL)
    if facts.edgetpu_library:
        return ok(facts.edgetpu_library)
    return broken(
        "the library libedgetpu is not installed, or EDGECV_EDGETPU_LIB names a file that is not "
        "there",
        _install_library(facts),
    )


def coral_library_version(facts: Facts) -> Verdict:
    """Whether libedgetpu was built for a TFLite as new as this one."""
    if not _coral(facts):
        return skipped(NO_CORAL)
    package = next((name for name in facts.debs if name.startswith("libedgetpu1")), "")
    if not package:
        return skipped("no Debian package tells which libedgetpu this is")
    version = facts.debs[package]
    tflite = _tflite(facts)
    if not tflite:
        return skipped("no TFLite runtime is installed")
    built_for = re.search(r"tf(\d+)\.(\d+)", version.lower())
    if built_for or tflite[1] <= NEWEST_FOR_GOOGLES:
        return ok(f"{package} {version} with {tflite[0]}")
    return broken(
        f"{package} {version} is for TFLite 2.11 and older: with {tflite[0]} it ends in a "
        "segmentation fault",
        f"sudo apt remove {package}; {_install_library(facts)}",
    )


def pycoral(facts: Facts) -> Verdict:
    """Whether the package pycoral is Google's, and not another of that name."""
    version = facts.machine.packages.get("pycoral", "")
    if not version:
        return ok("pycoral is not installed, and not needed")
    if version.startswith("0."):  # Google's began at 1.0
        return warning(
            f"pycoral {version} from PyPI is another project, not Google's",
            "pip uninstall -y pycoral  # edgecv needs none",
        )
    return ok(f"pycoral {version}")


def _sticks(facts: Facts) -> list[UsbDevice]:
    return [device for device in facts.usb if (device.vendor, device.product) in USB_IDS]


def _cards(facts: Facts) -> bool:
    found = any((device.vendor, device.device) == PCI_ID for device in facts.pci)
    return found or bool(facts.nodes_of("/dev/apex_"))


def _coral(facts: Facts) -> bool:
    return bool(_sticks(facts)) or _cards(facts)


def _tflite(facts: Facts) -> tuple[str, tuple[int, ...]] | None:
    """Return the package that runs TFLite files and the version of TFLite it stands for."""
    packages = facts.machine.packages
    if "ai-edge-litert" in packages:  # its numbers begin again at 1, after TFLite's 2.17
        return f"ai-edge-litert {packages['ai-edge-litert']}", (2, 18)
    for name in ("tflite-runtime", "tensorflow"):
        if name in packages:
            parts = packages[name].split(".")[:2]
            return f"{name} {packages[name]}", tuple(int(p) for p in parts if p.isdecimal())
    return None


def _driver(facts: Facts) -> str:
    """Return what brings the driver: Google's package does not build on kernels from 6.4 on."""
    if "gasket-dkms" in facts.debs:
        return "sudo modprobe apex  # if there is no such module: sudo dkms autoinstall"
    found = re.match(r"(\d+)\.(\d+)", facts.machine.kernel)
    if found and (int(found[1]), int(found[2])) < NEWEST_FOR_GASKET:
        return "sudo apt install gasket-dkms && sudo modprobe apex  # from Google's repository"
    return f"sudo apt install ./gasket-dkms_*_all.deb && sudo modprobe apex  # of {DRIVERS}"


def _install_library(facts: Facts) -> str:
    processor = {"aarch64": "arm64", "x86_64": "amd64"}.get(facts.machine.architecture, "")
    file = f"libedgetpu1-std_*_{processor or '*'}.deb"
    return f"sudo apt install ./{file}  # the one for {facts.machine.os}, of {RELEASES}"


def _write_rules(facts: Facts) -> str:
    rules = " ".join(
        f'\'SUBSYSTEM=="usb", ATTR{{idVendor}}=="{vendor}", ATTR{{idProduct}}=="{product}", '
        'GROUP="plugdev", MODE="0660"\''
        for vendor, product in sorted(USB_IDS)
    )
    member = "" if "plugdev" in facts.user.groups else " && sudo usermod -aG plugdev $USER"
    return (
        f"printf '%s\\n' {rules} | sudo tee {RULES} && sudo udevadm control --reload-rules"
        f"{member}  # then log out and in again, and plug it in again"
    )
