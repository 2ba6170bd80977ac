"""The accuracy contract: a quantized model that lost more than allowed is not let out.

The float file and the quantized one are run by the runtime that they are for, on the same labelled
pictures. Where the drop is larger than the terms allow, the ladder is climbed; where nothing holds,
the best try is kept for the report, and the caller is told that the contract is broken.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from edgecv.errors import EdgeCVError
from edgecv.evaluation.classification import ClassificationEvaluation
from edgecv.evaluation.record import Evaluation
from edgecv.progress import Report, silent
from edgecv.types import Array

from . import QUANTIZERS, SUFFIXES
from .drop import DRAWS, Comparison, Sample, difference, sample, unseen
from .faults import Look
from .ladder import RESCUES, Rung, Step, best_of, climb
from .recipe import QuantRecipe

if TYPE_CHECKING:
    from .pictures import Histogram
    from .sensitivity import LayerNoise

log = logging.getLogger(__name__)

LOOKED_AT = 8
"""Pictures by which layers are compared."""
LISTED = 4
"""Layers whose values are counted."""
FEW = 100
"""With fewer items, what none of them shows may happen on 3 % of others, and more (`unseen`)."""
GUESSING = 1.5
"""A classifier that is right no more often than this many times what guessing is."""


@dataclass(frozen=True)
class Terms:
    """What a quantized model may lose.

    Attributes:
        max_drop: Points (hundredths) that the figure may fall.
        metric: The figure, a name of `edgecv.quantize.drop.metrics_of`; empty for the task's main.
        sure: Whether the upper end of the 95 % interval has to hold too, and not only what was
            measured: with 300 pictures that end is a point or two higher.
        draws: How often the pictures are drawn anew for the interval.
        seed: Of the draws.
    """

    max_drop: float = 1.0
    metric: str = ""
    sure: bool = False
    draws: int = DRAWS
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse terms that nothing could be held to."""
        if not (math.isfinite(self.max_drop) and self.max_drop >= 0):
            raise ValueError(f"the largest drop is in points, 0 or more, got {self.max_drop}")
        if self.draws < 1:
            raise ValueError(f"draws counts from 1, got {self.draws}")

    def hold(self, comparison: Comparison) -> bool:
        """Tell whether a drop is within the terms."""
        drop = comparison.drop
        return (drop.high if self.sure else drop.value) <= self.max_drop

    def sample(self, evaluation: Evaluation) -> Sample:
        """Draw the terms' figure from an evaluation."""
        return sample(evaluation, metric=self.metric, draws=self.draws, seed=self.seed)


class Tools(NamedTuple):
    """What the contract is carried out with.

    Attributes:
        calibrate: Gives a recipe's calibration tensors.
        evaluate: Runs a model file on the labelled pictures, by the runtime it is for.
        train: Trains the network for quantization and writes the quantized file; raises an
            `EdgeCVError` where that cannot be done here.
        tell: Is told of every step when it is done.
        progress: Shows how far the work is that it is given the name of; nothing does by default.
        inspect: Whether the layers are looked at even where the contract holds at once.
        classes: How many a classifier tells apart; 0 for those of the pictures.
    """

    calibrate: Callable[[QuantRecipe], Sequence[Array]]
    evaluate: Callable[[Path], Evaluation]
    train: Callable[[Path, QuantRecipe], None]
    tell: Callable[[Step], None]
    progress: Callable[[str], AbstractContextManager[Report]] = lambda label: nullcontext(silent)
    inspect: bool = True
    classes: int = 0


class Made(NamedTuple):
    """A quantized file and what it is worth."""

    file: Path
    evaluation: Evaluation


@dataclass(frozen=True)
class Outcome:
    """What became of one target.

    Attributes:
        target: The format.
        source: The float32 file.
        made: The best quantized file, which is not to be let out where `held` is false.
        before: The float model's evaluation.
        steps: What was tried, in order.
        best: The step that made the file.
        held: Whether it is within the terms.
        noise: The layers, the noisiest first; empty where nobody looked. They are those of the
            best file whose layers can be compared with the float ones: not trained for, and without
            equalisation.
        histograms: The values of the noisiest ones; empty where nobody looked.
    """

    target: str
    source: Path
    made: Made
    before: Evaluation
    steps: tuple[Step, ...]
    best: Step
    held: bool
    noise: tuple[LayerNoise, ...] = ()
    histograms: tuple[Histogram, ...] = ()

    @property
    def comparison(self) -> Comparison:
        """The figure of the float model and of the best quantized one."""
        if self.best.comparison is None:
            raise ValueError("the best step is one that was tried")
        return self.best.comparison


