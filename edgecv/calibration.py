"""From comparisons whose truth is known to a threshold, and how sure one can be of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgecv.errors import DataError
from edgecv.types import Array

Z_95 = 1.959964
"""The normal distribution lies within plus or minus this at 95 %."""
MARGIN = 1e-6
"""How far above a cosine the threshold is put that refuses it: float32 sums are not sharper."""


class Rate(NamedTuple):
    """How often something happened, and between what its true rate lies with 95 % confidence.

    Attributes:
        errors: How often.
        trials: Of how many.
        low: The interval's lower end.
        high: Its upper end.
    """

    errors: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The observed rate; NaN where nothing was tried."""
        return self.errors / self.trials if self.trials else math.nan

    def __str__(self) -> str:
        return f"{self.value:.3%} (95 % interval {self.low:.3%} to {self.high:.3%})"


def wilson(errors: int, trials: int, *, z: float = Z_95) -> Rate:
    """Return a rate with its score interval.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22, 1927.

    Args:
        errors: How often it happened.
        trials: Of how many; of none, nothing is known.
        z: How many standard deviations to each side.

    Raises:
        ValueError: There are fewer than none, or more errors than trials.
    """
    if not 0 <= errors <= trials:
        raise ValueError(f"wanted 0 to {trials} errors, got {errors}")
    if not trials:
        return Rate(0, 0, 0.0, 1.0)
    rate, share = errors / trials, z * z / trials
    centre = rate + share / 2
    half = z * math.sqrt(rate * (1 - rate) / trials + share / (4 * trials))
    low = (centre - half) / (1 + share) if errors else 0.0
    high = (centre + half) / (1 + share) if errors < trials else 1.0
    return Rate(errors, trials, low, high)


def comparisons_needed(far: float) -> int:
    """Return how many comparisons of different people it takes to support a false accept rate.

    When none of n is wrongly accepted, the true rate is below 3 / n with 95 % confidence, as
    (1 - 3 / n)^n is about exp(-3), 5 %. Source: Hanley and Lippman-Hand, "If nothing goes wrong,
    is everything all right?", Journal of the American Medical Association 249, 1983.

    Raises:
        ValueError: `far` is not between 0 and 1.
    """
    if not 0 < far < 1:
        raise ValueError(f"a false accept rate lies between 0 and 1, got {far}")
    return math.ceil(round(3 / far, 6))


