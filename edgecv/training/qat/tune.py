"""A trained classifier taught the rounding of INT8 in a few epochs, without a recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgecv.errors import DataError
from edgecv.modelfile import embedded_spec
from edgecv.models.loading import load_network
from edgecv.training.fit import fit
from edgecv.training.recipe import (
    DataPart,
    ModelPart,
    OptimizerPart,
    QatPart,
    Recipe,
    RunPart,
)

TASK = "classification"


def finetune(  # noqa: PLR0913 - what a training is told
    model: Path,
    pictures: Path,
    out: Path,
    *,
    epochs: int = 3,
    rate: float = 1e-4,
    batch: int = 32,
    seed: int = 0,
    tell: Callable[[str], None] | None = None,
) -> Path:
    """Train a classifier with the rounding of INT8, and return its `.keras` file.

    Nothing is chosen by a figure: the network after the last epoch is the one. Its figures on the
    pictures that it learns from are those in the folder's report; they prove nothing of others.

    Args:
        model: The trained `.keras` file, with its spec inside.
        pictures: A folder for each of its classes: what it learns from.
        out: The folder of the training, which does not exist or is empty.
        epochs: How often every picture is seen.
        rate: The highest learning rate; a hundredth to a tenth of the float training's.
        batch: Pictures a step.
        seed: Of all chance.
        tell: Is called with a line for each epoch.

    Raises:
        DataError: The file is for another task, or the folder has other classes.
        RecipeError: The network has layers that cannot be rounded.
        EdgeCVError: As `edgecv.training.fit.fit`.
    """
    spec = embedded_spec(model)
    if spec is None or spec.task != TASK:
        what = "no spec inside" if spec is None else f"the task {spec.task}"
        raise DataError(
            f"{model} has {what}: classifiers are taught INT8 here; train others by a recipe with "
            "[qat] start"
        )
    _, height, width, _ = load_network(model).input_shape
    recipe = Recipe(
        task="classify",
        name=spec.name,
        model=ModelPart(name=str(model), input_size=(height, width)),
        data=DataPart(train=str(pictures), val=str(pictures)),
        augment={"crop": 0.8},
        optimizer=OptimizerPart(name="adam", lr=rate, final_lr=0.1),
        qat=QatPart(start=str(model), hold_epoch=epochs if epochs > 1 else 0),
        run=RunPart(epochs=epochs, batch=batch, seed=seed, measure_every=epochs),
    )
    return fit(recipe, out, tell=tell).model
