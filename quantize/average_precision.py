"""COCO's average precision on thousands of draws of the same pictures at once.

`edgecv.evaluation` computes it for one draw; here the ranked answers become matrices, so that all
draws are two products of them. The values are the same.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecv.evaluation.coco import Matches
from edgecv.types import Array

_RECALLS = np.linspace(0.0, 1.0, 101)
_BLOCK = 200  # draws at a time: what they need stays in the processor's cache


def mean_average_precision(
    matches: Sequence[Matches], counts: Array, overlaps: slice = slice(None)
) -> Array:
    """Return the mean average precision of the categories that occur in each draw.

    Args:
        matches: How the answers of each category fared.
        counts: float64 (D, I): how often picture i occurs in each of D draws.
        overlaps: Which of the overlaps count.

    Returns:
        float64 (D,); NaN for a draw in which nothing is to be found.
    """
    total, categories = np.zeros(len(counts)), np.zeros(len(counts))
    for match in matches:
        positives = counts @ match.positives
        occurs = positives > 0
        total += np.where(occurs, _category(match, counts, positives, overlaps), 0.0)
        categories += occurs
    known = categories > 0
    return np.where(known, total / np.maximum(categories, 1), np.nan)


def _category(match: Matches, counts: Array, positives: Array, overlaps: slice) -> Array:
    rights, wrongs = match.right[overlaps], match.wrong[overlaps]
    out = np.zeros(len(counts))
    for right, wrong in zip(rights, wrongs, strict=True):
        places = np.flatnonzero(right)  # precision is highest at these, and recall grows at them
        if not len(places):
            continue
        up_to = [_up_to(places, which, match.image, counts.shape[1]) for which in (right, wrong)]
        for start in range(0, len(counts), _BLOCK):
            rows = slice(start, start + _BLOCK)
            hits, misses = (counts[rows] @ table for table in up_to)
            out[rows] += _area(hits, misses, positives[rows])
    return out / max(len(rights), 1)


def _up_to(places: Array, which: Array, image: Array, images: int) -> Array:
    """Return how many of the answers `which` are on each picture up to each place, (I, places)."""
    chosen = np.flatnonzero(which)
    first = np.searchsorted(places, chosen)
    within = first < len(places)
    table = np.zeros((images, len(places)))
    np.add.at(table, (image[chosen[within]], first[within]), 1.0)
    out: Array = np.cumsum(table, axis=1)
    return out


def _area(hits: Array, misses: Array, positives: Array) -> Array:
    """Return the mean over 101 recalls of the best precision there or beyond, for each row."""
    recall = hits / np.maximum(positives, 1)[:, None]
    precision = hits / np.maximum(hits + misses, 1)
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    reached = np.searchsorted(_RECALLS, recall, side="right")
    new = np.diff(reached, axis=1, prepend=0)
    out: Array = (best * new).sum(axis=1) / len(_RECALLS)
    return out
