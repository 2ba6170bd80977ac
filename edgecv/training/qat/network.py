"""Networks that learn with the rounding of INT8: quantization-aware training for Keras 3.

`prepare` builds a network's twin: batch norm folded, weights and activations rounded as TFLite
rounds them. `calibrate` gives its tensors their ranges, so that it is right from the start; a
training moves them on. TFLite's converter reads the ranges, and needs no calibration of its own.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras

from edgecv.errors import ModelFileError
from edgecv.training.qat.layers import FakeQuant
from edgecv.training.qat.rules import RULES, all_faults
from edgecv.training.qat.walk import Walk, kind
from edgecv.types import FloatArray

MARK = "edgecv>FakeQuant"
"""What `FakeQuant` is called in a .keras file."""


def prepare(
    model: keras.Model,
    *,
    momentum: float = 0.99,
    input_range: tuple[float, float] | None = None,
) -> keras.Model:
    """Return a network's twin that computes with the rounding of INT8, with weights of its own.

    Its ranges are empty: `calibrate` it, or train it, before it is used. Inputs, outputs and their
    names are those of the network; models inside it are laid out flat.

    Args:
        model: A functional or sequential network, trained: its batch norms are folded as they are.
        momentum: How much of the ranges' moving averages a batch leaves as it was, 0..1.
        input_range: The least and greatest value of the inputs, where they are known.

    Raises:
        ValueError: It has no graph, layers of other kinds, or layers that are called twice; it is
            prepared already. All of them are named.
    """
    if is_quantized(model):
        raise ValueError(f"{model.name} computes with the rounding of INT8 already")
    walk = Walk(model, momentum=momentum, input_range=input_range)
    own = {id(layer) for layer in model._flatten_layers()}
    if faults := all_faults(walk.steps, own):
        raise ValueError(f"{model.name} cannot be quantized while it learns: {', '.join(faults)}")
    for step in walk.steps:
        RULES[kind(step)](walk, step)
    return walk.twin()


def calibrate(model: keras.Model, tensors: Iterable[FloatArray]) -> None:
    """Give the ranges of a prepared network the least and greatest values of some batches.

    Args:
        model: What `prepare` gave.
        tensors: Batches (B, H, W, C) as the network takes them.

    Raises:
        ValueError: There are no batches, or the network is not prepared.
    """
    found, count = list(ranges(model)), 0
    if not found:
        raise ValueError(f"{model.name} has no ranges: prepare it first")
    for layer in found:
        layer.observing = True
    try:
        for batch in tensors:
            model(batch, training=False)
            count += 1
    finally:
        for layer in found:
            layer.observing = False
    if not count:
        raise ValueError("wanted a batch or more to calibrate with, got none")


def ranges(model: keras.Model) -> Iterator[FakeQuant]:
    """Yield the layers of a network that hold a range."""
    yield from (layer for layer in model._flatten_layers() if isinstance(layer, FakeQuant))


def hold(model: keras.Model, *, still: bool) -> None:
    """Let the ranges of a network follow its batches in training, or stand still."""
    for layer in ranges(model):
        if layer.fixed is None:
            layer.moving.assign(0.0 if still else 1.0)


def is_quantized(model: keras.Model | Path) -> bool:
    """Tell whether a network, or one in a .keras file, has the ranges of INT8 inside.

    Raises:
        ModelFileError: The file cannot be read.
    """
    if not isinstance(model, Path):
        return any(True for _ in ranges(model))
    if model.suffix != ".keras":
        return False
    try:
        with zipfile.ZipFile(model) as archive:
            return MARK in json.dumps(json.loads(archive.read("config.json")))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"cannot read {model}: {error}") from error


def empty_ranges(model: keras.Model) -> list[str]:
    """Return the names of those ranges that have seen no value."""
    return [layer.name for layer in ranges(model) if layer.limits() == (0.0, 0.0)]
