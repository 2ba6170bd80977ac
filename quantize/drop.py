"""What quantization cost: the drop of a figure from one model to another, and how sure that is.

Both models are measured on the same pictures, which are drawn again and again with replacement; on
each draw both figures are computed, and their difference. What hard pictures do to both cancels
out, so that the interval of the difference is far narrower than those of the figures themselves.
Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13 (percentile
intervals); the pairing is that of Koehn, "Statistical significance tests for machine translation
evaluation", 2004.

Pictures that all came out alike are alike in every draw, and say nothing of what was not among
them: n items without an event bound its rate to 1 - 0.05^(1/n), about 3 / n, with 95 % confidence
(the rule of three: Hanley and Lippman-Hand, "If Nothing Goes Wrong, Is Everything All Right?",
JAMA 249, 1983; Eypasch et al., "Probability of adverse events that have not yet occurred", BMJ 311,
1995). Each end of an interval of a rate of right items is at least that far from what was measured.
Other figures shift a little with every item: their ends are those of the draws, but where all of
these are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np

from edgecv.errors import DataError, unknown_name
from edgecv.evaluation import roc
from edgecv.evaluation.classification import ClassificationEvaluation
from edgecv.evaluation.detection import DetectionEvaluation
from edgecv.evaluation.face_detection import FaceDetectionEvaluation
from edgecv.evaluation.pose import PoseEvaluation
from edgecv.evaluation.record import Evaluation
from edgecv.evaluation.verification import VerificationEvaluation
from edgecv.types import Array

from .average_precision import mean_average_precision

DRAWS = 2000
LEVELS = (2.5, 97.5)
"""The percentiles between which 95 % of the draws lie."""
DIGITS = 6
"""Decimals of a drop: 3 pictures of 300 are 1 point, and not a rounding error more."""

SAME = 1e-9
"""Draws that differ by less are the same, but for rounding."""
RATES = frozenset(("accuracy", "top1", "top5"))
"""The figures that are parts of the items: each of these is right or wrong."""

Resample: TypeAlias = Callable[[Any, Array], Array]
"""What computes a figure of an evaluation, float64 (D,), for D rows of counts (D, items); NaN where
a row holds nothing to measure."""


class Interval(NamedTuple):
    """A figure and its 95 % interval, 0..1."""

    value: float
    low: float
    high: float


class Drop(NamedTuple):
    """What a figure lost, in points (hundredths), and the 95 % interval of that loss.

    Attributes:
        value: The figure before less the figure after; negative where it rose.
        low: The lower end of the interval.
        high: The upper end.
    """

    value: float
    low: float
    high: float


class Sample(NamedTuple):
    """A figure of one model, on all items and on draws of them.

    Attributes:
        metric: The figure's name, as evaluations call it.
        value: On all items, 0..1.
        drawn: On each draw, float64 (D,); NaN for a draw that held nothing to measure.
        items: How many items were drawn from: pictures, or pairs of faces.
    """

    metric: str
    value: float
    drawn: Array
    items: int


class Comparison(NamedTuple):
    """One figure of two models on the same data.

    Attributes:
        metric: The figure's name, as evaluations call it.
        before: Of the first model.
        after: Of the second.
        drop: What was lost from the first to the second.
        items: How many items were drawn from: pictures, or pairs of faces.
    """

    metric: str
    before: Interval
    after: Interval
    drop: Drop
    items: int


def compare(
    before: Evaluation,
    after: Evaluation,
    *,
    metric: str = "",
    draws: int = DRAWS,
    seed: int = 0,
) -> Comparison:
    """Compare two evaluations on the same data by one figure.

    Args:
        before: Of the first model, such as the float one.
        after: Of the second, on the same items in the same order.
        metric: A name of `metrics_of`; empty for the evaluation's main figure.
        draws: How often the items are drawn anew.
        seed: Of the draws: the same seed gives the same interval.

    Raises:
        UnknownNameError: The evaluations have no such figure, or none that can be resampled.
        DataError: The data hold nothing to measure the figure on.
        ValueError: The evaluations are of different kinds, or of different numbers of items.
    """
    if type(before) is not type(after):
        kinds = f"{type(before).__name__} and {type(after).__name__}"
        raise ValueError(f"wanted two evaluations of the same kind, got {kinds}")
    samples = [sample(one, metric=metric, draws=draws, seed=seed) for one in (before, after)]
    return difference(*samples)


def paired_drop(
    before: Evaluation,
    after: Evaluation,
    *,
    metric: str = "",
    draws: int = DRAWS,
    seed: int = 0,
) -> Drop:
    """Return what a figure lost from one evaluation to another; the arguments are `compare`'s."""
    return compare(before, after, metric=metric, draws=draws, seed=seed).drop


def sample(
    evaluation: Evaluation, *, metric: str = "", draws: int = DRAWS, seed: int = 0
) -> Sample:
    """Compute a figure on the items and on draws of them; the arguments are `compare`'s.

    Raises:
        UnknownNameError: The evaluation has no such figure, or none that can be resampled.
        DataError: The data hold nothing to measure the figure on.
    """
    name = metric_name(evaluation, metric)
    figure = METRICS[type(evaluation)][name]
    items = len(evaluation)
    value = float(figure(evaluation, np.ones((1, items)))[0])
    if np.isnan(value):
        raise DataError(f"the evaluation set holds nothing to measure {name} on")
    return Sample(name, value, figure(evaluation, drawn_counts(items, draws, seed)), items)


