"""A benchmark as rows of text, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from edgecv.bench.measure import STAGES
from edgecv.bench.record import PERCENTS, Report, Run
from edgecv.bench.stamps import stamps

HEADING = (
    "", "model", "precision", "runtime", "device", "threads", "p90", "p50", "p99", "per s", "load",
    "first", "peak MB", "file MB", "mJ",
)  # fmt: skip
RIGHT = tuple(range(5, len(HEADING)))
"""The columns of numbers."""


def rows(report: Report) -> list[tuple[str, ...]]:
    """Return a heading and a row for each run; times in milliseconds, from a picture's bytes on."""
    return [HEADING, *(_row(number, run) for number, run in enumerate(report.runs, start=1))]


def _row(number: int, run: Run) -> tuple[str, ...]:
    figures = run.figures()
    setting, mark = run.setting, "!" if stamps(run) else ""
    times = [f"{figures[name]:.2f}" if figures else "-" for name in ("p90", "p50", "p99")]
    rates = run.streams
    rate = f"{max(rates.values()):.0f} (x{max(rates, key=lambda n: rates[n])})" if rates else "-"
    loads, firsts, peaks = (
        [getattr(one, name) for one in run.rounds] for name in ("load_ms", "first_ms", "rss_mb")
    )
    energy = run.energy_mj
    return (
        f"{number}{mark}", setting.name, run.precision, setting.runtime, setting.device,
        str(setting.threads or "-"), *times, rate, _first(loads), _first(firsts),
        f"{max(peaks):.0f}" if peaks else "-", f"{run.size_mb:.1f}",
        "-" if energy is None else f"{energy:.1f}",
    )  # fmt: skip


def _first(values: Sequence[float]) -> str:
    """Return the first round's: later ones find the file in memory."""
    return f"{values[0]:.0f}" if values else "-"


def stage_rows(report: Report, percent: str = "p50") -> list[tuple[str, ...]]:
    """Return a heading and, for each run, a percentile of every stage in milliseconds."""
    heading = ("", "model", "runtime", "device", "threads", *(s.replace("_", " ") for s in STAGES))
    found: list[tuple[str, ...]] = [heading]
    for number, run in enumerate(report.runs, start=1):
        setting = run.setting
        cells = [f"{run.figures(s)[percent]:.3f}" if run.rounds else "-" for s in STAGES]
        about = (setting.name, setting.runtime, setting.device, str(setting.threads or "-"))
        found.append((str(number), *about, *cells))
    return found


def notes(report: Report) -> list[str]:
    """Return what is to be known of each run: why it is not valid."""
    return [
        f"{number}! {text}"
        for number, run in enumerate(report.runs, start=1)
        for text in stamps(run)
    ]


def to_csv(report: Report) -> str:
    """Return a line for each run and stage: what was run, and min, p50, p90, p95 and p99."""
    names = ("min", *(f"p{percent}" for percent in PERCENTS))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("model", "sha256", "precision", "runtime", "device", "threads", "stage", "passes",
         *(f"{name}_ms" for name in names), "size_mb", "valid")
    )  # fmt: skip
    for run in report.runs:
        setting = run.setting
        for stage in STAGES if run.rounds else ():
            figures = run.figures(stage)
            writer.writerow(
                (setting.name, run.sha256, run.precision, setting.runtime, setting.device,
                 setting.threads or "", stage, len(run.samples(stage)),
                 *(f"{figures[name]:.4f}" for name in names), f"{run.size_mb:.3f}",
                 "no" if stamps(run) else "yes")
            )  # fmt: skip
    return out.getvalue()
