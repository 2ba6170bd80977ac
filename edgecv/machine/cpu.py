"""The processor: its name, the instructions that matter to networks, its clocks and governors."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from .reading import names, number, text

FEATURES = (
    "asimd",  # ARM: 128-bit vectors
    "asimdhp",  # ARM: half floats
    "asimddp",  # ARM: dot products of int8
    "i8mm",  # ARM: matrix products of int8
    "bf16",  # ARM: bfloat16
    "sve",  # ARM: vectors of any length
    "sve2",
    "sme",  # ARM: matrices
    "avx",  # x86: 256-bit vectors
    "avx2",
    "fma",
    "f16c",
    "avx_vnni",  # x86: dot products of int8, in 256 bits
    "avx512f",  # x86: 512-bit vectors
    "avx512_vnni",  # x86: dot products of int8, in 512 bits
    "avx512_bf16",
    "avx512_fp16",
    "amx_int8",  # x86: matrix products of int8
    "amx_bf16",
)
"""The features that are told of, as the kernel spells them in /proc/cpuinfo."""

ARM_CORES = {
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD0D: "Cortex-A77",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
    0xD44: "Cortex-X1",
    0xD46: "Cortex-A510",
    0xD47: "Cortex-A710",
    0xD48: "Cortex-X2",
    0xD49: "Neoverse-N2",
    0xD4B: "Cortex-A78C",
    0xD4F: "Neoverse-V2",
    0xD80: "Cortex-A520",
    0xD81: "Cortex-A720",
}
"""Part numbers of implementer 0x41 (Arm): arch/arm64/include/asm/cputype.h of the Linux kernel."""

CPUS = "sys/devices/system/cpu"


class Cpu(NamedTuple):
    """A processor.

    Attributes:
        model: Its name for people: "4x Cortex-A76", "AMD EPYC 9B45"; "" where nothing tells.
        features: Those of `FEATURES` that every core has, in that order.
        cores: Logical processors of the machine, whether or not this process may use them.
    """

    model: str
    features: tuple[str, ...]
    cores: int


def cpu(root: Path) -> Cpu:
    """Return the processor that `proc/cpuinfo` below a root folder tells of."""
    blocks = [block for block in _blocks(text(root / "proc/cpuinfo")) if "processor" in block]
    flags = [set(block.get("Features", block.get("flags", "")).split()) for block in blocks]
    common = set.intersection(*flags) if flags else set()
    features = tuple(name for name in FEATURES if name in common)
    return Cpu(_model(blocks), features, len(blocks) or (os.cpu_count() or 1))


def usable_cores() -> int:
    """Return how many logical processors this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS or Windows
        return os.cpu_count() or 1


def mhz(root: Path) -> float | None:
    """Return the clock of the fastest core now, in MHz; None where nothing tells."""
    values = [number(file) for file in names(root / CPUS, "cpu[0-9]*/cpufreq/scaling_cur_freq")]
    clocks = [value / 1e3 for value in values if value is not None]
    if not clocks:
        blocks = _blocks(text(root / "proc/cpuinfo"))
        clocks = [float(block["cpu MHz"]) for block in blocks if _is_number(block.get("cpu MHz"))]
    return max(clocks, default=None)


def governors(root: Path) -> dict[str, str] | None:
    """Return the governor of each group of cores ("policy0"); None where there are none."""
    files = names(root / CPUS / "cpufreq", "policy[0-9]*/scaling_governor")
    found = {file.parent.name: text(file) for file in files}
    return {policy: name for policy, name in found.items() if name} or None


def drivers(root: Path) -> set[str]:
    """Return the names of the drivers that set the clocks: "intel_pstate", "cpufreq-dt"."""
    files = names(root / CPUS / "cpufreq", "policy[0-9]*/scaling_driver")
    return {text(file) for file in files} - {""}


def _blocks(cpuinfo: str) -> list[dict[str, str]]:
    """Return the blocks of /proc/cpuinfo, which empty lines part, as tables."""
    blocks = []
    for block in re.split(r"\n\s*\n", cpuinfo):
        pairs = (line.partition(":") for line in block.splitlines())
        blocks.append({key.strip(): value.strip() for key, _, value in pairs})
    return blocks


def _model(blocks: list[dict[str, str]]) -> str:
    """Return the names of the kinds of cores; ARM's with how many there are of each."""
    kinds: dict[str, int] = {}
    for block in blocks:
        name = _arm_core(block) or block.get("model name", "")
        kinds[name] = kinds.get(name, 0) + 1
    if any("CPU part" in block for block in blocks):
        return " + ".join(f"{count}x {name}" for name, count in kinds.items() if name)
    return " + ".join(filter(None, kinds))


def _arm_core(block: dict[str, str]) -> str:
    """Return the name of one ARM core, which kernels give as numbers; "" if it is another."""
    try:
        maker, part = int(block["CPU implementer"], 16), int(block["CPU part"], 16)
    except (KeyError, ValueError):
        return ""
    return ARM_CORES.get(part, f"Arm core {part:#x}") if maker == 0x41 else f"{maker:#x}:{part:#x}"


def _is_number(word: str | None) -> bool:
    return word is not None and re.fullmatch(r"\d+(\.\d+)?", word) is not None
