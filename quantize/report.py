"""What quantization did, as one HTML file: verdict, ladder, figures, speed, layers, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgecv import htmlpage as page
from edgecv.modelfile import size_of

from .card import SECTION, interval, lost, recipe_line, verdict_lines
from .contract import Outcome, Terms
from .drop import DRAWS, Comparison, compare, metrics_of
from .examples import Example
from .ladder import Step
from .pictures import Histogram, bars, overlay

if TYPE_CHECKING:
    from .sensitivity import LayerNoise

LISTED = 40
"""Layers that a report shows."""


@dataclass(frozen=True)
class Chapter:
    """What there is to say of one target.

    Attributes:
        outcome: What became of it.
        card: The verdict, as it travels in the model.
        latency: Median milliseconds of "float" and "int8", on one thread; empty where nobody knows.
        examples: Pictures as both models see them.
    """

    outcome: Outcome
    card: Mapping[str, Any]
    latency: Mapping[str, float]
    examples: Sequence[Example]


def report(
    title: str, chapters: Sequence[Chapter], *, terms: Terms, facts: Mapping[str, str]
) -> str:
    """Return the page.

    Args:
        title: What was quantized.
        chapters: One for each target.
        terms: What each had to hold to.
        facts: What a reader wants to know besides: the pictures, the versions.
    """
    parts = [page.heading(title, 1), page.table(_summary(chapters))]
    parts.append(page.paragraph(_how(terms), "note"))
    for chapter in chapters:
        parts += _chapter(chapter, terms)
    parts += [page.heading("What was used"), page.table([*facts.items()], head=False)]
    return page.page(title, parts)


def _summary(chapters: Sequence[Chapter]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("target", "contract", "figure", "float", "INT8", "drop", "", "size", "", "latency", "")
    ]
    for chapter in chapters:
        outcome = chapter.outcome
        found = outcome.comparison
        sizes = [size_of(file) for file in (outcome.source, outcome.made.file)]
        rows.append(
            (
                outcome.target,
                "held" if outcome.held else "BROKEN",
                found.metric,
                f"{found.before.value:.4f}",
                f"{found.after.value:.4f}",
                f"{found.drop.value:.2f} points",
                f"({interval(found.drop.low, found.drop.high)})",
                f"{sizes[0] / 1e3:.0f} to {sizes[1] / 1e3:.0f} kB",
                f"{sizes[1] / sizes[0]:.2f} x",
                *_speed(chapter.latency),
            )
        )
    return rows


def _speed(latency: Mapping[str, float]) -> tuple[str, str]:
    if not latency:
        return "not measured", ""
    before, after = latency["float"], latency["int8"]
    return f"{before:.2f} to {after:.2f} ms", f"{before / after:.2f} x as fast"


def _how(terms: Terms) -> str:
    wanted = "the upper end of its interval" if terms.sure else "the drop that was measured"
    return (
        f"The contract holds where {wanted} is at most {terms.max_drop:g} points (hundredths). "
        f"Intervals hold 95 % of {terms.draws} draws of the evaluation pictures, the same draws "
        "for both models; those of means over pictures reach as far from the figure as n pictures "
        "without a change leave open at least, about 3 / n (the rule of three). The recipe was "
        "chosen on these pictures too, where the ladder was climbed: the more rungs, the more a "
        "drop flatters. Latency: median of a call on one thread of this machine, both files in "
        "turns; an indication, not a benchmark."
    )


def _chapter(chapter: Chapter, terms: Terms) -> list[str]:
    outcome = chapter.outcome
    kind = "held" if outcome.held else "broken"
    lines = verdict_lines({SECTION: chapter.card})
    parts = [page.heading(outcome.target)]
    parts += [page.paragraph(line, kind if number < 2 else "") for number, line in enumerate(lines)]
    parts += [page.heading("What was tried", 3), page.table(_ladder(outcome.steps))]
    parts += [page.heading("Figures", 3), page.table(_figures(outcome, terms))]
    parts += _layers(outcome.noise)
    parts += _histograms(outcome.histograms)
    return parts + _examples(chapter.examples)


def _ladder(steps: Sequence[Step]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("rung", "INT8", "drop", "", "", "recipe")]
    for step in steps:
        recipe = recipe_line(step.recipe.to_dict())
        if step.comparison is None:
            rows.append((step.rung.name, "", "", f"skipped: {step.skipped}", "", ""))
            continue
        drop = step.comparison.drop
        rows.append(
            (
                step.rung.name,
                f"{step.comparison.after.value:.4f}",
                f"{drop.value:.2f}",
                f"({interval(drop.low, drop.high)})",
                "held" if step.holds else "too much",
                recipe,
            )
        )
    return rows


def _figures(outcome: Outcome, terms: Terms) -> list[tuple[str, ...]]:
    """Return all figures of both models, with intervals where they can be drawn."""
    before, after = outcome.before, outcome.made.evaluation
    rows: list[tuple[str, ...]] = [("figure", "float", "", "INT8", "", "change", "")]
    known = metrics_of(before)
    for name in dict.fromkeys((*known, *before.figures)):
        if name in known:
            found = outcome.comparison
            if name != found.metric:
                found = compare(before, after, metric=name, draws=min(terms.draws, DRAWS // 4))
            rows.append(_with_intervals(found))
        else:
            one, other = before.figures[name], after.figures[name]
            rows.append((name, f"{one:.4g}", "", f"{other:.4g}", "", "", ""))
    return rows


def _with_intervals(found: Comparison) -> tuple[str, ...]:
    one, other, drop = found.before, found.after, found.drop
    return (
        found.metric,
        f"{one.value:.4f}",
        f"({one.low:.4f} to {one.high:.4f})",
        f"{other.value:.4f}",
        f"({other.low:.4f} to {other.high:.4f})",
        lost(drop.value),
        f"({interval(drop.low, drop.high)})",
    )


def _layers(noise: Sequence[LayerNoise]) -> list[str]:
    if not noise:
        return []
    shown = noise[:LISTED]
    rows: list[tuple[str, ...]] = [("layer", "operator", "signal to noise", "float values")]
    rows += [
        (layer.name, layer.kind, f"{layer.sqnr_db:.1f} dB", _range(layer.float_range))
        for layer in shown
    ]
    more = f", the noisiest {LISTED} of {len(noise)}" if len(noise) > LISTED else ""
    return [
        page.heading(f"Layers by noise{more}", 3),
        page.paragraph(
            "What quantization adds to each layer's output, on calibration pictures: below 10 dB "
            "the noise is a third of the signal, and more. They are those of the best try without "
            "equalisation and training, which change what layers give.",
            "note",
        ),
        page.figure(bars([(layer.name, layer.sqnr_db) for layer in shown]), "signal to noise"),
        f"<details><summary>as a table</summary>{page.table(rows)}</details>",
    ]


def _range(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.4g} to {ends[1]:.4g}"


def _histograms(found: Sequence[Histogram]) -> list[str]:
    if not found:
        return []
    note = "Values of the noisiest layers: float as an area, INT8 as a line; heights by their root."
    figures = [page.figure(overlay(one), one.name) for one in found]
    return [page.heading("Values", 3), page.paragraph(note, "note"), *figures]


def _examples(found: Sequence[Example]) -> list[str]:
    if not found:
        return []
    parts = [page.heading("Pictures: float on the left, INT8 on the right", 3)]
    for example in found:
        pair = page.picture(example.before, "float") + " " + page.picture(example.after, "INT8")
        parts.append(page.figure(pair, example.title))
    return parts
