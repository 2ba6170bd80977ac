"""A race of settings: all are timed in short, and those near the front again, until one leads."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgecv.bench.bench import run_round
from edgecv.bench.loop import Effort
from edgecv.bench.measure import Round
from edgecv.bench.setting import Setting
from edgecv.bench.stamps import round_stamps

HEAT = Effort(seconds=0.3, count=5, most_seconds=5.0, warmup_seconds=0.7)
FINAL = Effort(seconds=0.6, count=15, most_seconds=8.0, warmup_seconds=1.0)
NEAR = 1.35
"""How many times the leader's time one may take in the heat, to run again."""
FINALS = 3
MOST_FINALISTS = 5
ALIKE = 1.03
"""Times that are closer than this are no difference: then fewer threads win."""
PERCENT = 90

Told = Callable[[Setting, int, int], None]
"""Called before each step with the setting, the steps done and the steps there are."""
Fault = Callable[[Setting], str]
"""Returns why a setting may not win; empty where it may."""


@dataclass(frozen=True)
class Place:
    """How a setting fared.

    Attributes:
        setting: What ran.
        times_ms: A percentile (`PERCENT`) of each of its rounds; of a picture from pixels to the
            result.
        fault: Why it cannot win: it does not run, or loses accuracy; empty where it can.
        spoiled: What the machine did meanwhile that makes times doubtful (`stamps`).
    """

    setting: Setting
    times_ms: tuple[float, ...] = ()
    fault: str = ""
    spoiled: tuple[str, ...] = ()

    @property
    def time_ms(self) -> float:
        """The median over its rounds, the heat left out where there were finals."""
        if not self.times_ms:
            return float("inf")
        return float(np.median(self.times_ms[1:] or self.times_ms))


def race(
    settings: Sequence[Setting], picture: bytes, told: Told, *, fault: Fault = lambda setting: ""
) -> list[Place]:
    """Time settings, and return them with the fastest first; those that cannot win come last.

    Settings that differ by less than `ALIKE` stand in the order of their threads. Those that did
    not run again stand behind those that did: nobody has asked whether they may win.

    Args:
        settings: Those that run.
        picture: A JPEG or PNG file.
        told: Hears of the progress.
        fault: Is asked of the fastest, one after the other, until it is known who is near the
            fastest that may win.
    """
    places: dict[Setting, Place] = {}
    with tempfile.TemporaryDirectory(prefix="edgecv-race-") as name:
        folder = Path(name)
        (folder / "picture").write_bytes(picture)
        for number, setting in enumerate(settings):
            told(setting, number, len(settings))
            places[setting] = _run(Place(setting), folder, HEAT)
        front = _finals(places, folder, told, fault)
    first = [place for place in places.values() if place.setting in front]
    return _faulty_last(ranked(first) + ranked([p for p in places.values() if p not in first]))


def _finals(places: dict[Setting, Place], folder: Path, told: Told, fault: Fault) -> list[Setting]:
    """Run those near the front again; return them. Where all of these fail, the next take over."""
    while True:
        front = finalists(places, fault)
        for turn in range(FINALS if len(front) > 1 else 0):
            for number, setting in enumerate(front):
                told(setting, turn * len(front) + number, FINALS * len(front))
                if not places[setting].fault:
                    places[setting] = _run(places[setting], folder, FINAL)
        if not front or not all(places[setting].fault for setting in front):
            return front


def finalists(places: dict[Setting, Place], fault: Fault) -> list[Setting]:
    """Return the settings that run again: those that may win, near the fastest of them.

    The faults that were found are put into `places`.
    """
    front: list[Place] = []
    for place in sorted(places.values(), key=lambda place: place.time_ms):
        late = front and place.time_ms > NEAR * front[0].time_ms
        if place.fault or late or len(front) == MOST_FINALISTS:
            continue
        why = fault(place.setting)
        places[place.setting] = replace(place, fault=why)
        if not why:
            front.append(place)
    return [place.setting for place in front]


def ranked(places: Sequence[Place]) -> list[Place]:
    """Return places by time; of those that are alike, the one with fewer threads first."""
    rest = sorted((p for p in places if not p.fault), key=lambda place: place.time_ms)
    found: list[Place] = []
    while rest:
        alike = [p for p in rest if p.time_ms <= ALIKE * rest[0].time_ms] or rest[:1]
        first = min(alike, key=lambda place: place.setting.threads)
        found.append(first)
        rest.remove(first)
    return found + [place for place in places if place.fault]


def _faulty_last(places: Sequence[Place]) -> list[Place]:
    return sorted(places, key=lambda place: bool(place.fault))


def _run(place: Place, folder: Path, effort: Effort) -> Place:
    found = run_round(place.setting, folder, effort, ())
    if isinstance(found, str):
        return replace(place, fault=f"does not run: {found}")
    if found.error:
        return replace(place, fault=f"fails: {found.error}")
    spoiled = dict.fromkeys((*place.spoiled, *(kind for kind, _ in round_stamps(found))))
    return replace(place, times_ms=(*place.times_ms, frame_ms(found)), spoiled=tuple(spoiled))


def frame_ms(found: Round) -> float:
    """Return the percentile of a pass without reading the picture's file, in milliseconds."""
    times = found.samples_ms["end_to_end"] - found.samples_ms["read"]
    return float(np.percentile(times, PERCENT))
