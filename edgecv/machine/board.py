"""Which board this is: from the device tree on ARM, from the firmware's tables (DMI) on x86."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from .reading import text

TREES = ("proc/device-tree", "sys/firmware/devicetree/base")

FAMILIES = {
    "raspberrypi,": "raspberrypi",
    "nvidia,": "jetson",
    "rockchip,": "rockchip",
    "qcom,": "qualcomm",
    "nxp,": "nxp",
    "fsl,": "nxp",
    "amlogic,": "amlogic",
}
"""What the `compatible` strings of a device tree begin with, and the family they stand for."""

NO_NAMES = {"", "None", "Default string", "To be filled by O.E.M.", "System Product Name"}
"""What vendors leave in the DMI tables instead of a name."""


class Board(NamedTuple):
    """A board.

    Attributes:
        name: Its name for people: "Raspberry Pi 5 Model B Rev 1.0"; "" where nothing tells.
        family: "raspberrypi", "jetson", "rockchip", "qualcomm", "nxp", "amlogic", "x86" or "".
        soc: The chip as the device tree names it: "bcm2712", "tegra234", "rk3588"; else "".
    """

    name: str
    family: str
    soc: str


def board(root: Path, architecture: str) -> Board:
    """Return the board below a root folder.

    Args:
        root: The folder that holds `proc` and `sys`.
        architecture: As `uname -m` says it: "aarch64", "x86_64".
    """
    for tree in TREES:
        model = text(root / tree / "model")
        if model:
            compatible = text(root / tree / "compatible").split("\0")
            return Board(model, _family(compatible), _soc(compatible))
    family = "x86" if architecture in ("x86_64", "amd64", "i686", "i386") else ""
    return Board(_dmi_name(root / "sys/class/dmi/id"), family, "")


def _family(compatible: list[str]) -> str:
    """Return the family; the last string names the chip, and counts before the board's maker."""
    for entry in reversed(compatible):
        for start, family in FAMILIES.items():
            if entry.startswith(start):
                return family
    return "raspberrypi" if any(entry.startswith("brcm,bcm2") for entry in compatible) else ""


def _soc(compatible: list[str]) -> str:
    """Return the chip: the last of the `compatible` strings, which go from special to general."""
    return compatible[-1].rpartition(",")[2]


def _dmi_name(folder: Path) -> str:
    words: list[str] = []
    for file in ("sys_vendor", "product_name"):
        word = text(folder / file)
        if word not in NO_NAMES and word not in words:
            words.append(word)
    return " ".join(words)
