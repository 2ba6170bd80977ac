"""From a recipe to what is trained and what trains it."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from edgecv.errors import EdgeCVError
from edgecv.training.data.order import Schedule
from edgecv.training.data.pipeline import example
from edgecv.training.errors import RecipeError, TrainingError
from edgecv.training.qat.training import with_ranges
from edgecv.training.recipe import Recipe
from edgecv.training.tasks import TASKS, Task
from edgecv.training.teachers.teaching import with_teacher
from edgecv.training.trainer import Trainer
from edgecv.training.workers import Machines


def prepare(recipe: Recipe, who: Machines) -> tuple[Task, Trainer]:
    """Build what is trained and what trains it, the same each time.

    Raises:
        As `edgecv.training.fit.fit`.
    """
    keras.utils.set_random_seed(recipe.run.seed)
    if tf.config.list_physical_devices("GPU"):
        tf.config.experimental.enable_op_determinism()  # a CPU computes the same each time anyway
    mixed = recipe.optimizer.mixed_precision
    before = keras.config.dtype_policy()
    with who.strategy.scope():
        keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
        try:
            task = with_teacher(make_task(recipe), recipe.distill)
            _try_loss(task)
            task = with_ranges(task, recipe)
            return task, Trainer(task, recipe, who.strategy)
        finally:
            keras.config.set_dtype_policy(before)


def make_task(recipe: Recipe) -> Task:
    """Build a recipe's task.

    Raises:
        RecipeError: The recipe is wrong.
        DataError: The pictures are not what they should be.
    """
    try:
        task: Task = TASKS.load(recipe.task)(recipe)
    except EdgeCVError:
        raise
    except (ValueError, TypeError) as error:  # of an option that only its part can judge
        raise RecipeError(f"{recipe.name or recipe.task}: {error}") from error
    return task


def _try_loss(task: Task) -> None:
    """Ask the loss about one picture and an answer of zeros: whether its options make sense.

    Raises:
        RecipeError: It cannot be computed.
    """
    size = task.model.input_shape[1:3]
    _, targets = example(task.train, task.encode, size=size, input=task.spec.input)
    nothing = keras.tree.map_structure(
        lambda t: np.zeros((1, *(side or 1 for side in t.shape[1:])), np.float32), task.model.output
    )
    try:
        task.loss(targets, nothing)
    except (ValueError, TypeError, tf.errors.OpError) as error:
        raise RecipeError(f"[loss] cannot be computed: {error}") from error


def order(recipe: Recipe, count: int, who: Machines) -> Schedule:
    """Return how the samples are divided into batches and among machines.

    Raises:
        TrainingError: The batch cannot be divided among the machines.
    """
    batch, machines_ = recipe.run.batch, who.strategy.num_replicas_in_sync
    if batch % machines_:
        raise TrainingError(f"run.batch is {batch}: wanted a multiple of {machines_} machines")
    whole = count >= batch
    return Schedule(
        count,
        batch // machines_,
        recipe.run.seed,
        shard=(who.index, who.count),
        drop_remainder=whole,
    )
