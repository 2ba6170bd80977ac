"""Burst against steady state: one setting without a pause, with heat and clock beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from edgecv.bench.measure import open_setting
from edgecv.bench.setting import Setting
from edgecv.errors import InferenceError
from edgecv.machine import conditions
from edgecv.types import Image

SLICE = 1.0
"""Seconds between two looks at the machine."""
BURST, STEADY = 5, 0.2
"""The burst is the first slices, the steady state the last part of them."""


@dataclass
class Sustained:
    """How a setting fares over time: a value a slice.

    Attributes:
        seconds: The end of the slice.
        p50_ms: The median of its passes, from pixels to the result.
        temperature_c: None where there is no sensor.
        mhz: None where the system does not tell.
        throttled: The firmware's bits; None where there is none.
        error: Why it ended early.
    """

    seconds: list[float]
    p50_ms: list[float]
    temperature_c: list[float | None]
    mhz: list[float | None]
    throttled: list[int | None]
    error: str = ""

    @property
    def burst_ms(self) -> float:
        """The median of the first slices."""
        return float(np.median(self.p50_ms[:BURST]))

    @property
    def steady_ms(self) -> float:
        """The median of the last fifth of the slices."""
        return float(np.median(self.p50_ms[-max(1, int(len(self.p50_ms) * STEADY)) :]))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {**vars(self), "burst_ms": self.burst_ms, "steady_ms": self.steady_ms}


def sustain(
    setting: Setting, image: Image, seconds: float, told: Callable[[float], None]
) -> Sustained:
    """Run a setting for so many seconds; Ctrl-C ends it, and what there is remains.

    Args:
        setting: What is run.
        image: uint8 (H, W, 3), BGR.
        seconds: How long.
        told: Called with the seconds done, after each slice.

    Raises:
        EdgeCVError: The model cannot be opened, or fails at once.
    """
    found = Sustained([], [], [], [], [])
    with open_setting(setting) as model:
        model(image)
        start = perf_counter()
        try:
            while perf_counter() - start < seconds:
                times = _slice(lambda: model(image))
                _keep(found, perf_counter() - start, times)
                told(found.seconds[-1])
        except (InferenceError, KeyboardInterrupt) as error:
            if not found.seconds:
                raise
            found.error = str(error) or "interrupted"
    return found


def _slice(once: Callable[[], object]) -> list[float]:
    times: list[float] = []
    end = perf_counter() + SLICE
    while not times or perf_counter() < end:
        before = perf_counter()
        once()
        times.append((perf_counter() - before) * 1e3)
    return times


def _keep(found: Sustained, seconds: float, times: list[float]) -> None:
    now = conditions()
    found.seconds.append(round(seconds, 3))
    found.p50_ms.append(round(float(np.median(times)), 4))
    found.temperature_c.append(now.temperature_c)
    found.mhz.append(now.mhz)
    found.throttled.append(now.throttled)
