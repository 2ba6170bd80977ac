from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import pytest
from boards import (
    BOARDS,
    NANO,
    PC,
    PI4,
    PI5,
    ROCK5,
    V8_2,
    ZERO2,
    answering,
    arm_cpuinfo,
    meminfo,
    plant,
    x86_cpuinfo,
)

import edgecv.machine as machine_package
from edgecv.machine import FEATURES, conditions, machine
from edgecv.machine.cpu import cpu, governors, mhz, usable_cores
from edgecv.machine.memory import memory
from edgecv.machine.packages import packages

A76 = ("asimd", "asimdhp", "asimddp")


@pytest.mark.parametrize(
    ("board", "name", "family", "soc"),
    [
        ("Pi 5", "Raspberry Pi 5 Model B Rev 1.0", "raspberrypi", "bcm2712"),
        ("Pi 4", "Raspberry Pi 4 Model B Rev 1.4", "raspberrypi", "bcm2711"),
        ("Zero 2 W", "Raspberry Pi Zero 2 W Rev 1.0", "raspberrypi", "bcm2837"),
        ("Orin Nano", "NVIDIA Jetson Orin Nano Developer Kit", "jetson", "tegra234"),
        ("Jetson Nano", "NVIDIA Jetson Nano Developer Kit", "jetson", "tegra210"),
        ("ROCK 5B", "Radxa ROCK 5B", "rockchip", "rk3588"),
        ("PC", "LENOVO 21A00003", "x86", ""),
    ],
)
def test_a_board_is_told_by_its_tree_or_its_firmware(board, name, family, soc, tmp_path) -> None:
    found = machine(plant(tmp_path, BOARDS[board].files), architecture=BOARDS[board].architecture)
    assert (found.board, found.family, found.soc) == (name, family, soc)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, ("", "", ""), id="nothing tells"),
        pytest.param(
            {"sys/firmware/devicetree/base/model": "Some board\0"},
            ("Some board", "", ""),
            id="a tree without compatible, at its other place",
        ),
        pytest.param(
            {
                "sys/class/dmi/id/sys_vendor": "System manufacturer\n",
                "sys/class/dmi/id/product_name": "To be filled by O.E.M.\n",
            },
            ("System manufacturer", "", ""),
            id="a firmware that was never filled in",
        ),
    ],
)
def test_what_does_not_tell_is_empty(files, expected, tmp_path: Path) -> None:
    found = machine(plant(tmp_path, files), architecture="riscv64")
    assert (found.board, found.family, found.soc) == expected


@pytest.mark.parametrize(
    ("text", "model", "features", "cores"),
    [
        pytest.param(PI5.files["proc/cpuinfo"], "4x Cortex-A76", A76, 4, id="Pi 5"),
        pytest.param(PI4.files["proc/cpuinfo"], "4x Cortex-A72", ("asimd",), 4, id="Pi 4"),
        pytest.param(ZERO2.files["proc/cpuinfo"], "4x Cortex-A53", ("asimd",), 4, id="Zero 2 W"),
        pytest.param(
            NANO.files["proc/cpuinfo"], "4x Cortex-A57", ("asimd",), 4, id="an old kernel's name"
        ),
        pytest.param(
            ROCK5.files["proc/cpuinfo"], "4x Cortex-A55 + 4x Cortex-A76", A76, 8, id="two kinds"
        ),
        pytest.param(
            arm_cpuinfo(["0xd05"], V8_2) + "\n" + arm_cpuinfo(["0xd0b"], f"{V8_2} i8mm"),
            "1x Cortex-A55 + 1x Cortex-A76",
            A76,
            2,
            id="only what all cores have",
        ),
        pytest.param(
            arm_cpuinfo(["0xfff"], f"{V8_2} sve i8mm bf16"),
            "1x Arm core 0xfff",
            (*A76, "i8mm", "bf16", "sve"),
            1,
            id="an unknown part",
        ),
        pytest.param(
            arm_cpuinfo(["0x001"], "asimd").replace("0x41", "0x61"),
            "1x 0x61:0x1",
            ("asimd",),
            1,
            id="another maker",
        ),
        pytest.param(
            PC.files["proc/cpuinfo"],
            "13th Gen Intel(R) Core(TM) i5-1340P",
            ("avx", "avx2", "fma", "f16c", "avx_vnni"),
            2,
            id="AVX-VNNI",
        ),
        pytest.param(
            x86_cpuinfo("Xeon", "avx2 avx512f avx512_vnni avx512_bf16 amx_tile amx_int8", [2000]),
            "Xeon",
            ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8"),
            1,
            id="AMX",
        ),
    ],
)
def test_a_processor_is_read(text, model, features, cores, tmp_path: Path) -> None:
    assert cpu(plant(tmp_path, {"proc/cpuinfo": text})) == (model, features, cores)
    assert set(features) <= set(FEATURES)


