"""How well a similarity tells same from different: ROC curve, equal error rate, thresholds.

A pair is taken for the same when its similarity is at or above a threshold. A similarity of NaN
stands for a pair that could not be compared: it is never taken for the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgecv.types import Array


class Roc(NamedTuple):
    """The trade between wrong and right acceptances, by falling threshold.

    Attributes:
        far: float64 (P,), the false accept rate: part of the different pairs that are accepted.
        tar: float64 (P,), the true accept rate: part of the same pairs that are accepted.
        thresholds: float64 (P,): infinity, every similarity that occurs, minus infinity.
    """

    far: Array
    tar: Array
    thresholds: Array


def roc(similarity: Array, same: Array) -> Roc:
    """Return the ROC curve from (0, 0), nothing accepted, to (1, 1), everything accepted.

    Args:
        similarity: (N,), NaN for a pair that could not be compared.
        same: bool (N,).

    Raises:
        ValueError: There are no pairs of one of the two kinds.
    """
    same = np.asarray(same, bool)
    if not same.any() or same.all():
        raise ValueError(f"wanted pairs of both kinds, got {int(same.sum())} same of {len(same)}")
    known = ~np.isnan(similarity)
    levels, which = np.unique(-similarity[known], return_inverse=True)
    accepted = np.bincount(which, weights=same[known], minlength=len(levels))
    wrongly = np.bincount(which, weights=~same[known], minlength=len(levels))
    return Roc(
        np.concatenate(([0.0], np.cumsum(wrongly) / (~same).sum(), [1.0])),
        np.concatenate(([0.0], np.cumsum(accepted) / same.sum(), [1.0])),
        np.concatenate(([np.inf], -levels, [-np.inf])),
    )


def true_accept_rate(curve: Roc, *, far: float) -> float:
    """Return the best true accept rate at a false accept rate of at most `far`."""
    return float(curve.tar[curve.far <= far].max())


def equal_error_rate(curve: Roc) -> float:
    """Return the rate at which wrong acceptances and wrong rejections are equally frequent.

    Between two points of the curve it is interpolated linearly.
    """
    gap = curve.far - (1 - curve.tar)
    after = int(np.argmax(gap >= 0))  # the last point, (1, 1), always is
    before = after - 1
    part = -gap[before] / (gap[after] - gap[before])
    return float(curve.far[before] + part * (curve.far[after] - curve.far[before]))


def best_threshold(similarity: Array, same: Array) -> float:
    """Return the threshold that judges most pairs rightly.

    It lies half way between two similarities that occur; where several are equally good, it is the
    middle one of them. Where to accept nothing is best, it is infinity.

    Args:
        similarity: (N,), NaN for a pair that could not be compared.
        same: bool (N,).
    """
    known = ~np.isnan(similarity)
    levels, which = np.unique(similarity[known], return_inverse=True)
    if not len(levels):
        return float("inf")
    gain = np.bincount(which, weights=np.where(same[known], 1.0, -1.0))
    right = np.append(
        np.cumsum(gain[::-1])[::-1], 0.0
    )  # of a threshold below level i, or above all
    best = np.flatnonzero(right == right.max())
    chosen = int(best[(len(best) - 1) // 2])
    if chosen == len(levels):
        return float("inf")
    return float(levels[chosen] if chosen == 0 else (levels[chosen - 1] + levels[chosen]) / 2)


def fold_judgements(similarity: Array, same: Array, *, folds: int = 10) -> tuple[Array, Array]:
    """Judge every pair by the threshold that is best on the other folds.

    Same and different pairs are dealt to the folds in turn, each kind by itself, so that every
    fold has its share of both. Source: the protocol of Huang et al., "Labeled Faces in the Wild",
    2007.

    Args:
        similarity: (N,), NaN for a pair that could not be compared.
        same: bool (N,).
        folds: How many parts; at least 2.

    Returns:
        Whether each pair was judged rightly, bool (N,), and the folds' thresholds (folds,).
    """
    same = np.asarray(same, bool)
    fold = np.where(same, np.cumsum(same) - 1, np.cumsum(~same) - 1) % folds
    thresholds = np.array(
        [best_threshold(similarity[fold != f], same[fold != f]) for f in range(folds)]
    )
    accepted = similarity >= thresholds[fold]
    return accepted == same, thresholds
