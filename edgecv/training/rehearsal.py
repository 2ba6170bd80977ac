"""What a recipe would do, before it does it: a picture of a batch, a few steps of the loop."""

from __future__ import annotations

import time
from typing import Any

from edgecv.progress import clock
from edgecv.training.data.pipeline import batches
from edgecv.training.data.preview import preview
from edgecv.training.failures import translated
from edgecv.training.preparing import make_task, order, prepare
from edgecv.training.recipe import Recipe
from edgecv.training.workers import machines
from edgecv.types import Image

STEPS = 10


def look(recipe: Recipe) -> Image:
    """Return the first batch of a training as a picture, with what is marked in it.

    Raises:
        RecipeError: The recipe is wrong.
        DataError: The pictures are not what they should be.
    """
    task = make_task(recipe)
    return preview(
        task.train,
        recipe.augmentation,
        tuple(task.model.input_shape[1:3]),
        recipe.run.seed,
        input=task.spec.input,
    )


def rehearse(recipe: Recipe) -> dict[str, Any]:
    """Make a few steps of a training, write nothing, and return what there is and how fast it is.

    Raises:
        As `edgecv.training.fit.fit`.
    """
    who = machines()
    task, trainer = prepare(recipe, who)
    schedule = order(recipe, len(task.train), who)
    stream = iter(
        batches(
            task.train, task.encode, size=tuple(task.model.input_shape[1:3]),
            batch=schedule.batch, epochs=1 + STEPS // schedule.steps, seed=recipe.run.seed,
            settings=recipe.augmentation, input=task.spec.input,
            drop_remainder=schedule.drop_remainder,
        )
    )  # fmt: skip
    trainer.begin_epoch(0)
    done = min(STEPS, schedule.steps - 1)
    with translated():
        images, targets = next(stream)
        first = trainer.step(images, targets, 0.0)
        began = time.perf_counter()
        for _ in range(done):
            images, targets = next(stream)
            trainer.step(images, targets, recipe.optimizer.lr)
    speed = done * schedule.batch / (time.perf_counter() - began) if done else 0.0
    seconds = len(task.train) * recipe.run.epochs / speed if speed else 0.0
    return {
        "network": f"{task.model.name}, {task.model.count_params():,} parameters, input "
        + " x ".join(str(side) for side in task.model.input_shape[1:]),
        "learns": ", ".join(
            f"{group.name} from epoch {group.first_epoch + 1} at {group.rate:g} of the rate"
            for group in trainer.groups
        ),
        "pictures": f"{len(task.train)} to learn, {len(task.val)} to measure",
        "classes": ", ".join(task.spec.labels[:10])
        + (" ..." if len(task.spec.labels) > 10 else ""),
        "steps": f"{schedule.steps} an epoch, {schedule.steps * recipe.run.epochs} in all",
        "first loss": f"{first.loss:.4f}",
        "speed": f"{speed:.0f} images a second",
        "time": f"about {clock(seconds)} without measuring",
    }
