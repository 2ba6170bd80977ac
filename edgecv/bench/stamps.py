"""What spoiled a run: a busy, hot, throttled or throttling machine, and clocks that disagree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgecv.bench.measure import Round
from edgecv.machine.throttle import now, since_start

if TYPE_CHECKING:
    from edgecv.bench.record import Run

BUSY = 0.1
"""Cores' worth of time that other processes may take."""
STOLEN = 0.02
"""Part of the time that a hypervisor may keep a virtual machine waiting."""
HOT = 80.0
"""Degrees Celsius: a Raspberry Pi's clock falls from here on (Raspberry Pi documentation)."""
SLOWED = 0.9
"""Part of the clock at the start that has to be left at the end."""
STEADY_GOVERNOR = "performance"
LOW_MEMORY_MB = 100.0
DISAGREE, DISAGREE_MS = 0.05, 0.05
"""How much more the wall clock may say than the model: a part, and milliseconds."""


def stamps(run: Run) -> list[str]:
    """Return the reasons for which a run's figures are not those of a quiet machine.

    Args:
        run: What was measured.

    Returns:
        Each reason once, with the number of rounds that it struck where there are several.
    """
    counts: dict[str, list[str]] = {}
    for one in run.rounds:
        for kind, text in round_stamps(one):
            counts.setdefault(kind, []).append(text)
    found = [_said(texts, len(run.rounds)) for texts in counts.values()]
    if run.error:
        found.append(f"{'incomplete' if run.rounds else 'not measured'}: {run.error}")
    return found


def _said(texts: list[str], rounds: int) -> str:
    last = texts[-1]
    return last if rounds == 1 else f"{last} ({len(texts)} of {rounds} rounds)"


def round_stamps(one: Round) -> Iterator[tuple[str, str]]:
    """Yield the kind and the text of each reason in one round."""
    yield from _power(one)
    yield from _load(one)
    if not one.warmup.steady:
        yield "unsteady", f"times had not settled after {one.warmup.seconds:.1f} s of warm-up"
    if one.clocked_ms - one.claimed_ms > max(DISAGREE * one.claimed_ms, DISAGREE_MS):
        yield (
            "claims",
            f"{one.claimed_ms:.2f} ms by the model's account are {one.clocked_ms:.2f} ms by the "
            "wall clock",
        )
    if one.fallback:
        yield "fallback", f"ran on {one.device}: {one.fallback}"
    if one.error:
        yield "failed", f"failed after {len(one.samples_ms['end_to_end'])} passes: {one.error}"


def _power(one: Round) -> Iterator[tuple[str, str]]:
    before, after = one.before.get("throttled") or 0, one.after.get("throttled") or 0
    for state in sorted({*now(after), *now(before), *since_start(after & ~before)}):
        yield f"throttled {state}", state
    hot = one.after.get("temperature_c")
    if hot is not None and hot >= HOT:
        yield "hot", f"{hot:.0f} degrees C"
    governors = set((one.after.get("governors") or {}).values()) - {STEADY_GOVERNOR}
    if governors:
        yield "governor", f"the clock's governor is {', '.join(sorted(governors))}"
    clock, later = one.before.get("mhz"), one.after.get("mhz")
    if clock and later and later < SLOWED * clock:
        yield "clock", f"the clock fell from {clock:.0f} to {later:.0f} MHz"


def _load(one: Round) -> Iterator[tuple[str, str]]:
    share = one.share or {}
    cores = share.get("seconds", 0.0) / one.wall_s if one.wall_s else 0.0
    others, stolen = share.get("others", 0.0) * cores, share.get("steal", 0.0)
    if others > BUSY:
        yield "busy", f"other processes took {others:.2f} of a core"
    if stolen > STOLEN:
        yield "stolen", f"the host kept this virtual machine waiting {stolen:.0%} of the time"
    free = one.after["available_mb"]
    if 0 < free < LOW_MEMORY_MB:  # 0 where the system does not tell
        yield "memory", f"{free:.0f} MB of memory were left"
    swapped = one.after["swap_used_mb"] - one.before["swap_used_mb"]
    if swapped > 1:
        yield "swap", f"{swapped:.0f} MB were swapped out meanwhile"
