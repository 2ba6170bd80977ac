"""What was measured, as values that are kept: runs, their figures, and the JSON that holds them.

The form of the JSON is written down in `docs/bench.md`; `SCHEMA` names its version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from edgecv.bench.loop import WarmUp
from edgecv.bench.measure import STAGES, Round
from edgecv.bench.setting import Setting
from edgecv.cache import write_atomic
from edgecv.errors import DataError
from edgecv.types import Array

SCHEMA = "edgecv.bench/1"
PERCENTS = (50, 90, 95, 99)
MOST_BYTES = 500_000_000
"""Larger files are no reports."""


@dataclass(frozen=True)
class Run:
    """All that was measured of one setting.

    Attributes:
        setting: What was run.
        sha256: Of the model file.
        precision: "fp32", "fp16" or "int8": what most of the arithmetic is done in.
        size_mb: Of the model file, its weights included, in millions of bytes.
        task: What the model is for.
        rounds: What each process measured.
        metric: What its accuracy is measured in, as `edgecv eval` calls it; empty for none.
        accuracy: By that.
        error: Why there are fewer rounds than were asked for; empty where there are not.
    """

    setting: Setting
    sha256: str
    precision: str
    size_mb: float
    task: str
    rounds: tuple[Round, ...]
    metric: str = ""
    accuracy: float | None = None
    error: str = ""

    def samples(self, stage: str = "end_to_end") -> Array:
        """Return the milliseconds of a stage over all rounds, float64 (passes,)."""
        kept = [one.samples_ms[stage] for one in self.rounds]
        return np.concatenate(kept) if kept else np.zeros(0)

    def figures(self, stage: str = "end_to_end") -> dict[str, float]:
        """Return min, p50, p90, p95 and p99 of a stage in milliseconds; empty without samples."""
        samples = self.samples(stage)
        if not samples.size:
            return {}
        values = np.percentile(samples, PERCENTS, method="inverted_cdf")
        found = {f"p{percent}": float(v) for percent, v in zip(PERCENTS, values, strict=True)}
        return {"min": float(samples.min()), **found}

    @property
    def streams(self) -> dict[int, float]:
        """Results a second, by the number of models side by side."""
        return {number: rate for one in self.rounds for number, rate in one.streams.items()}

    @property
    def energy_mj(self) -> float | None:
        """Millijoules of a result; None where no sensor could be read."""
        found = [one.energy_mj for one in self.rounds if one.energy_mj is not None]
        return float(median(found)) if found else None


@dataclass(frozen=True)
class Report:
    """One benchmark.

    Attributes:
        created: When, in UTC, as ISO 8601.
        machine: `Machine.to_dict` of where.
        edgecv: The version.
        picture: What the models saw: name, height, width, bytes.
        runs: What was measured.
        complete: Whether all was measured that was asked for.
        notes: How it was obtained, for boards' references.
    """

    created: str
    machine: Mapping[str, Any]
    edgecv: str
    picture: Mapping[str, Any]
    runs: tuple[Run, ...]
    complete: bool = True
    notes: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def write_report(path: Path, report: Report) -> None:
    """Write a report as JSON, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    write_atomic(path, json.dumps(to_json(report)) + "\n")


def read_report(path: Path) -> Report:
    """Read what `write_report` wrote.

    Raises:
        DataError: It is no such file, of another version, or damaged.
        OSError: It cannot be read.
    """
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path} is no benchmark: it is larger than {MOST_BYTES // 10**6} MB")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path} is no JSON: {error}") from error
    found = values.get("schema") if isinstance(values, dict) else None
    if found != SCHEMA:
        raise DataError(
            f"{path}: wanted a benchmark of schema {SCHEMA}, got {found or 'none'}; "
            "measure again with `edgecv bench --json`, or read it with the edgecv that wrote it"
        )
    try:
        return _shown(_report(values))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is damaged: {type(error).__name__} {error}") from error


def to_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "schema": SCHEMA,
        "created": report.created,
        "edgecv": report.edgecv,
        "machine": dict(report.machine),
        "picture": dict(report.picture),
        "complete": report.complete,
        "notes": report.notes,
        "runs": [_run_to_json(run) for run in report.runs],
        **({"extra": dict(report.extra)} if report.extra else {}),
    }


def _run_to_json(run: Run) -> dict[str, Any]:
    from edgecv.bench.stamps import stamps

    return {
        **asdict(run.setting),
        "sha256": run.sha256,
        "precision": run.precision,
        "size_mb": round(run.size_mb, 3),
        "task": run.task,
        "metric": run.metric,
        "accuracy": run.accuracy,
        "error": run.error,
        "valid": not stamps(run),
        "stamps": stamps(run),
        "figures_ms": {stage: _rounded(run.figures(stage)) for stage in STAGES},
        "rounds": [round_to_json(one) for one in run.rounds],
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in values.items()}


def round_to_json(one: Round) -> dict[str, Any]:
    """Return a round as JSON values; times are kept to a tenth of a microsecond."""
    values = {name: getattr(one, name) for name in Round.__dataclass_fields__}
    samples = {name: np.round(times, 4).tolist() for name, times in one.samples_ms.items()}
    return {
        **values,
        "warmup": asdict(one.warmup),
        "samples_ms": samples,
        "streams": {str(number): rate for number, rate in one.streams.items()},
        "before": dict(one.before),
        "after": dict(one.after),
    }


def round_from_json(values: Mapping[str, Any]) -> Round:
    """Return what `round_to_json` made into values.

    Raises:
        KeyError: A field is missing.
        TypeError: A field is not known, or no object where one is wanted.
        ValueError: A number is none.
    """
    samples = {name: np.array(values["samples_ms"][name], np.float64) for name in STAGES}
    return Round(
        **{
            **values,
            "warmup": WarmUp(**values["warmup"]),
            "samples_ms": samples,
            "streams": {int(number): float(rate) for number, rate in values["streams"].items()},
        }
    )


def _shown(report: Report) -> Report:
    """Return the report; raise what arises where its values cannot be shown."""
    from edgecv.bench.tables import rows

    rows(report)
    return report


def _report(values: Mapping[str, Any]) -> Report:
    runs: Sequence[Mapping[str, Any]] = values["runs"]
    return Report(
        created=values["created"], machine=dict(values["machine"]), edgecv=values["edgecv"],
        picture=dict(values["picture"]), runs=tuple(_run(run) for run in runs),
        complete=values["complete"], notes=values["notes"], extra=dict(values.get("extra", {})),
    )  # fmt: skip


def _run(values: Mapping[str, Any]) -> Run:
    names = Setting.__dataclass_fields__
    return Run(
        setting=Setting(**{name: values[name] for name in names}),
        sha256=values["sha256"], precision=values["precision"], size_mb=values["size_mb"],
        task=values["task"], metric=values["metric"], accuracy=values["accuracy"],
        error=values["error"],
        rounds=tuple(round_from_json(one) for one in values["rounds"]),
    )  # fmt: skip
