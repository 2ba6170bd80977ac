"""A network in training run as a finished model is: same preparation of pictures, same decoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from edgecv.image import Placement
from edgecv.model import Model
from edgecv.results import AnyResult
from edgecv.spec import ModelSpec
from edgecv.training.data.samples import Samples
from edgecv.types import Array, Image, TensorSpec


class NetworkSession:
    """A Keras network in memory as an opened model file: any number of pictures a run.

    Args:
        network: Takes float32 (B, H, W, 3), gives a tensor or a mapping of tensors.
        name: What a single output is called.
    """

    def __init__(self, network: keras.Model, name: str = "output") -> None:
        shape = network.input_shape
        self.inputs = (TensorSpec("image", (1, *shape[1:]), np.dtype(np.float32), None),)
        given = network.output
        tensors = given if isinstance(given, Mapping) else {name: given}
        self.outputs = tuple(
            TensorSpec(key, (1, *found.shape[1:]), np.dtype(np.float32), None)
            for key, found in tensors.items()
        )
        self.network, self._single = network, None if isinstance(given, Mapping) else name
        signature = [tf.TensorSpec((None, *shape[1:]), tf.float32)]
        self._run = tf.function(self._call, input_signature=signature)

    def run(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Return the outputs for (B, H, W, 3)."""
        found = self._run(tf.constant(tensors["image"]))
        return {name: value.numpy() for name, value in found.items()}

    def close(self) -> None:
        """Do nothing: the network belongs to somebody else."""

    def _call(self, images: Any) -> dict[str, Any]:
        found = self.network(images, training=False)
        outputs = {self._single: found} if self._single else found
        return {name: tf.cast(value, tf.float32) for name, value in outputs.items()}


class Inference:
    """Runs a network on labelled samples, and decodes what comes out by its spec.

    Args:
        spec: What goes into the trained file.
        batch: Pictures at a time.
        score: Leave out results below this score; None for the spec's own.
    """

    def __init__(self, spec: ModelSpec, *, batch: int = 32, score: float | None = None) -> None:
        self.spec = spec if score is None else spec.with_changes(score=score)
        self.batch = batch
        self._last: tuple[keras.Model, Model] | None = None

    def __call__(self, network: keras.Model, samples: Samples) -> list[AnyResult]:
        """Return the result for each sample's picture, in pixels of that picture.

        Raises:
            SpecError: The network's outputs are not what the spec says.
        """
        images = (samples[index].image for index in range(len(samples)))
        return list(self.results(network, images))

    def results(self, network: keras.Model, images: Iterable[Image]) -> Iterator[AnyResult]:
        """Yield the result for each picture: uint8 (H, W, 3), BGR."""
        model = self.model(network)
        waiting: list[tuple[Array, Placement]] = []
        for image in images:
            waiting.append(model.preprocess(image))
            if len(waiting) == self.batch:
                yield from _run(model, waiting)
                waiting = []
        if waiting:
            yield from _run(model, waiting)

    def model(self, network: keras.Model) -> Model:
        """Return the network as a model; the same one for the same network, compiled once."""
        if self._last is None or self._last[0] is not network:
            roles = self.spec.outputs
            name = next(iter(roles.values())) if len(roles) == 1 else "output"
            self._last = network, Model(NetworkSession(network, name), self.spec, runtime="keras")
        return self._last[1]


def _run(model: Model, waiting: Sequence[tuple[Array, Placement]]) -> Iterator[AnyResult]:
    outputs = model.infer(np.concatenate([tensor for tensor, _ in waiting]))
    for number, (_, placement) in enumerate(waiting):
        own = {role: value[number : number + 1] for role, value in outputs.items()}
        yield model.decode(own, placement)
