"""One training step after another: gradients, clipping, updates, the moving average of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from edgecv.training.groups import Group, free, make_groups
from edgecv.training.recipe import Recipe
from edgecv.training.tasks import Task, Tensor
from edgecv.types import Array


class Progress(NamedTuple):
    """What a step says of itself.

    Attributes:
        loss: The mean loss of the batch.
        norm: The length of all gradients together, before it was clipped.
    """

    loss: float
    norm: float


class Trainer:
    """A network in training: its weights, the state of its optimizers, its moving average.

    Has to be made inside of the strategy's scope, as the network was.

    Args:
        task: What is trained.
        recipe: How.
        strategy: The machines it is trained on.
    """

    def __init__(self, task: Task, recipe: Recipe, strategy: tf.distribute.Strategy) -> None:
        self.model, self.task = task.model, task
        self.strategy = strategy
        part = recipe.optimizer
        self.clip, self.decay = part.clip_norm, part.ema
        self.groups = make_groups(self.model, task.backbone, recipe.transfer, part)
        self.average = [
            tf.Variable(value_of(v), trainable=False)
            for v in (self._averaged() if self.decay else ())
        ]
        self._steps: dict[int, Callable[..., Any]] = {}
        self._step: Callable[..., Any] | None = None

    def begin_epoch(self, epoch: int) -> None:
        """Let those layers learn whose epoch has come, counted from 0."""
        active = free(self.groups, epoch)
        if len(active) not in self._steps:
            self._steps[len(active)] = self._compile(active)
        self._step = self._steps[len(active)]
        if self.task.at_epoch is not None:
            self.task.at_epoch(epoch)

    def step(self, images: Tensor, targets: Any, rate: float) -> Progress:
        """Learn from one batch, at a learning rate."""
        if self._step is None:
            raise ValueError("wanted begin_epoch before the first step")
        for group in self.groups:
            group.optimizer.learning_rate = rate * group.rate
        loss, norm = self._step(images, targets)
        return Progress(float(loss), float(norm))

    def is_finite(self) -> bool:
        """Tell whether the weights are numbers whose squares still are."""
        return bool(tf.math.is_finite(tf.linalg.global_norm([v.value for v in self._averaged()])))

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the moving average in the place of the weights while the block runs."""
        if not self.average:
            yield
            return
        variables = list(self._averaged())
        kept = [value_of(v) for v in variables]
        try:
            for variable, mean in zip(variables, self.average, strict=True):
                variable.assign(value_of(mean))
            yield
        finally:
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)

    def state(self) -> list[tuple[str, Any]]:
        """Return all that a later run needs to go on, as names and variables, in a fixed order."""
        out = [(f"model/{v.path}", v) for v in self.model.variables]
        for group in self.groups:
            out += [(f"optimizer/{group.name}/{v.path}", v) for v in group.optimizer.variables]
        named = zip(self._averaged(), self.average, strict=False)
        return out + [(f"average/{v.path}", mean) for v, mean in named]

    def synchronize(self) -> None:
        """Give batch norm's averages on every machine the mean of all of them."""
        if self.strategy.num_replicas_in_sync == 1:
            return
        floats = [v for v in self.model.non_trainable_variables if "float" in str(v.dtype)]

        def local() -> list[Tensor]:
            return [tf.identity(v.value) for v in floats]

        def mean() -> list[Tensor]:
            parts = self.strategy.run(local)
            return [self.strategy.reduce("MEAN", part, axis=None) for part in parts]

        for variable, value in zip(floats, tf.function(mean)(), strict=True):
            variable.assign(value)

    def _averaged(self) -> Iterator[Any]:
        for group in self.groups:
            yield from group.variables

    def _compile(self, active: Sequence[Group]) -> Callable[..., Any]:
        """Return the step as one graph, for the groups that learn."""
        variables = [v for group in active for v in group.variables]

        def replica(images: Tensor, targets: Any) -> tuple[Tensor, Tensor]:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([v.value for v in variables])
                loss = self._loss(images, targets)
            found = tape.gradient(loss, [v.value for v in variables])
            gradients, norm = self._gradients(found)
            self._apply(active, dict(zip(map(id, variables), gradients, strict=True)))
            return loss, norm

        def step(images: Tensor, targets: Any) -> tuple[Tensor, Tensor]:
            loss, norm = self.strategy.run(replica, args=(images, targets))
            self._follow(active[0].optimizer.iterations)
            reduce = self.strategy.reduce
            return reduce("MEAN", loss, axis=None), reduce("MEAN", norm, axis=None)

        compiled: Callable[..., Any] = tf.function(step, reduce_retracing=True)
        return compiled

    def _loss(self, images: Tensor, targets: Any) -> Tensor:
        outputs = self.model(images, training=True)
        outputs = keras.tree.map_structure(lambda t: keras.ops.cast(t, "float32"), outputs)
        loss = tf.reduce_mean(self.task.loss(targets, outputs))
        return tf.add_n([loss, *self.model.losses])

    def _gradients(self, found: Sequence[Any]) -> tuple[list[Any], Tensor]:
        """Return the gradients of all machines together, no longer than allowed, and their norm."""
        there = [tf.convert_to_tensor(g) for g in found if g is not None]
        machines = self.strategy.num_replicas_in_sync
        if machines > 1:
            there = tf.distribute.get_replica_context().all_reduce("MEAN", there)
        norm = tf.linalg.global_norm(there)
        if self.clip:
            there, _ = tf.clip_by_global_norm(there, self.clip, use_norm=norm)
        # Keras's optimizers add up what the machines bring
        shared = iter([g / machines for g in there] if machines > 1 else there)
        return [None if g is None else next(shared) for g in found], norm

    def _apply(self, active: Sequence[Group], gradients: dict[int, Any]) -> None:
        for group in active:
            pairs = [(gradients[id(v)], v) for v in group.variables]
            pairs = [(gradient, v) for gradient, v in pairs if gradient is not None]
            if pairs:
                group.optimizer.apply(*map(list, zip(*pairs, strict=True)))

    def _follow(self, iterations: Any) -> None:
        """Move the average towards the weights; faster at first, where they are mere chance."""
        if not self.average:
            return
        count = tf.cast(iterations.value, tf.float32)
        rest = 1 - tf.minimum(self.decay, (1 + count) / (10 + count))
        for mean, variable in zip(self.average, self._averaged(), strict=True):
            mean.assign_add((variable.value - mean) * rest)


def value_of(variable: Any) -> Array:
    """Return the value of a variable of Keras's or TensorFlow's."""
    inner = variable.value if isinstance(variable, keras.Variable) else variable
    return np.asarray(inner.numpy())