def test_a_processor_that_nothing_tells_of_has_the_cores_that_python_sees(tmp_path: Path) -> None:
    assert cpu(tmp_path) == ("", (), os.cpu_count())


def test_a_process_held_to_one_core_uses_one() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == machine().cores == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("board", "expected"),
    [("Pi 5", 2400.0), ("PC", 2800.0), ("Zero 2 W", 1000.0)],
)
def test_the_clock_is_that_of_the_fastest_core(board, expected, tmp_path: Path) -> None:
    assert mhz(plant(tmp_path, BOARDS[board].files)) == expected


def test_without_cpufreq_the_clock_is_that_of_cpuinfo(tmp_path: Path) -> None:
    plant(tmp_path, {"proc/cpuinfo": PC.files["proc/cpuinfo"]})
    assert mhz(tmp_path) == 3200.0
    assert governors(tmp_path) is None


def test_without_either_there_is_no_clock(tmp_path: Path) -> None:
    assert mhz(plant(tmp_path, {"proc/cpuinfo": PI5.files["proc/cpuinfo"]})) is None


def test_each_group_of_cores_has_its_governor(tmp_path: Path) -> None:
    plant(tmp_path, ROCK5.files)
    assert governors(tmp_path) == {"policy0": "ondemand", "policy4": "performance"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(meminfo(1000, 500), (1.0, 0.5, 0.0, 0.0), id="no swap"),
        pytest.param(meminfo(8000, 4000, 1000, 250), (8.2, 4.1, 1.0, 0.8), id="swap"),
        pytest.param("MemTotal: 2000 kB\nMemFree: 1000 kB\n", (2.0, 1.0, 0.0, 0.0), id="old"),
        pytest.param("", (0.0, 0.0, 0.0, 0.0), id="nothing"),
    ],
)
def test_memory_is_in_millions_of_bytes(text, expected, tmp_path: Path) -> None:
    assert memory(plant(tmp_path, {"proc/meminfo": text})) == expected


def test_packages_are_those_installed_of_those_asked_for() -> None:
    assert set(packages(["numpy", "no-such-package"])) == {"numpy"}


def test_this_machine_goes_into_json() -> None:
    found = machine()
    values = json.loads(json.dumps(found.to_dict()))
    assert values["cpu"]["cores"] >= values["cores"] >= 1
    assert values["python"] == platform.python_version()
    assert values["packages"]["numpy"]
    assert all(values[key] for key in ("os", "kernel", "architecture"))


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        ("Pi 5", (48.85, 2400.0, {"policy0": "ondemand"}, 0, 0.52, 7168.0, 209.7, 0.0)),
        ("Pi 4", (61.1, 600.0, {"policy0": "ondemand"}, 0x50005, None, 3072.0, 104.9, 0.0)),
        ("Zero 2 W", (None, 1000.0, {"policy0": "ondemand"}, 0, None, 92.2, 0.0, 0.0)),
        ("PC", (None, 2800.0, {"policy0": "powersave"}, None, 1.25, 9216.0, 2048.0, 0.0)),
    ],
)
def test_conditions_are_read(board, expected, tmp_path: Path) -> None:
    found = conditions(plant(tmp_path, BOARDS[board].files), answering(BOARDS[board].commands))
    values = json.loads(json.dumps(found.to_dict()))
    assert tuple(values.values()) == expected


def test_conditions_name_what_holds_the_board_back(tmp_path: Path) -> None:
    found = conditions(plant(tmp_path, PI4.files), answering(PI4.commands))
    assert found.throttled_now == ("undervoltage", "throttled")
    assert found.throttled_since_start == ("undervoltage", "throttled")


def test_a_machine_that_tells_nothing_has_conditions_all_the_same(tmp_path: Path) -> None:
    found = conditions(tmp_path, answering({}))
    assert found.throttled is None
    assert found.throttled_now == ()
    assert conditions().available_mb > 0


def test_public_names_are_real() -> None:
    assert all(hasattr(machine_package, name) for name in machine_package.__all__)
