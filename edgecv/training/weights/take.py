"""Public weights of a network that is known here, taken into its Keras definition.

What is imported keeps its licence. It is a start for transfer learning on the machine of whoever
imports it, and nothing to be handed on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from edgecv import models
from edgecv.errors import ModelFileError
from edgecv.image import Plan
from edgecv.spec import ModelSpec
from edgecv.training.data.geometry import INPUT
from edgecv.training.weights.graph import Graph, Linear, linear_layers
from edgecv.training.weights.mapping import (
    Pair,
    differences,
    for_our_input,
    linear_targets,
    match,
    settle,
    take,
    without_first_class,
)
from edgecv.training.weights.read import read_graph
from edgecv.training.weights.vary import vary
from edgecv.types import FloatArray, Image, TensorSpec

READ_HERE = {"classification": "classifier", "face_embedding": "embedding"}
"""Tasks whose output is the network's own, and their decoders."""


class Imported(NamedTuple):
    """A Keras model with the weights of a file.

    Attributes:
        model: The model. It takes pictures as all models here do, and classifiers give logits.
        spec: What its tensors mean; None for a backbone, which has no task.
        pairs: Which layer took its weights from which.
        left_out: The names of the file's layers that are not in the model.
        differences: Where the file's activations are not the model's.
        quantized: Whether the file keeps its weights as integers.
    """

    model: keras.Model
    spec: ModelSpec | None
    pairs: tuple[Pair, ...]
    left_out: tuple[str, ...]
    differences: tuple[str, ...]
    quantized: bool


def import_weights(
    path: Path,
    spec: ModelSpec,
    name: str,
    *,
    options: Mapping[str, Any] | None = None,
    images: Sequence[Image] = (),
    become: Mapping[str, Any] | None = None,
) -> Imported:
    """Build a model and fill it with the weights of a file of the same network.

    The input's size and the number of outputs are the file's where `options` do not say otherwise.
    A background class at the beginning is left out.

    Args:
        path: A .tflite, .onnx or OpenVINO .xml file.
        spec: What the file's tensors mean.
        name: One of `edgecv.models.MODELS`.
        options: The keywords of its builder. With ``include_top=False`` what the file has behind
            the feature maps, the heads of a detector for example, is left out.
        images: Pictures on which the statistics of batch norm are measured, a hundred or so;
            without them the model can be run, and trained with batch norm frozen.
        become: Options in which the model shall differ from the file's network, such as
            ``squeeze=0`` or another activation: what it gives is then near the file's at best, and
            a start for a training. Wants images.

    Raises:
        ModelFileError: The file is damaged or of another network: the text names the layer.
        UnknownNameError: There is no such model, or it has no such option.
        ValueError: An option has a value that the builder cannot use.
        PackageMissingError: A package that reads the file is not installed.
    """
    graph = read_graph(path)
    layers = linear_layers(graph)
    layers[0] = for_our_input(layers[0], spec.input)
    given = dict(options or {})
    whole = given.get("include_top", True)
    if whole and spec.options.get("background"):
        layers[-1] = without_first_class(layers[-1])
    given = _known(name, graph, layers) | given
    model = models.build(name, **given)
    pairs = _pairs(path, model, layers, whole=whole)
    take(pairs)
    made = _spec(spec, name) if whole else None
    if images:
        settle(model, tensors(model, spec, images))
    if become:
        model = _varied(model, name, given | dict(become), spec, images)
    used = {id(pair.source) for pair in pairs}
    left_out = tuple(layer.name for layer in layers if id(layer) not in used)
    notes = tuple(differences(pairs))
    return Imported(model, made, tuple(pairs), left_out, notes, graph.quantized)


def _known(name: str, graph: Graph, layers: Sequence[Linear]) -> dict[str, Any]:
    """Return the options of a network that the file itself says."""
    known = models.option_names(name)
    outputs = layers[-1].bias.size
    found = {"input_size": graph.size, "classes": outputs, "embedding": outputs}
    return {k: v for k, v in found.items() if k in known}


def _varied(
    model: keras.Model, name: str, options: dict[str, Any], spec: ModelSpec, images: Sequence[Image]
) -> keras.Model:
    if not images:
        raise ValueError("what another network starts from is measured on pictures: there are none")
    other = models.build(name, **options)
    if other.input_shape != model.input_shape:
        raise ValueError("the input keeps the file's size here; a training may have another")
    vary(model, other, tensors(model, spec, images))
    return other


def _pairs(path: Path, model: keras.Model, layers: Sequence[Linear], *, whole: bool) -> list[Pair]:
    targets = linear_targets(model)
    try:
        return match(targets, layers)
    except ModelFileError as error:
        last = whole and str(error).startswith(f"{targets[-1].layer.name} ")
        hint = "; without its top (--no-top) it fits" if last else ""
        raise ModelFileError(f"{path.name} is not a {model.name}: {error}{hint}") from error


def _spec(spec: ModelSpec, name: str) -> ModelSpec:
    """Return what the tensors of the new model mean.

    Raises:
        ModelFileError: The file's output is more than the network's own.
    """
    decoder = READ_HERE.get(spec.task)
    if decoder is None:
        raise ModelFileError(
            f"{spec.name} is for {spec.task}: only its backbone can be taken (--no-top)"
        )
    background = bool(spec.options.get("background"))
    return replace(
        spec,
        name=f"{name}_from_{spec.name}",
        decoder=decoder,
        input=replace(spec.input, color="rgb", mean=INPUT.mean, std=INPUT.std, size=None),
        outputs={},
        labels=spec.labels[background:],
        options={"softmax": True} if decoder == "classifier" else {},
    )


def tensors(model: keras.Model, spec: ModelSpec, images: Sequence[Image]) -> FloatArray:
    """Return pictures as a model's input, fitted as the spec says: float32 (N, H, W, 3)."""
    shape = (1, *model.inputs[0].shape[1:])
    given = replace(spec.input, color="rgb", mean=INPUT.mean, std=INPUT.std, size=None)
    plan = Plan(given, TensorSpec("image", shape, np.dtype(np.float32)))
    return np.concatenate([plan(image)[0] for image in images])
