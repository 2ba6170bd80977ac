"""The range that a tensor's numbers get for their 256 steps, chosen on calibration pictures.

All that lies outside is cut off: a narrow range has finer steps, a wide one cuts off less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from edgecv.progress import Report, silent
from edgecv.types import Array

from .recipe import QuantRecipe

BINS = 2048
LEVELS = 256
SHRINKS = np.linspace(1.0, 0.1, 46)
"""By which factors the ends of a range are tried nearer to zero."""

_Key = TypeVar("_Key")


class Range(NamedTuple):
    """The least and the greatest number."""

    low: float
    high: float


Run = Callable[[Array], Mapping[_Key, Array]]
"""Runs a network on one tensor and gives what is within it, by a key."""


def find_ranges(
    run: Run[_Key], tensors: Sequence[Array], recipe: QuantRecipe, *, report: Report = silent
) -> dict[_Key, Range]:
    """Return a range for each tensor of a network, by the recipe's method.

    Args:
        run: Runs the float network.
        tensors: What it is run on.
        recipe: The method, and its percentile.
        report: Told how far it is.
    """
    rounds = 1 if recipe.ranges == "minmax" else 2
    found = _extremes(run, tensors, lambda done: report(done, rounds * len(tensors)))
    if rounds == 1:
        return found
    counts = {key: np.zeros(BINS, np.int64) for key in found}
    for done, tensor in enumerate(tensors, len(tensors) + 1):
        for key, values in run(tensor).items():
            counts[key] += histogram(values, found[key])
        report(done, rounds * len(tensors))
    return {key: choose(counts[key], span, recipe) for key, span in found.items()}


def _extremes(
    run: Run[_Key], tensors: Sequence[Array], report: Callable[[int], None]
) -> dict[_Key, Range]:
    found: dict[_Key, Range] = {}
    for done, tensor in enumerate(tensors, 1):
        for key, values in run(tensor).items():
            low, high = float(values.min()), float(values.max())
            was = found.get(key, Range(low, high))
            found[key] = Range(min(low, was.low), max(high, was.high))
        report(done)
    return found


def histogram(values: Array, span: Range) -> Array:
    """Return how many numbers lie in each of `BINS` equal parts of a range."""
    width = (span.high - span.low) or 1.0
    places = (values.ravel() - np.float32(span.low)) * np.float32(BINS / width)
    return np.bincount(np.clip(places.astype(np.int32), 0, BINS - 1), minlength=BINS)


def choose(counts: Array, span: Range, recipe: QuantRecipe) -> Range:
    """Return the range that a method takes, at most the one that there is.

    Args:
        counts: int64 (BINS,): how many numbers lie in each part of the range.
        span: The least and the greatest number.
        recipe: The method.
    """
    if span.high <= span.low:
        return span
    if recipe.ranges == "percentile":
        return _percentile(counts, span, recipe.percentile)
    if recipe.ranges == "mse":
        return _least(counts, span, _squared_error)
    if recipe.ranges == "entropy":
        return _least(counts, span, _divergence)
    return span


def _percentile(counts: Array, span: Range, percentile: float) -> Range:
    """Cut off the same part of the numbers at either end."""
    edges = np.linspace(span.low, span.high, BINS + 1)
    part = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    tail = (100 - percentile) / 200
    low, high = np.interp([tail, 1 - tail], part, edges)
    return Range(float(low), float(high))


def _least(counts: Array, span: Range, cost: Callable[[Array, Array, Array], float]) -> Range:
    """Move one end after the other towards zero, to where the cost is least; twice."""
    low, high = min(span.low, 0.0), max(span.high, 0.0)
    width = (span.high - span.low) / BINS
    centres = span.low + (np.arange(BINS) + 0.5) * width
    filled = counts > 0
    weights, values = counts[filled] / counts.sum(), centres[filled]

    def costs(lows: Array, highs: Array) -> Array:
        pairs = zip(*np.broadcast_arrays(lows, highs), strict=True)
        return np.array([cost(weights, values, np.array(pair)) for pair in pairs])

    best = Range(low, high)
    for _ in range(2):
        if high > 0:
            tried = high * SHRINKS
            best = best._replace(high=float(tried[costs(np.array(best.low), tried).argmin()]))
        if low < 0:
            tried = low * SHRINKS
            best = best._replace(low=float(tried[costs(tried, np.array(best.high)).argmin()]))
    return best


def _squared_error(weights: Array, values: Array, ends: Array) -> float:
    """Return the mean squared error of rounding to `LEVELS` steps and cutting off."""
    step = (ends[1] - ends[0]) / (LEVELS - 1)
    zero = np.rint(-ends[0] / step)
    rounded = (np.clip(np.rint(values / step) + zero, 0, LEVELS - 1) - zero) * step
    within = np.abs(rounded - values) <= step  # what a step hides is spread over it evenly
    error = np.where(within, step**2 / 12, (rounded - values) ** 2)
    return float((weights * error).sum())


def _divergence(weights: Array, values: Array, ends: Array) -> float:
    """Return what is lost of the distribution by the steps, as Kullback and Leibler measure it.

    What is cut off counts at the ends of the distribution that is to be kept, and not in the one
    that the steps give (S. Migacz, "8-bit inference with TensorRT", GTC 2017).
    """
    inside = (values >= ends[0]) & (values <= ends[1])
    if not inside.any():
        return np.inf
    places = np.clip((values - ends[0]) / (ends[1] - ends[0]) * LEVELS, 0, LEVELS - 1).astype(int)
    kept = np.where(inside, weights, 0.0)
    sums = np.bincount(places, kept, LEVELS)
    sizes = np.bincount(places, inside, LEVELS)
    given = (sums / np.maximum(sizes, 1))[places[inside]]
    wanted = kept[inside].copy()
    wanted[0] += weights[values < ends[0]].sum()
    wanted[-1] += weights[values > ends[1]].sum()
    some = (wanted > 0) & (given > 0)
    return float((wanted[some] * np.log(wanted[some] * given.sum() / given[some])).sum())
