from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from edgecv.quantize.drop import Comparison, Drop, Interval
from edgecv.quantize.ladder import FIRST, RESCUES, Rung, Step, best_of, climb
from edgecv.quantize.recipe import QuantRecipe

from edgecv.errors import ModelFileError

LAYERS = tuple(f"layer {number}" for number in range(10))


def cost(points: float) -> Comparison:
    half = Interval(0.5, 0.4, 0.6)
    return Comparison("top1", half, half, Drop(points, points - 1, points + 1), 100)


def climbed(
    drops: Mapping[str, float],
    recipe: QuantRecipe = QuantRecipe(),
    rungs: tuple[Rung, ...] = RESCUES,
) -> list[Step]:
    """Climb where a rung costs what `drops` says by its name, 9 points by default."""

    def attempt(rung: Rung, recipe: QuantRecipe) -> Comparison:
        if drops.get(rung.name) == -1:
            raise ModelFileError(f"no {rung.name}\nhere")
        return cost(drops.get(rung.name, 9.0))

    def suspects(rung: Rung, step: Step) -> tuple[str, ...]:
        return LAYERS[: math.ceil(rung.worst * len(LAYERS))]

    return list(
        climb(recipe, rungs, attempt=attempt, holds=lambda c: c.drop.value <= 1, suspects=suspects)
    )


def test_a_recipe_that_holds_is_the_only_one_tried() -> None:
    (step,) = climbed({"as asked for": 0.5})
    assert (step.rung, step.recipe, step.holds) == (FIRST, QuantRecipe(), True)


def test_rungs_come_in_order_until_one_holds() -> None:
    steps = climbed({"equalisation": 0.9})
    assert [step.rung.name for step in steps] == [
        "as asked for", "more pictures", "percentile ranges", "ranges of least error",
        "a scale a channel", "bias correction", "weights of 7 bits", "equalisation",
    ]  # fmt: skip
    assert [step.holds for step in steps] == [False] * 7 + [True]


def test_what_the_recipe_has_already_is_passed_over() -> None:
    steps = climbed({}, QuantRecipe(per_channel=True, bias_correction=False))
    skipped = {step.rung.name: step.skipped for step in steps if step.skipped}
    assert skipped == {"a scale a channel": "that was the case already"}
    steps = climbed({}, QuantRecipe(per_channel=False, bias_correction=True))
    assert [step.rung.name for step in steps if step.skipped] == ["bias correction"]


def test_a_rung_stands_on_the_best_one_below_it() -> None:
    drops = {"percentile ranges": 5.0, "ranges of least error": 7.0, "equalisation": 1.0}
    steps = climbed(drops, QuantRecipe(bias_correction=False))
    by_name = {step.rung.name: step.recipe for step in steps}
    assert by_name["ranges of least error"] == QuantRecipe(ranges="mse", bias_correction=False)
    assert by_name["bias correction"] == QuantRecipe(ranges="percentile", bias_correction=True)
    assert by_name["equalisation"] == QuantRecipe(
        ranges="percentile", bias_correction=False, equalize=True
    )


def test_a_rung_that_cannot_be_had_is_passed_over_with_the_reason() -> None:
    steps = climbed({"more pictures": -1, "percentile ranges": 1.0})
    assert [step.skipped for step in steps] == ["", "no more pictures here", ""]
    assert steps[-1].holds


def test_a_first_try_that_fails_is_an_error() -> None:
    with pytest.raises(ModelFileError, match="no as asked for"):
        climbed({"as asked for": -1})


def test_layers_at_fault_are_left_in_float_together_with_those_of_the_recipe() -> None:
    steps = climbed({}, QuantRecipe(keep_float=("head/*",)))
    by_name = {step.rung.name: step.recipe.keep_float for step in steps}
    assert by_name["the worst 5 % of layers in float"] == ("head/*", "layer 0")
    assert by_name["the worst 15 % of layers in float"] == ("head/*", "layer 0", "layer 1")
    assert by_name["int16 activations"] == ("head/*",)


def test_when_nothing_holds_the_best_one_is_known() -> None:
    steps = climbed({"percentile ranges": 3.0, "equalisation": 3.0})
    assert len(steps) == len(RESCUES) + 1
    assert not any(step.holds for step in steps)
    assert best_of(steps).rung.name == "percentile ranges"


def test_training_is_tried_whatever_the_recipe_was() -> None:
    steps = climbed({"trained for it": 0.0})
    assert steps[-1].rung.trains
    assert steps[-1].holds
    assert not steps[-1].skipped


def test_one_that_holds_is_better_than_one_that_lost_less() -> None:
    steps = [Step(FIRST, QuantRecipe(), cost(0.1)), Step(FIRST, QuantRecipe(), cost(0.9), True)]
    assert best_of(steps) is steps[1]
    with pytest.raises(ValueError, match="at least one step"):
        best_of([Step(FIRST, QuantRecipe(), skipped="why")])
