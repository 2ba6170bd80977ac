from __future__ import annotations

from datetime import datetime, timezone

import pytest
from doctor_facts import state

from edgecv.doctor import memory_checks, power_checks
from edgecv.doctor.facts import Clock

GOVERNOR = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
SYNC = "sudo timedatectl set-ntp true"
TODAY = datetime(2026, 12, 1, tzinfo=timezone.utc).timestamp()
NO_BATTERY = datetime(1970, 1, 1, 0, 5, tzinfo=timezone.utc).timestamp()


@pytest.mark.parametrize(
    ("bits", "supply", "heat"),
    [
        pytest.param(None, "skipped", "skipped", id="no firmware tells"),
        pytest.param(0x0, "ok", "ok", id="fine"),
        pytest.param(0x50005, "broken", "broken", id="now, and before"),
        pytest.param(0x50000, "warning", "warning", id="before"),
        pytest.param(0x1, "broken", "ok", id="low voltage alone"),
        pytest.param(0x8, "ok", "broken", id="heat alone"),
        pytest.param(0x80000, "ok", "warning", id="heat, before"),
    ],
)
def test_the_firmware_tells_of_supply_and_heat(bits, supply, heat) -> None:
    facts = state(conditions={"throttled": bits})
    assert power_checks.undervoltage(facts).status == supply
    assert power_checks.throttling(facts).status == heat


@pytest.mark.parametrize(
    ("bits", "fix"),
    [
        (0x4, "put a heat sink"),
        (0x5, "mend the supply first"),
        (0x50000, "mend the supply first"),
        (0xD, "put a heat sink"),
    ],
)
def test_throttling_by_a_low_voltage_wants_no_heat_sink(bits, fix) -> None:
    assert power_checks.throttling(state(conditions={"throttled": bits})).fix.startswith(fix)


@pytest.mark.parametrize(
    ("board", "supply"),
    [
        ("Raspberry Pi 5 Model B Rev 1.0", "5.1 V and 5 A"),
        ("Raspberry Pi 4 Model B Rev 1.4", "5.1 V and 3 A"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "5.1 V and 2.5 A"),
        ("Raspberry Pi Compute Module 4", "5.1 V"),
    ],
)
def test_the_supply_that_a_board_wants_is_named(board, supply) -> None:
    facts = state(machine={"board": board}, conditions={"throttled": 1})
    assert f"({supply})" in power_checks.undervoltage(facts).fix


@pytest.mark.parametrize(
    ("degrees", "family", "status"),
    [
        (None, "raspberrypi", "skipped"),
        (79.9, "raspberrypi", "ok"),
        (80.0, "raspberrypi", "warning"),
        (85.0, "x86", "ok"),
        (95.0, "jetson", "warning"),
    ],
)
def test_heat_is_told_of(degrees, family, status) -> None:
    facts = state(machine={"family": family}, conditions={"temperature_c": degrees})
    verdict = power_checks.temperature(facts)
    assert verdict.status == status
    assert bool(verdict.fix) == (status == "warning")


@pytest.mark.parametrize(
    ("governors", "driver", "family", "status", "fix"),
    [
        pytest.param(None, "", "x86", "skipped", "", id="none"),
        pytest.param(["ondemand"], "cpufreq-dt", "raspberrypi", "ok", "", id="by need"),
        pytest.param(["performance"], "cpufreq-dt", "raspberrypi", "ok", "", id="full"),
        pytest.param(["powersave"], "cpufreq-dt", "raspberrypi", "warning", GOVERNOR, id="low"),
        pytest.param(
            ["performance", "powersave"], "cpufreq-dt", "rockchip", "warning", GOVERNOR, id="half"
        ),
        pytest.param(["powersave"], "intel_pstate", "x86", "ok", "", id="Intel's own powersave"),
        pytest.param(["powersave"], "amd-pstate-epp", "x86", "ok", "", id="AMD's own powersave"),
        pytest.param(["powersave"], "acpi-cpufreq", "x86", "warning", GOVERNOR, id="low on x86"),
        pytest.param(
            ["userspace"], "tegra194", "jetson", "warning", "sudo jetson_clocks", id="a Jetson"
        ),
    ],
)
def test_a_governor_that_holds_the_clock_low_is_told_of(
    governors, driver, family, status, fix
) -> None:
    named = governors and {f"policy{i}": name for i, name in enumerate(governors)}
    facts = state(
        machine={"family": family},
        conditions={"governors": named},
        clock_drivers=frozenset({driver} - {""}),
    )
    assert power_checks.governor(facts)[::2] == (status, fix)


@pytest.mark.parametrize(
    ("now", "synchronized", "status"),
    [
        pytest.param(TODAY, True, "ok", id="set"),
        pytest.param(TODAY, None, "ok", id="nobody tells"),
        pytest.param(TODAY, False, "warning", id="not synchronized"),
        pytest.param(NO_BATTERY, False, "broken", id="1970"),
    ],
)
def test_a_clock_that_is_not_set_is_told_of(now, synchronized, status) -> None:
    verdict = power_checks.clock(state(clock=Clock(now, synchronized)))
    assert verdict.status == status
    assert verdict.fix == ("" if status == "ok" else SYNC)


@pytest.mark.parametrize(
    ("total", "left", "status"),
    [
        (0.0, 0.0, "skipped"),
        (8443.0, 7000.0, "ok"),
        (448.0, 260.0, "ok"),
        (448.0, 150.0, "warning"),
        (448.0, 60.0, "broken"),
    ],
)
def test_little_memory_is_told_of(total, left, status) -> None:
    facts = state(machine={"memory_mb": total}, conditions={"available_mb": left})
    verdict = memory_checks.available_memory(facts)
    assert verdict.status == status
    assert verdict.fix.startswith("ps " if status in ("warning", "broken") else "")


@pytest.mark.parametrize(
    ("memory", "total", "used", "status", "fix"),
    [
        pytest.param(0.0, 0.0, 0.0, "skipped", "", id="nobody tells"),
        pytest.param(448.0, 0.0, 0.0, "warning", "sudo fallocate", id="none, on a small board"),
        pytest.param(8443.0, 0.0, 0.0, "ok", "", id="none, on a large one"),
        pytest.param(448.0, 100.0, 50.0, "ok", "", id="half"),
        pytest.param(8443.0, 100.0, 95.0, "warning", "ps ", id="full"),
    ],
)
def test_swap_that_is_full_or_absent_is_told_of(memory, total, used, status, fix) -> None:
    conditions = {"swap_mb": total, "swap_used_mb": used}
    verdict = memory_checks.swap(state(machine={"memory_mb": memory}, conditions=conditions))
    assert verdict.status == status
    assert verdict.fix.startswith(fix)
