"""Curves over the epochs as SVG text, for pages that need nothing beside them."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 480, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 24, 28
"""Pixels round the curves: for the numbers and the names."""
COLORS = ("#1f6fb4", "#d1622b", "#2d8a4e", "#8a4fa3", "#a3892b", "#4d4d4d")
TICKS = 5
LETTER = 6.5
"""Pixels that a letter takes."""

Points = Sequence[tuple[float, float]]


class Axis(NamedTuple):
    """Where numbers lie on paper.

    Attributes:
        low: The least number.
        high: The greatest.
        start: Where `low` is, in pixels.
        end: Where `high` is.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where a number is."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def chart(lines: Mapping[str, Points]) -> str:
    """Return lines over a common axis; points that are no numbers are left out.

    Args:
        lines: Points (x, y) by name, in the order of x.
    """
    kept = {
        name: [point for point in points if all(map(math.isfinite, point))]
        for name, points in lines.items()
    }
    everything = [point for points in kept.values() for point in points] or [(0.0, 0.0)]
    x = _axis([point[0] for point in everything], LEFT, WIDTH - RIGHT, whole=True)
    y = _axis([point[1] for point in everything], HEIGHT - BOTTOM, TOP, whole=False)
    parts = [*_grid_x(x), *_grid_y(y)]
    place = LEFT + 4.0
    for number, (name, points) in enumerate(kept.items()):
        color = COLORS[number % len(COLORS)]
        path = " ".join(f"{x(one):.1f},{y(other):.1f}" for one, other in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.8"/>')
        for one, other in points if len(points) < 30 else ():
            parts.append(f'<circle cx="{x(one):.1f}" cy="{y(other):.1f}" r="2.2" fill="{color}"/>')
        parts.append(_text(place, TOP - 9, name, "start", color))
        place += LETTER * len(name) + 16
    body = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12">{body}</svg>'
    )


def ticks(low: float, high: float) -> list[float]:
    """Return at most `TICKS` + 1 round numbers from `low` to `high`: multiples of 1, 2 or 5."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _axis(values: Sequence[float], start: float, end: float, *, whole: bool) -> Axis:
    low, high = min(values), max(values)
    if high - low < 1e-12 * max(abs(high), 1e-12):
        room = 1.0 if whole or not high else abs(high) / 2
        low, high = low - room, high + room
    room = 0.0 if whole else (high - low) * 0.05
    return Axis(low - room, high + room, start, end)


def _grid_x(x: Axis) -> list[str]:
    parts = []
    for value in ticks(x.low, x.high):
        if value == round(value):
            parts.append(_line(x(value), TOP, x(value), HEIGHT - BOTTOM))
            parts.append(_text(x(value), HEIGHT - BOTTOM + 16, f"{value:g}", "middle", "#555"))
    return parts


def _grid_y(y: Axis) -> list[str]:
    parts = []
    for value in ticks(y.low, y.high):
        parts.append(_line(LEFT, y(value), WIDTH - RIGHT, y(value)))
        text = f"{value:.4g}" if abs(value) > 1e-12 else "0"
        parts.append(_text(LEFT - 6, y(value) + 4, text, "end", "#555"))
    return parts


def _line(x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str, color: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}">'
        f"{html.escape(text)}</text>"
    )
