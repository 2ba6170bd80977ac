"""A float classifier that is exact, one that INT8 ruins, and pictures for both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
import tiny_training
import unequal
from edgecv.quantize.ladder import RESCUES, Rung, Step
from edgecv.quantize.recipe import QuantRecipe
from edgecv.quantize.samples import calibration_tensors

from edgecv import load
from edgecv.datasets import read_classes
from edgecv.errors import DataError
from edgecv.evaluation import classification
from edgecv.evaluation.record import Evaluation
from edgecv.spec import ModelSpec
from edgecv.types import Array

if TYPE_CHECKING:
    from edgecv.quantize.contract import Outcome, Terms


class Workshop(NamedTuple):
    """Files to quantize and pictures to do it with.

    Attributes:
        equal: A classifier whose channels are alike.
        unequal: The same one with channels that differ thousandfold.
        train: Pictures to calibrate with.
        eval: Others to measure on.
    """

    equal: Path
    unequal: Path
    train: Path
    eval: Path


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    pytest.importorskip("ai_edge_litert")
    folder = tmp_path_factory.mktemp("workshop")
    return Workshop(
        unequal.write_tflite(folder / "equal.tflite", (1, 1, 1)),
        unequal.write_tflite(folder / "unequal.tflite"),
        tiny_training.write_pictures(folder / "train", 12),
        tiny_training.write_pictures(folder / "eval", 20, seed=3),
    )


SPEC = ModelSpec.from_dict(unequal.SPEC)


@pytest.fixture
def contract(workshop: Workshop, tmp_path: Path) -> Callable[..., Outcome]:
    """Carry out a contract on one of the workshop's files."""
    from edgecv.quantize.contract import Terms, Tools, fulfil

    def run(
        source: Path,
        terms: Terms = Terms(draws=100),
        recipe: QuantRecipe = QuantRecipe(samples=20),
        rungs: tuple[Rung, ...] = RESCUES,
        told: list[Step] | None = None,
        limit: int | None = None,
    ) -> Outcome:
        def evaluate(file: Path) -> Evaluation:
            with load(file, spec=SPEC, device="cpu", threads=1) as model:
                return classification.evaluate(model, read_classes(workshop.eval), limit=limit)

        def calibrate(recipe: QuantRecipe) -> list[Array]:
            return calibration_tensors(
                source, SPEC, workshop.train, count=recipe.samples, seed=recipe.seed
            )

        def train(target: Path, recipe: QuantRecipe) -> None:
            raise DataError("nobody trains here")

        steps = [] if told is None else told
        tools = Tools(calibrate, evaluate, train, steps.append)
        return fulfil(
            "tflite", source, tmp_path, recipe=recipe, terms=terms, tools=tools, rungs=rungs
        )

    return run
