"""Supply, heat, clocks: what makes a board slower than it is."""

from __future__ import annotations

from datetime import datetime, timezone

from .facts import Facts
from .findings import Verdict, broken, ok, skipped, warning

HOT = {"raspberrypi": 80.0, "rockchip": 80.0}
"""Degrees Celsius from which boards slow down: the first is the documented soft limit."""

HOT_OTHERWISE = 90.0

UNDERVOLTAGE = "undervoltage"
SLOW_GOVERNORS = {"powersave", "conservative", "userspace"}
OWN_CLOCKS = {"intel_pstate", "amd-pstate-epp", "amd_pstate_epp"}
"""Drivers whose governor "powersave" means: let the processor choose."""

NO_EARLIER = datetime(2026, 1, 1, tzinfo=timezone.utc)
"""This package did not exist before: a clock that says so is not set."""

SUPPLIES = {
    "Raspberry Pi 5": "5.1 V and 5 A",
    "Raspberry Pi 4": "5.1 V and 3 A",
    "Raspberry Pi Zero 2": "5.1 V and 2.5 A",
    "Raspberry Pi 3": "5.1 V and 2.5 A",
}
"""What the makers recommend: https://www.raspberrypi.com/documentation/computers/raspberry-pi.html"""


def undervoltage(facts: Facts) -> Verdict:
    """Whether the supply of a Raspberry Pi holds its voltage."""
    state = facts.conditions
    if state.throttled is None:
        return skipped("no firmware tells of the supply's voltage")
    supply = next((v for k, v in SUPPLIES.items() if facts.machine.board.startswith(k)), "5.1 V")
    fix = f"use the board's own supply ({supply}) with its cable; power USB devices from a hub"
    if UNDERVOLTAGE in state.throttled_now:
        return broken("the supply's voltage is too low now: the board is slowed down", fix)
    if UNDERVOLTAGE in state.throttled_since_start:
        return warning("the supply's voltage has been too low since the machine was started", fix)
    return ok("the supply has held its voltage")


def throttling(facts: Facts) -> Verdict:
    """Whether the firmware of a Raspberry Pi slows it down, or has."""
    state = facts.conditions
    if state.throttled is None:
        return skipped("no firmware tells of throttling")
    held = [name for name in state.throttled_now if name != UNDERVOLTAGE]
    if held:
        what = f"the board is held back now: {', '.join(held)}"
        return broken(what, _relief(state.throttled_now))
    had = [name for name in state.throttled_since_start if name != UNDERVOLTAGE]
    if had:
        what = f"the board has been held back since it was started: {', '.join(had)}"
        return warning(what, _relief(state.throttled_since_start))
    return ok("not held back since the machine was started")


def _relief(states: tuple[str, ...]) -> str:
    """Return what ends throttling: a low voltage throttles as well, without any heat."""
    if UNDERVOLTAGE in states and "soft temperature limit" not in states:
        return "mend the supply first: a low voltage holds the board back as heat does"
    return "put a heat sink and a fan on it; `vcgencmd measure_temp` shows the temperature"


def temperature(facts: Facts) -> Verdict:
    """Whether the machine is so hot that it slows down."""
    degrees = facts.conditions.temperature_c
    if degrees is None:
        return skipped("no sensor of temperature")
    if degrees < HOT.get(facts.machine.family, HOT_OTHERWISE):
        return ok(f"{degrees:.0f} degrees Celsius")
    return warning(
        f"{degrees:.0f} degrees Celsius: near where chips slow themselves down",
        "put a heat sink and a fan on it, or take it out of its case",
    )


def governor(facts: Facts) -> Verdict:
    """Whether the processor may run at its full clock."""
    governors = facts.conditions.governors
    if not governors:
        return skipped("nothing tells of the processor's governor")
    slow = sorted(set(governors.values()) & SLOW_GOVERNORS)
    if facts.clock_drivers and facts.clock_drivers <= OWN_CLOCKS:
        slow = [name for name in slow if name != "powersave"]
    if not slow:
        return ok(", ".join(sorted(set(governors.values()))))
    what = f"the governor {slow[0]} keeps the processor at a low clock"
    if facts.machine.family == "jetson":
        return warning(what, "sudo jetson_clocks")
    return warning(
        what,
        "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    )


def clock(facts: Facts) -> Verdict:
    """Whether the system clock is set: certificates and time stamps hang on it."""
    fix = "sudo timedatectl set-ntp true"
    now = datetime.fromtimestamp(facts.clock.now, tz=timezone.utc)
    if now < NO_EARLIER:
        return broken(f"the clock says {now:%Y-%m-%d}: downloads fail, and time stamps lie", fix)
    if facts.clock.synchronized is False:
        return warning("the clock is not synchronized with the network", fix)
    return ok(f"{now:%Y-%m-%d %H:%M} UTC")
