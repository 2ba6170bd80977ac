"""The machines that train one network together: this one alone, or those that TF_CONFIG names."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from edgecv.training.errors import TrainingError


@dataclass(frozen=True)
class Machines:
    """Who trains.

    Attributes:
        strategy: TensorFlow's way of keeping copies of the weights equal.
        index: Which of the machines this one is; 0 writes the files.
        count: How many there are.
    """

    strategy: tf.distribute.Strategy
    index: int
    count: int

    @property
    def is_first(self) -> bool:
        """Tell whether this machine writes the files."""
        return self.index == 0

    def distributed(self, dataset: tf.data.Dataset) -> Any:
        """Return the dataset of this machine as its strategy takes it."""
        if self.strategy.num_replicas_in_sync == 1:
            return dataset
        return self.strategy.distribute_datasets_from_function(lambda _: dataset)

    def mean(self, value: float) -> float:
        """Return the mean of what each machine gives; every machine has to ask."""
        if self.strategy.num_replicas_in_sync == 1:
            return value

        def mean() -> Any:
            own = self.strategy.run(lambda: tf.constant(value, tf.float32))
            return self.strategy.reduce("MEAN", own, axis=None)

        return float(tf.function(mean)())


def machines() -> Machines:
    """Return who trains: all the workers of TF_CONFIG, or this machine.

    TF_CONFIG is ``{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index":
    0}}``. Has to be called before anything else of TensorFlow where there are several.

    Raises:
        TrainingError: TF_CONFIG is not what it should be, or the others cannot be reached.
    """
    text = os.environ.get("TF_CONFIG")
    if not text:
        return Machines(tf.distribute.get_strategy(), 0, 1)
    try:
        values = json.loads(text)
        workers = list(values["cluster"]["worker"])
        kind, index = values["task"]["type"], int(values["task"]["index"])
        if kind != "worker" or len(values["cluster"]) != 1 or not 0 <= index < len(workers):
            raise ValueError(f"{kind} {index} is not one of {len(workers)} workers")
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            'TF_CONFIG has to be {"cluster": {"worker": ["host:port", ...]}, "task": '
            f'{{"type": "worker", "index": 0}}}}, and is not: {error}'
        ) from error
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except (tf.errors.OpError, RuntimeError) as error:
        raise TrainingError(f"the workers {', '.join(workers)} do not meet: {error}") from error
    return Machines(strategy, index, len(workers))