def stranger_accepted(far: float, people: int) -> float:
    """Return how often a stranger is taken for one of `people`, when each is wrong at rate `far`.

    The comparisons are taken for independent: 1 - (1 - far)^people.
    """
    return -math.expm1(people * math.log1p(-far)) if far < 1 else 1.0


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A threshold, and what it did on the comparisons that it was found with.

    Attributes:
        threshold: Cosines at or above it are taken for the same person.
        wanted_far: The false accept rate that was asked for.
        far: Different people who were taken for the same.
        frr: The same people who were not recognised.
        needed: How many comparisons of different people the wanted rate takes.
    """

    threshold: float
    wanted_far: float
    far: Rate
    frr: Rate
    needed: int

    @property
    def supported(self) -> bool:
        """Whether there were enough comparisons to speak of the wanted rate at all."""
        return self.far.trials >= self.needed and self.far.value <= self.wanted_far

    def statement(self, *, people: int | None = None) -> str:
        """Return in plain words what was measured, and how sure one can be of it.

        Args:
            people: How many people a face is compared with, for what that means to a stranger.
        """
        lines = [
            f"Threshold {self.threshold:.4f}, for a false accept rate of {self.wanted_far:.3%}.",
            f"Wrongly accepted: {self.far.errors} of {self.far.trials} comparisons of different "
            f"people, {self.far}.",
            _rejections(self.frr),
            self._support(),
        ]
        if people:
            value, high = (stranger_accepted(r, people) for r in (self.far.value, self.far.high))
            lines.append(
                f"With {people} people enrolled, a stranger is taken for one of them in "
                f"{value:.2%} of the tries as measured, {high:.2%} at the interval's upper end."
            )
        lines.append(
            "The intervals take every comparison for independent. Comparisons that share a person "
            "or a picture are not, so the truth is less certain than they say; and it holds for "
            "pictures like these alone: same cameras, same light, same kind of people."
        )
        return "\n".join(lines)

    def _support(self) -> str:
        if self.supported:
            return (
                f"There are enough comparisons: a rate of {self.wanted_far:.3%} takes {self.needed}"
                " (3 divided by the rate)."
            )
        if self.far.value > self.wanted_far:
            return (
                "The wanted rate is not reached: different names have the same face. Look for a "
                "person enrolled under two names."
            )
        return (
            f"There are too few comparisons to promise {self.wanted_far:.3%}: that takes "
            f"{self.needed} (3 divided by the rate), there are {self.far.trials}. Enrol more "
            "people or add pairs, or ask for a higher rate."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "threshold": self.threshold,
            "wanted_far": self.wanted_far,
            "supported": self.supported,
            "needed": self.needed,
            "far": self.far._asdict(),
            "frr": self.frr._asdict(),
        }


def _rejections(frr: Rate) -> str:
    if not frr.trials:
        return (
            "Wrongly rejected: not known, nobody has two pictures. Enrol several pictures of each "
            "person, or add pairs."
        )
    return f"Wrongly rejected: {frr.errors} of {frr.trials} comparisons of the same person, {frr}."


def calibrate(genuine: Array, impostor: Array, *, far: float) -> Calibration:
    """Find the lowest threshold that at most a part `far` of the impostors' comparisons passes.

    `Gallery.scores` gives both kinds from a gallery; `edgecv.evaluation.verification` gives them
    from a list of pairs. Where there are fewer than 1 / `far` comparisons of different people, the
    threshold lies just above the most similar of them. Both kinds may contain NaN, for a picture
    without a face: it is accepted by no threshold.

    Args:
        genuine: (G,): cosines of the same person; may be empty.
        impostor: (I,): cosines of different people.
        far: The wanted false accept rate, between 0 and 1.

    Raises:
        DataError: There is no comparison of different people.
        ValueError: `far` is not between 0 and 1, or a cosine is not within -1..1.
    """
    needed = comparisons_needed(far)
    same, different = _cosines("genuine", genuine), _cosines("impostor", impostor)
    if not len(different):
        raise DataError(
            "a threshold takes comparisons of different people, and there are none: enrol at least "
            "two people, or give pairs"
        )
    passing = math.floor(far * len(different) + 1e-9)
    at = len(different) - 1 - passing
    refused = float(np.partition(different, at)[at])
    threshold = min(refused + MARGIN, 1.0) if refused >= -1 else -1.0
    return Calibration(
        threshold=threshold,
        wanted_far=far,
        far=wilson(int((different >= threshold).sum()), len(different)),
        frr=wilson(int((same < threshold).sum()), len(same)),
        needed=needed,
    )


def plot(genuine: Array, impostor: Array, file: Path, *, title: str = "") -> None:
    """Draw the ROC curve of two kinds of cosines to `file`, .png or another of matplotlib's.

    Raises:
        DataError: There are fewer than two of a kind.
        PackageMissingError: matplotlib is not installed.
        OutputError: The file cannot be written.
    """
    from edgecv.evaluation import plots, verification

    similarity = np.concatenate((np.asarray(genuine, float), np.asarray(impostor, float)))
    same = np.arange(len(similarity)) < len(genuine)
    plots.roc_plot(verification.measure(similarity, same), file, title=title)


def _cosines(name: str, values: Array) -> Array:
    """Return cosines as float64, minus infinity in place of NaN."""
    cosines = np.asarray(values, np.float64)
    if cosines.ndim != 1 or (np.abs(cosines) > 1 + 1e-3).any():
        raise ValueError(f"{name}: wanted cosines (N,), -1..1, got {cosines.shape}")
    return np.where(np.isnan(cosines), -np.inf, cosines)