def fulfil(
    target: str,
    source: Path,
    folder: Path,
    *,
    recipe: QuantRecipe,
    terms: Terms,
    tools: Tools,
    rungs: Sequence[Rung] = RESCUES,
) -> Outcome:
    """Quantize a float32 file within the terms, or find out what is at fault.

    Args:
        target: The format, a name of `QUANTIZERS`.
        source: The float32 file of that format.
        folder: Where the tries are written to; it is the caller's to throw away.
        recipe: What is tried first.
        terms: What may be lost.
        tools: What is measured with.
        rungs: What is tried when the recipe does not hold; none to let it be at that.

    Raises:
        UnknownNameError: No such format, or the evaluation has no such figure.
        DataError: The calibration or the evaluation pictures are not what they should be.
        EdgeCVError: The recipe could not be carried out.
    """
    tries = _Tries(target, source, folder, tools, QUANTIZERS.load(target))
    before = tools.evaluate(source)
    reference = terms.sample(before)
    for text in doubts(before, reference, classes=tools.classes):
        log.warning("%s: %s", target, text)

    def attempt(rung: Rung, changed: QuantRecipe) -> Comparison:
        return difference(reference, terms.sample(tries.add(rung, changed).evaluation))

    def suspects(rung: Rung, step: Step) -> tuple[str, ...]:
        return tries.look(steps).at_fault(rung.worst)

    steps: list[Step] = []
    for step in climb(recipe, rungs, attempt=attempt, holds=terms.hold, suspects=suspects):
        tools.tell(step)
        steps.append(step)
    return tries.outcome(before, steps)


def doubts(before: Evaluation, reference: Sample, *, classes: int = 0) -> list[str]:
    """Return why a contract on a float model says little or nothing, a line each.

    Args:
        before: The float model's evaluation.
        reference: The figure that the contract is on.
        classes: How many a classifier tells apart; 0 for those of the pictures.
    """
    found = []
    if reference.items < FEW:
        found.append(
            f"measured on {reference.items} items, and what none of them shows may happen on "
            f"{100 * unseen(reference.items):.0f} % of others: {FEW} or more are better"
        )
    if fault := _guesses(before, reference, classes):
        found.append(
            f"THE CONTRACT SAYS NOTHING: the float model's {reference.metric} is "
            f"{reference.value:.4f}, {fault}. Check the model, its spec and the labels"
        )
    return found


def _guesses(before: Evaluation, reference: Sample, classes: int) -> str:
    """Say in what way a float model knows nothing; empty where it knows something."""
    if reference.value <= 0:
        return "and there is nothing to lose"
    if reference.metric != "top1" or not isinstance(before, ClassificationEvaluation):
        return ""
    apart = classes or len(before.classes)
    if apart < 2 or reference.value > GUESSING / apart:
        return ""
    return f"little or no more than guessing among {apart} classes gives ({1 / apart:.4f})"


@dataclass(frozen=True)
class _Tries:
    """The files of one target that were made so far.

    Attributes:
        target: The format.
        source: The float32 file.
        folder: Where they lie.
        tools: What they are made and measured with.
        quantize: Makes one of calibration tensors and a recipe.
        made: They and what they are worth, by the name of their rung.
    """

    target: str
    source: Path
    folder: Path
    tools: Tools
    quantize: Callable[..., None]
    made: dict[str, Made] = field(default_factory=dict)

    def add(self, rung: Rung, recipe: QuantRecipe) -> Made:
        """Make and measure a file by a recipe."""
        file = self.folder / f"{self.target}-{len(self.made)}{SUFFIXES[self.target]}"
        if rung.trains:
            self.tools.train(file, recipe)
        else:
            tensors = self.tools.calibrate(recipe)
            with self.tools.progress(f"  {self.target}: {rung.name}") as report:
                self.quantize(self.source, file, tensors, recipe, report=report)
        made = self.made[rung.name] = Made(file, self.tools.evaluate(file))
        return made

    def outcome(self, before: Evaluation, steps: Sequence[Step]) -> Outcome:
        """Return what became of the tries, with the layers where somebody asked or has to know."""
        best = best_of(steps)
        outcome = Outcome(
            target=self.target,
            source=self.source,
            made=self.made[best.rung.name],
            before=before,
            steps=tuple(steps),
            best=best,
            held=best.holds,
        )
        if best.holds and not self.tools.inspect:
            return outcome
        return _with_layers(outcome, self, counted=LISTED if self.tools.inspect else 0)

    def look(self, steps: Sequence[Step]) -> Look:
        """Return what tells of the layers of the best step that can be compared."""
        step = _comparable(steps)
        tensors = self.tools.calibrate(step.recipe)[:LOOKED_AT]
        return Look(self.source, self.made[step.rung.name].file, tensors)


def _comparable(steps: Sequence[Step]) -> Step:
    """Return the best step whose layers can be compared with the float file's.

    Training changes them, and equalisation gives channels other factors.
    """
    plain = [step for step in steps if not (step.rung.trains or step.recipe.equalize)]
    known = [step for step in plain if step.comparison is not None]
    return best_of(known or [step for step in steps if not step.rung.trains])


def _with_layers(outcome: Outcome, tries: _Tries, *, counted: int) -> Outcome:
    """Return an outcome that says which layers are noisy, and what values the worst have.

    Where they cannot be compared it is returned as it is, and the reason is logged: what was
    measured stands without them.
    """
    try:
        look = tries.look(outcome.steps)
        noise = tuple(look.noise)
        values = look.histograms(counted) if counted else []
    except EdgeCVError as error:
        reason = " ".join(str(error).split())
        log.warning("%s: its layers could not be compared: %s", outcome.target, reason)
        return outcome
    return replace(outcome, noise=noise, histograms=tuple(values))
