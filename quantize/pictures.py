"""Bars and histograms as SVG text, for pages that need nothing beside them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgecv.types import Array

WIDTH, BAR = 760, 16
NAMES = 330
"""Pixels that are kept for names."""
BAD, POOR = 10.0, 20.0
"""Decibels below which a layer's noise is drawn as bad, and as poor: a third and a tenth of the
signal."""
COLORS = {"bad": "#b3261e", "poor": "#c77700", "good": "#2d6f9e"}
BINS = 64
INK = "#555"


class Histogram(NamedTuple):
    """What values a layer's output takes in two models.

    Attributes:
        name: The layer.
        edges: float64 (B + 1,).
        before: Parts of the float model's values, float64 (B,).
        after: Parts of the quantized one's.
    """

    name: str
    edges: Array
    before: Array
    after: Array


def histogram(name: str, before: Array, after: Array, *, bins: int = BINS) -> Histogram:
    """Count the values of a layer in two models, on common bins."""
    low = float(min(before.min(), after.min()))
    high = float(max(before.max(), after.max()))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    parts = [np.histogram(values, edges)[0] / values.size for values in (before, after)]
    return Histogram(name, edges, *parts)


def bars(rows: Sequence[tuple[str, float]]) -> str:
    """Return a bar of decibels for each layer.

    Args:
        rows: Names and signal-to-noise ratios; infinity for a layer without noise.
    """
    known = [value for _, value in rows if np.isfinite(value)]
    most = max([*known, 1.0])
    lines = []
    for number, (name, value) in enumerate(rows):
        y = number * BAR
        length = (WIDTH - NAMES - 60) * min(max(value, 0.0), most) / most
        color = COLORS["bad" if value < BAD else "poor" if value < POOR else "good"]
        lines.append(_text(NAMES - 6, y + 12, _shortened(name), "end"))
        lines.append(
            f'<rect x="{NAMES}" y="{y + 2}" width="{max(length, 1):.1f}" height="{BAR - 4}" '
            f'fill="{color}"/>'
        )
        text = f"{value:.1f} dB" if np.isfinite(value) else "exact"
        lines.append(_text(NAMES + length + 6, y + 12, text, "start"))
    return _svg(WIDTH, len(rows) * BAR + 4, lines)


def overlay(found: Histogram) -> str:
    """Return both histograms of a layer over each other: float as an area, INT8 as a line."""
    width, height, foot = 360, 150, 18
    most = float(max(found.before.max(), found.after.max(), 1e-12))
    root = np.sqrt  # rare values are those that ranges are about: a linear scale hides them
    xs = np.linspace(0, width, len(found.before) + 1)
    floor = height - foot
    area, line = (
        " ".join(
            f"{x:.1f},{floor - root(part / most) * (floor - 4):.1f}"
            for part, left, right in zip(parts, xs[:-1], xs[1:], strict=True)
            for x in (left, right)
        )
        for parts in (found.before, found.after)
    )
    return _svg(
        width,
        height,
        [
            f'<polygon points="0,{floor} {area} {width},{floor}" fill="#9cc3de"/>',
            f'<polyline points="{line}" fill="none" stroke="{COLORS["bad"]}" stroke-width="1.2"/>',
            _text(0, height - 4, f"{found.edges[0]:.4g}", "start"),
            _text(width, height - 4, f"{found.edges[-1]:.4g}", "end"),
        ],
    )


def _shortened(name: str) -> str:
    return name if len(name) <= 48 else f"...{name[-45:]}"


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{INK}">'
        f"{html.escape(text)}</text>"
    )


def _svg(width: int, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" font-family="sans-serif" font-size="11">{"".join(parts)}</svg>'
    )
