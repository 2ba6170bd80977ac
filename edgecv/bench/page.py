"""A benchmark as one HTML file that needs nothing beside it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

import numpy as np

from edgecv import htmlpage as page
from edgecv.bench.measure import STAGES
from edgecv.bench.record import Report, Run
from edgecv.bench.tables import notes, rows, stage_rows
from edgecv.charts import COLORS, chart

WIDTH, BAR, NAMES = 760, 22, 330
SHARES = np.linspace(0, 100, 101)


def render(report: Report) -> str:
    """Return the page."""
    name = report.machine.get("board") or report.machine.get("architecture", "")
    parts = [
        page.heading(f"Latency on {name}", 1),
        page.table([*_facts(report).items()], head=False),
    ]
    if not report.complete:
        parts.append(page.paragraph("Not all was measured: the benchmark was stopped.", "broken"))
    parts += [page.table(rows(report)), page.paragraph(_HOW, "note")]
    parts += [page.paragraph(note, "broken") for note in notes(report)]
    measured = [run for run in report.runs if run.rounds]
    if measured:
        parts += [page.heading("Stages"), page.figure(_stages(measured), _STAGES_HOW)]
        parts.append(page.table(stage_rows(report)))
        parts.append(page.heading("Distribution"))
        parts += [_distribution(name, group) for name, group in _by_model(measured).items()]
        parts += _accuracies(measured)
    if "sustained" in report.extra:
        parts += _sustained(report.extra["sustained"])
    parts += [page.heading("Machine"), page.table(_machine(report), head=False)]
    return page.page(f"Latency on {name}", parts)


_HOW = (
    "Milliseconds from a picture's bytes to its result; p90 is the headline: nine of ten passes "
    "take no longer. Load and first result are of a process that has opened nothing before. "
    "A run that is marked ! is not valid, for the reasons below."
)
_STAGES_HOW = "The median of each stage, in milliseconds"


def _facts(report: Report) -> dict[str, str]:
    picture = report.picture
    return {
        "measured": f"{report.created} UTC, by edgecv {report.edgecv}",
        "picture": f"{picture.get('name')}, {picture.get('width')} x {picture.get('height')}",
        **({"notes": report.notes} if report.notes else {}),
    }


def _label(run: Run) -> str:
    setting = run.setting
    threads = f" x{setting.threads}" if setting.threads else ""
    return f"{setting.runtime} {setting.device}{threads}"


def _by_model(runs: Sequence[Run]) -> Mapping[str, list[Run]]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.setting.name, []).append(run)
    return groups


def _distribution(name: str, runs: Sequence[Run]) -> str:
    lines = {}
    for run in runs:
        times = np.percentile(run.samples(), SHARES)
        lines[_label(run)] = list(zip(times.tolist(), SHARES.tolist(), strict=True))
    return page.figure(chart(lines), f"{name}: per cent of passes that take at most so many ms")


def _stages(runs: Sequence[Run]) -> str:
    """Return a bar for each run, of the medians of its stages end to end."""
    medians = [[run.figures(stage)["p50"] for stage in STAGES[:-1]] for run in runs]
    most = max(sum(values) for values in medians) or 1.0
    parts = [
        f'<text x="{NAMES + 110 * i}" y="12" fill="{COLORS[i]}">{stage}</text>'
        for i, stage in enumerate(STAGES[:-1])
    ]
    for number, (run, values) in enumerate(zip(runs, medians, strict=True), start=1):
        parts += _bar(number * BAR, f"{run.setting.name[-30:]} {_label(run)}", values, most)
    height = (len(runs) + 1) * BAR + 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="sans-serif" font-size="11">{"".join(parts)}</svg>'
    )


def _bar(y: int, name: str, values: Sequence[float], most: float) -> list[str]:
    parts = [f'<text x="{NAMES - 6}" y="{y + 13}" text-anchor="end">{html.escape(name)}</text>']
    x = float(NAMES)
    for color, value in zip(COLORS, values, strict=False):
        width = (WIDTH - NAMES - 60) * value / most
        parts.append(
            f'<rect x="{x:.1f}" y="{y + 2}" width="{width:.1f}" height="{BAR - 6}" fill="{color}"/>'
        )
        x += width
    return [*parts, f'<text x="{x + 6:.1f}" y="{y + 13}">{sum(values):.2f}</text>']


def _accuracies(runs: Sequence[Run]) -> list[str]:
    """Return accuracy against latency, where accuracies are known."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        if run.accuracy is not None:
            groups.setdefault(run.metric, []).append(run)
    parts = [page.heading("Accuracy against latency")] if groups else []
    for metric, group in groups.items():
        points = {
            f"{number + 1}": [(run.figures()["p90"], run.accuracy or 0.0)]
            for number, run in enumerate(runs)
            if run in group
        }
        parts.append(page.figure(chart(points), f"{metric} against p90 in ms; numbers as above"))
    return parts


def _sustained(values: Mapping[str, Sequence[float | None]]) -> list[str]:
    parts = [page.heading("Burst and steady state")]
    seconds = values["seconds"]
    for name, unit in (("p50_ms", "ms"), ("temperature_c", "degrees C"), ("mhz", "MHz")):
        points = [(s, v) for s, v in zip(seconds, values[name], strict=True)
                  if s is not None and v is not None]  # fmt: skip
        if points:
            parts.append(page.figure(chart({unit: points}), f"{unit} by seconds"))
    return parts


def _machine(report: Report) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, value in report.machine.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        found.append((name, str(text)))
    return found
