"""Rounds, runs and reports of a benchmark that nobody measured, for what reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecv.bench.loop import WarmUp
from edgecv.bench.measure import STAGES, Round
from edgecv.bench.record import Report, Run
from edgecv.bench.setting import Setting

SETTING = Setting("models/tiny.tflite", "tflite", "cpu", 1)
QUIET: dict[str, Any] = {
    "temperature_c": 48.0, "mhz": 2400.0, "governors": {"policy0": "performance"}, "throttled": 0,
    "load": 0.1, "available_mb": 2000.0, "swap_mb": 100.0, "swap_used_mb": 0.0,
}  # fmt: skip
PARTS = {"read": 0.2, "preprocess": 0.1, "inference": 0.6, "decode": 0.1, "end_to_end": 1.0}


def made_round(times_ms: Sequence[float] | np.ndarray = (10.0,) * 30, **changes: Any) -> Round:
    """Return a round of a quiet machine whose passes took so long; any field may be another."""
    times = np.asarray(times_ms, np.float64)
    values: dict[str, Any] = {
        "load_ms": 30.0, "first_ms": 12.0, "warmup": WarmUp(16, 0.2, steady=True),
        "samples_ms": {stage: PARTS[stage] * times for stage in STAGES},
        "wall_s": float(times.sum()) / 1e3, "claimed_ms": 10.0, "clocked_ms": 10.0, "streams": {},
        "rss_mb": 60.0, "base_mb": 40.0, "energy_mj": None, "energy_note": "",
        "share": {"own": 0.5, "others": 0.0, "steal": 0.0, "idle": 0.5, "seconds": 1.2},
        "before": QUIET, "after": QUIET, "device": "cpu",
    }  # fmt: skip
    return Round(**{**values, **changes})


def made_run(*rounds: Round, **changes: Any) -> Run:
    """Return a run of `SETTING`; any field may be another."""
    values: dict[str, Any] = {
        "setting": SETTING, "sha256": "ab" * 32, "precision": "fp32", "size_mb": 1.5,
        "task": "classification", "rounds": rounds or (made_round(),),
    }  # fmt: skip
    return Run(**{**values, **changes})


def made_report(*runs: Run, **changes: Any) -> Report:
    """Return a report of runs."""
    values: dict[str, Any] = {
        "created": "2026-01-02T03:04:05+00:00", "edgecv": "0.1",
        "machine": {"board": "Made Up 5", "architecture": "aarch64", "cpu": {"model": "Cortex"}},
        "picture": {"name": "test pattern", "height": 480, "width": 640, "bytes": 9000},
        "runs": runs or (made_run(),),
    }  # fmt: skip
    return Report(**{**values, **changes})


def noisy_run(
    rng: np.random.Generator, level_ms: float, *, rounds: int = 5, passes: int = 40,
    drift: float = 0.02, tail: float = 0.03, follow: float = 0.0, **changes: Any,
) -> Run:  # fmt: skip
    """Return a run as a noisy machine gives it.

    Args:
        rng: The chance.
        level_ms: What a pass takes at least.
        rounds: Processes.
        passes: Of each.
        drift: By how much processes differ: the standard deviation of a factor's logarithm.
        tail: The scale of what passes take longer: Student's t with 3 degrees, which has heavy
            tails.
        follow: How much of a pass's excess the next one has too.
        changes: Of the run's fields.
    """
    made = []
    for _ in range(rounds):
        excess = np.abs(rng.standard_t(3, passes)) * tail
        for i in range(1, passes if follow else 0):
            excess[i] += follow * excess[i - 1]
        made.append(made_round(level_ms * np.exp(rng.normal(0, drift) + excess)))
    return made_run(*made, **changes)