def difference(before: Sample, after: Sample) -> Comparison:
    """Compare two samples, made with the same seed on the same items.

    Raises:
        ValueError: They are of different figures, or of different numbers of items or draws.
    """
    kinds = [(one.metric, one.items, len(one.drawn)) for one in (before, after)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            "wanted two samples of one figure, of as many items and draws, got "
            + " and ".join(f"{draws} draws of {name} of {items}" for name, items, draws in kinds)
        )
    lost = before._replace(value=before.value - after.value, drawn=before.drawn - after.drawn)
    return Comparison(
        metric=before.metric,
        before=Interval(before.value, *_ends(before)),
        after=Interval(after.value, *_ends(after)),
        drop=Drop(*(round(100 * value, DIGITS) for value in (lost.value, *_ends(lost, -1.0)))),
        items=before.items,
    )


def drawn_counts(items: int, draws: int, seed: int) -> Array:
    """Return how often each item occurs in each draw of as many, float64 (draws, items)."""
    rng = np.random.default_rng(seed)
    out = np.empty((draws, items))
    for row in out:
        row[:] = np.bincount(rng.integers(0, items, items), minlength=items)
    return out


def metrics_of(evaluation: Evaluation) -> tuple[str, ...]:
    """Return the names of the figures of an evaluation that can be compared."""
    return tuple(METRICS.get(type(evaluation), {}))


def metric_name(evaluation: Evaluation, name: str) -> str:
    """Return a figure's own name for one in any case, or short: "ap50" is AP50, "oks" mean_oks.

    Args:
        evaluation: The evaluation that has to have it.
        name: What people call it; empty for the evaluation's main figure.

    Raises:
        UnknownNameError: There is no such figure, or it cannot be resampled.
    """
    known = metrics_of(evaluation)
    if not name:
        return evaluation.main
    wanted = SHORT.get(name.casefold(), name.casefold())
    for own in known:
        if own.casefold() == wanted:
            return own
    raise unknown_name(f"metric of a {_task(evaluation)}", name, known)


def _task(evaluation: Evaluation) -> str:
    return type(evaluation).__name__.removesuffix("Evaluation").lower()


def unseen(items: int) -> float:
    """Return the largest rate, 0..1, of what none of so many items showed: the rule of three."""
    return float(1 - 0.05 ** (1 / items))


def _ends(found: Sample, least: float = 0.0) -> tuple[float, float]:
    """Return the ends of the interval, `least` to 1, without draws that held nothing to measure.

    What all items showed alike is no surer than the rule of three allows.
    """
    known = found.drawn[~np.isnan(found.drawn)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = (float(end) for end in np.percentile(known, LEVELS))
    if found.metric in RATES or high - low < SAME:
        margin = unseen(found.items)
        low, high = min(low, found.value - margin), max(high, found.value + margin)
    return max(low, least), min(high, 1.0)


def _each(evaluation: Evaluation, counts: Array) -> Array:
    return np.array([evaluation.resample(row) for row in counts])


def _top5(evaluation: ClassificationEvaluation, counts: Array) -> Array:
    right = (evaluation.rank >= 0) & (evaluation.rank < 5)
    out: Array = counts @ right / counts.sum(axis=1)
    return out


def _ap(overlaps: slice) -> Resample:
    """Return the average precision over some of COCO's ten overlaps, 0.5, 0.55 ... 0.95."""

    def resample(evaluation: DetectionEvaluation, counts: Array) -> Array:
        return mean_average_precision(list(evaluation.matches.values()), counts, overlaps)

    return resample


def _tar(far: float) -> Resample:
    """Return the true accept rate at a false accept rate; NaN on a draw of pairs of one kind."""

    def one(evaluation: VerificationEvaluation, counts: Array) -> float:
        chosen = np.repeat(np.arange(len(counts)), counts.astype(np.int64))
        same = evaluation.same[chosen]
        if same.all() or not same.any():
            return float("nan")
        return roc.true_accept_rate(roc.roc(evaluation.similarity[chosen], same), far=far)

    def resample(evaluation: VerificationEvaluation, counts: Array) -> Array:
        return np.array([one(evaluation, row) for row in counts])

    return resample


SHORT: Mapping[str, str] = {"oks": "mean_oks", "map": "ap", "top-1": "top1", "top-5": "top5"}
"""What people call a figure, and its own name, in small letters."""

METRICS: Mapping[type[Evaluation], Mapping[str, Resample]] = cast(
    "Mapping[type[Evaluation], Mapping[str, Resample]]",
    {
        ClassificationEvaluation: {"top1": _each, "top5": _top5},
        DetectionEvaluation: {
            "AP": _ap(slice(None)),
            "AP50": _ap(slice(0, 1)),
            "AP75": _ap(slice(5, 6)),
        },
        FaceDetectionEvaluation: {"ap": _each},
        PoseEvaluation: {"mean_oks": _each},
        VerificationEvaluation: {
            "accuracy": _each,
            "tar@1e-2": _tar(1e-2),
            "tar@1e-3": _tar(1e-3),
        },
    },
)
"""The figures of each kind of evaluation that a contract can be made on, the main one first."""
