"""The ladder: what is tried, rung by rung, when quantization broke a model, until it holds.

Each rung changes the best recipe so far. A rung that made things worse is measured and shown like
the others, but the next one does not stand on it. The rungs are data; what a rung costs and gains
is measured by whoever climbs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgecv.errors import EdgeCVError

from .drop import Comparison
from .recipe import QuantRecipe

MORE_PICTURES = 500


@dataclass(frozen=True)
class Rung:
    """One thing to try.

    Attributes:
        name: What it is, for people.
        changes: Fields of the recipe and their new values.
        worst: The part of the layers, by sensitivity, that are left in float besides; 0 for none.
        trains: The network is trained anew with quantization in mind, and the recipe only says
            what its file looks like.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    worst: float = 0.0
    trains: bool = False


FIRST = Rung("as asked for")

RESCUES = (
    Rung("more pictures", {"samples": MORE_PICTURES}),
    Rung("percentile ranges", {"ranges": "percentile"}),
    Rung("ranges of least error", {"ranges": "mse"}),
    Rung("a scale a channel", {"per_channel": True}),
    Rung("bias correction", {"bias_correction": True}),
    Rung("weights of 7 bits", {"weight_bits": 7}),
    Rung("equalisation", {"equalize": True}),
    Rung("the worst 5 % of layers in float", worst=0.05),
    Rung("the worst 15 % of layers in float", worst=0.15),
    Rung("the worst 35 % of layers in float", worst=0.35),
    Rung("int16 activations", {"activations": "int16"}),
    Rung(
        "trained for it",
        {"activations": "int8", "equalize": False, "bias_correction": False, "keep_float": ()},
        trains=True,
    ),
)
"""What rescues a model, the cheapest first: on the device and to make."""


@dataclass(frozen=True)
class Step:
    """A rung that was climbed, or passed over.

    Attributes:
        rung: The rung.
        recipe: What was tried: the best recipe before it, changed by the rung.
        comparison: What it cost; None where it could not be tried.
        holds: Whether that is little enough.
        skipped: Why it could not be tried; empty where it was.
    """

    rung: Rung
    recipe: QuantRecipe
    comparison: Comparison | None = None
    holds: bool = False
    skipped: str = ""


Attempt = Callable[[Rung, QuantRecipe], Comparison]
Suspects = Callable[[Rung, Step], Sequence[str]]


def climb(
    recipe: QuantRecipe,
    rungs: Sequence[Rung] = RESCUES,
    *,
    attempt: Attempt,
    holds: Callable[[Comparison], bool],
    suspects: Suspects,
) -> Iterator[Step]:
    """Try a recipe, then rung after rung; yield what came of each, and end with one that holds.

    Args:
        recipe: What is tried first.
        rungs: What is tried when that does not hold.
        attempt: Quantizes by a recipe and compares with the float model. An `EdgeCVError` of a
            rung means that it cannot be had here, and the next one is tried.
        holds: Tells whether a drop is small enough.
        suspects: Gives the layers that a rung leaves in float, by the best step so far.

    Raises:
        EdgeCVError: The recipe itself could not be tried.
    """
    first = attempt(FIRST, recipe)
    best = Step(FIRST, recipe, first, holds(first))
    yield best
    tried = [recipe]
    for rung in rungs:
        if best.holds:
            return
        step = _step(rung, best, tried, attempt=attempt, suspects=suspects)
        if step.comparison is not None:
            tried.append(step.recipe)
            step = replace(step, holds=holds(step.comparison))
            best = best_of((best, step))
        yield step


def best_of(steps: Sequence[Step]) -> Step:
    """Return the step that lost least; the first of equals, for it is the cheaper one.

    One that holds is better than any that does not.

    Raises:
        ValueError: None of them was tried.
    """
    known = [step for step in steps if step.comparison is not None]
    if not known:
        raise ValueError("wanted at least one step that was tried")
    return min(known, key=_cost)


def _cost(step: Step) -> tuple[bool, float]:
    lost = step.comparison.drop.value if step.comparison else math.inf
    return not step.holds, lost


def _step(
    rung: Rung, best: Step, tried: Sequence[QuantRecipe], *, attempt: Attempt, suspects: Suspects
) -> Step:
    recipe = replace(best.recipe, **rung.changes)
    try:
        if rung.worst:
            names = dict.fromkeys((*recipe.keep_float, *suspects(rung, best)))
            recipe = replace(recipe, keep_float=tuple(names))
        if recipe in tried and not rung.trains:
            return Step(rung, recipe, skipped="that was the case already")
        return Step(rung, recipe, attempt(rung, recipe))
    except EdgeCVError as error:
        return Step(rung, recipe, skipped=" ".join(str(error).split()))
