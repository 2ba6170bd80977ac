"""Whether one benchmark is faster than another, by the raw samples of both.

Samples of one process lie close together and drift together, so that a test which takes each for a
fresh draw (Mann-Whitney's, say) calls two runs of the same thing different. What repeats are the
rounds: each is a process of its own. The logarithm of the median of each round is a value, Welch's
t-test (B. L. Welch, Biometrika 34, 1947) gives the interval of their difference; a bootstrap of
the samples within the rounds (in blocks, as neighbours resemble each other) gives a spread that it
never falls below. Of fewer than three rounds, how they differ is assumed. Differences below a
margin are none. What shifts a whole benchmark, such as another hour's heat, no round can show: two
settings are best compared within one benchmark, whose rounds are in turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgecv.bench.record import Report, Run
from edgecv.errors import DataError
from edgecv.types import Array

MARGIN = 0.03
"""The least part of a latency that counts as a difference."""
BLOCK, DRAWS = 10, 400
LEAST_ROUNDS = 3
PARTS = 5
"""Into how many parts a run of fewer rounds is cut: they know nothing of other processes."""
DRIFT = 0.02
"""By how much processes of one setting are then taken to differ: a part, a standard deviation."""
BLUNT = 0.10
"""An interval this wide either way would have missed a difference that matters."""

# Student's t, two-sided 99 %, by degrees of freedom (NIST/SEMATECH e-Handbook, 1.3.6.7.2). With
# 95 %, the same setting is called different in one of twenty pairs by chance alone.
_T99 = (
    63.657, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355, 3.250, 3.169,
    3.106, 3.055, 3.012, 2.977, 2.947, 2.921, 2.898, 2.878, 2.861, 2.845,
)  # fmt: skip
_T99_MANY = 2.845


@dataclass(frozen=True)
class Verdict:
    """How the second of two runs compares to the first.

    Attributes:
        before: The first run.
        after: The second.
        percent: The percentile that was compared.
        ratio: The second's time by the first's; below 1 where it is faster.
        low: The lower end of the 99 % interval of that.
        high: The upper end.
        word: "faster", "slower" or "no difference".
        blunt: Whether the interval is so wide that a difference of a tenth may have been missed.
    """

    before: Run
    after: Run
    percent: int
    ratio: float
    low: float
    high: float
    word: str
    blunt: bool

    def __str__(self) -> str:
        size = f"{self.ratio - 1:+.1%} ({self.low - 1:+.1%} to {self.high - 1:+.1%})"
        hint = "; too noisy to see a tenth" if self.blunt and self.word == "no difference" else ""
        return f"{self.word}, {size}{hint}"


def compare(
    before: Run, after: Run, *, stage: str = "end_to_end", percent: int = 50,
    margin: float = MARGIN, seed: int = 0,
) -> Verdict:  # fmt: skip
    """Compare a stage of two runs.

    Args:
        before: The run to compare with.
        after: The run in question.
        stage: One of `edgecv.bench.measure.STAGES`.
        percent: The percentile: 50 for the usual pass, 90 for the slow ones.
        margin: Parts below which a difference is none.
        seed: Of the bootstrap.

    Raises:
        DataError: One of them has too few samples.
    """
    rng = np.random.default_rng(seed)
    one, other = (_Level(run, stage, percent, rng) for run in (before, after))
    gap = other.mean - one.mean
    room = _t99(_freedom(one, other)) * math.sqrt(one.error2 + other.error2)
    low, high = math.exp(gap - room), math.exp(gap + room)
    ratio = math.exp(gap)
    word = "no difference"
    if low > 1 and ratio > 1 + margin:
        word = "slower"
    elif high < 1 and ratio < 1 / (1 + margin):
        word = "faster"
    blunt = room > math.log(1 + BLUNT)
    return Verdict(before, after, percent, ratio, low, high, word, blunt)


class _Level:
    """The level of a run: mean and squared error of the logarithm of a percentile."""

    def __init__(self, run: Run, stage: str, percent: int, rng: np.random.Generator) -> None:
        rounds, drift2 = _rounds(run, stage)
        values = np.log([np.percentile(samples, percent) for samples in rounds])
        self.count = len(values)
        self.mean = float(values.mean())
        within = np.mean([_spread2(samples, percent, rng) for samples in rounds])
        between = float(values.var(ddof=1))
        self.error2 = max(between, float(within)) / self.count + drift2


def _spread2(samples: Array, percent: int, rng: np.random.Generator) -> float:
    """Return the variance of the logarithm of a percentile, by a bootstrap of blocks."""
    size = max(1, min(BLOCK, len(samples) // 5))
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    picked = blocks[rng.integers(len(blocks), size=(DRAWS, len(blocks)))].reshape(DRAWS, -1)
    return float(np.log(np.percentile(picked, percent, axis=1)).var())


def _freedom(one: _Level, other: _Level) -> float:
    """Return the degrees of freedom (Welch-Satterthwaite)."""
    whole = (one.error2 + other.error2) ** 2
    parts = sum(level.error2**2 / (level.count - 1) for level in (one, other))
    return whole / parts if parts else math.inf


def _t99(freedom: float) -> float:
    """Return Student's t for any number of degrees: between those of the table, by the inverse."""
    if freedom >= len(_T99):
        return _T99_MANY
    steps = -1 / np.arange(1, len(_T99) + 1)
    return float(np.interp(-1 / max(freedom, 1.0), steps, _T99))


def _rounds(run: Run, stage: str) -> tuple[list[Array], float]:
    """Return the samples of each round, and what they do not show of the error of their mean.

    Of few rounds, these are the samples of parts of all of them, and `DRIFT` is not shown.
    """
    kept = [one.samples_ms[stage] for one in run.rounds if len(one.samples_ms[stage]) >= PARTS]
    if len(kept) >= LEAST_ROUNDS:
        return kept, 0.0
    whole = run.samples(stage)
    if len(whole) < PARTS**2:
        raise DataError(
            f"{run.setting}: wanted {PARTS**2} samples or more, got {len(whole)}; "
            "measure longer (--seconds, --count)"
        )
    return np.array_split(whole, PARTS), DRIFT**2 / len(run.rounds)


def pairs(before: Report, after: Report) -> Iterator[tuple[Run, Run]]:
    """Yield the runs of two reports that are of the same setting, or the only ones of a model.

    Raises:
        DataError: The reports have no model in common, or files of one name that differ.
    """
    found = 0
    for run in after.runs:
        partner = _partner(run, before)
        if partner is None or not (run.rounds and partner.rounds):
            continue
        if partner.sha256 != run.sha256:
            raise DataError(
                f"{run.setting.name} is another file in each benchmark (sha256 "
                f"{partner.sha256[:12]} and {run.sha256[:12]}): compare the same model"
            )
        found += 1
        yield partner, run
    if not found:
        raise DataError(
            f"nothing to compare: the first has {_listed(before)}, the second {_listed(after)}"
        )


def _partner(run: Run, report: Report) -> Run | None:
    def key(one: Run) -> tuple[str, str, str, int]:
        setting = one.setting
        return setting.name, setting.runtime, setting.device, setting.threads

    same = next((one for one in report.runs if key(one) == key(run)), None)
    if same is not None:
        return same
    alike = [one for one in report.runs if one.sha256 == run.sha256]
    return alike[0] if len(alike) == 1 else None


def _listed(report: Report) -> str:
    return "; ".join(str(run.setting) for run in report.runs) or "nothing"
