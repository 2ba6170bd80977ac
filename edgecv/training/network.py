"""The network that a recipe names: one of ours, one of Keras's, or a file of one's own."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import keras

from edgecv import modelfile, models
from edgecv.errors import unknown_name
from edgecv.models.graph import steps
from edgecv.models.loading import load_network
from edgecv.spec import InputSpec
from edgecv.training.data.geometry import INPUT
from edgecv.training.errors import CheckpointError, RecipeError
from edgecv.training.inputs import closed, copy_weights, input_of, unprepared

if TYPE_CHECKING:
    from edgecv.training.recipe import Recipe

APPLICATIONS = "keras.applications."
FILES = (".keras", ".h5")

SETTLED = {
    "classes", "classifier_activation", "include_top", "input_shape", "input_tensor", "name",
    "weights",
}  # fmt: skip
"""What a recipe says of a network of Keras's in other places than among its options."""

PREPARING = "include_preprocessing"

Pair: TypeAlias = "tuple[keras.Layer, keras.Layer]"
Shapes: TypeAlias = tuple[list[tuple[int, ...]], list[tuple[int, ...]]]


class Network(NamedTuple):
    """A network to be trained.

    Attributes:
        model: The network.
        backbone: Names of the layers that a transfer freezes and slows: all but the new head.
        input: How a picture becomes its input.
    """

    model: keras.Model
    backbone: frozenset[str]
    input: InputSpec


def open_network(recipe: Recipe, *, classes: int) -> Network:
    """Build a classifier with random weights, or with those of [model] weights.

    [model] name is one of `edgecv.models.MODELS`, "keras.applications.NAME", or a .keras or .h5
    file. A network that ends in features, or in other classes, gets a new last layer; one that ends
    in as many classes keeps the weights of its last. What comes out are logits: softmax is cut off.

    Args:
        recipe: The recipe.
        classes: The number of classes.

    Raises:
        RecipeError: The network cannot be built so.
        ModelFileError: A file cannot be read.
        CheckpointError: The weights are of another network.
        UnknownNameError: There is no network of that name, or it has no such option.
    """
    part = recipe.model
    if part.name.endswith(FILES):
        network = _own(Path(part.name), part.size, classes)
    elif part.name.startswith(APPLICATIONS):
        network = _application(part.name, part.size, part.options, classes)
    else:
        network = _ours(recipe, classes)
    if part.weights:
        take_weights(network.model, network.backbone, Path(part.weights))
    return network


def open_backbone(recipe: Recipe) -> Network:
    """Build the network of `edgecv.models` that a recipe names without its classifier.

    Raises:
        As `open_network`.
    """
    options = {**recipe.model.options, "include_top": False}
    model = _build(recipe.model.name, input_size=recipe.model.size, **options)
    names = frozenset(layer.name for layer in model.layers)
    if recipe.model.weights:
        take_weights(model, names, Path(recipe.model.weights))
    return Network(model, names, INPUT)


def take_head(model: keras.Model, recipe: Recipe) -> keras.Model:
    """Copy the head, too, of the file of [model] weights, where it has one that fits.

    So a training goes on from a whole trained network; a backbone's file leaves the head as it is.

    Args:
        model: A backbone of `open_backbone`, and a head on it.
        recipe: The recipe.

    Returns:
        `model`.

    Raises:
        ModelFileError: The file cannot be read.
    """
    if recipe.model.weights:
        take_weights(model, frozenset(), Path(recipe.model.weights))
    return model


def take_weights(model: keras.Model, wanted: frozenset[str], file: Path) -> None:
    """Copy weights from a trained file into the layers of the same names.

    Args:
        model: Takes the weights.
        wanted: The layers that have to be in the file. Others are copied where they fit.
        file: A .keras or .h5 file.

    Raises:
        ModelFileError: The file cannot be read.
        CheckpointError: It is of another network.
    """
    pairs, others = matched(model, load_network(file))
    for name, (ours, found) in others.items():
        if name in wanted:
            there = f"one of {found}" if found else "nothing of that name"
            raise CheckpointError(
                f"{file} is of another network: {model.name} has the layer {name} of {ours}, "
                f"and the file has {there}"
            )
    if not pairs:
        raise CheckpointError(f"{file} is of another network: no layer of {model.name} is in it")
    for layer, other in pairs:
        copy_weights(other, layer)


def matched(model: keras.Model, other: keras.Model) -> tuple[list[Pair], dict[str, Shapes]]:
    """Pair the layers with weights of two networks by their names and shapes.

    Returns:
        The pairs, of `model`'s layer and the other's; and by the name of each layer of `model`
        without one the shapes of its weights, and of those of that name in the other network: an
        empty list where there is none.
    """
    theirs = {layer.name: layer for layer in other.layers}
    pairs, missing = [], {}
    for layer in model.layers:
        ours = [tuple(weight.shape) for weight in layer.weights]
        twin = theirs.get(layer.name)
        found = [tuple(weight.shape) for weight in twin.weights] if twin is not None else []
        if ours and found == ours:
            pairs.append((layer, twin))
        elif ours:
            missing[layer.name] = ours, found
    return pairs, missing


def _ours(recipe: Recipe, classes: int) -> Network:
    part = recipe.model
    model = _build(part.name, input_size=part.size, classes=classes, **part.options)
    bare = _build(part.name, input_size=part.size, **{**part.options, "include_top": False})
    names = frozenset(layer.name for layer in bare.layers)
    return Network(model, names & {layer.name for layer in model.layers}, INPUT)


def _build(name: str, **options: Any) -> keras.Model:
    try:
        return models.build(name, **options)
    except (ValueError, TypeError) as error:
        raise RecipeError(f"[model] {name}: {error}") from error


def _application(name: str, size: tuple[int, int], options: Any, classes: int) -> Network:
    """Build a network of `keras.applications` with random weights, as a feature extractor."""
    known = [n for n in dir(keras.applications) if n[0].isupper()]
    short = name.removeprefix(APPLICATIONS)
    if short not in known:
        raise unknown_name(f"network in {APPLICATIONS[:-1]}", short, known)
    build = getattr(keras.applications, short)
    keys = set(inspect.signature(build).parameters)
    for key in options:
        if key not in keys - SETTLED:
            raise RecipeError(f"[model] {unknown_name(f'option of {name}', key, keys - SETTLED)}")
    bare_input = unprepared(short) if PREPARING in keys else None
    if bare_input is not None:
        options = {PREPARING: False, **options}
    try:
        bare = build(include_top=False, weights=None, input_shape=(*size, 3), **options)
    except (ValueError, TypeError) as error:
        raise RecipeError(f"[model] {name}: {error}") from error
    given = input_of(bare) if bare_input is None or options[PREPARING] else bare_input
    return _with_head(bare.inputs[0], bare.outputs[0], bare.name, classes, given)


def _own(file: Path, size: tuple[int, int], classes: int) -> Network:
    model = load_network(file)
    if isinstance(model.output, dict) or len(model.outputs) != 1 or len(model.inputs) != 1:
        raise RecipeError(f"{file}: wanted a network with one input and one output")
    try:
        given = input_of(model)
        model = closed(model, size)
    except (RecipeError, ValueError) as error:
        raise RecipeError(f"{file}: {error}") from error
    spec = modelfile.embedded_spec(file)
    given = given if spec is None else spec.input
    features, last = _ending(model)
    kept = last if last is not None and last.units == classes else None
    return _with_head(model.inputs[0], features, model.name, classes, given, kept)


def _ending(model: keras.Model) -> tuple[Any, keras.layers.Dense | None]:
    """Return what the last Dense takes, and that layer; of other networks what softmax takes."""
    made = {id(tensor): step for step in steps(model) for tensor in step.outputs}
    tensor = features = model.outputs[0]
    while (step := made.get(id(tensor))) is not None and len(step.inputs) == 1:
        layer, tensor = step.layer, step.inputs[0]
        if isinstance(layer, keras.layers.Dense) and len(tensor.shape) == 2:
            return tensor, layer
        if _is_softmax(layer):
            features = tensor
        elif not isinstance(layer, keras.layers.Dropout):
            break
    return features, None


def _is_softmax(layer: Any) -> bool:
    """Tell whether a layer, or an operation, turns logits into probabilities, or does nothing."""
    if type(layer).__name__ != "Activation":
        return type(layer).__name__ in ("LogSoftmax", "Softmax")
    plain = (keras.activations.get(name) for name in ("linear", "log_softmax", "softmax"))
    return layer.activation in plain


def _with_head(
    image: Any,
    features: Any,
    name: str,
    classes: int,
    given: InputSpec,
    kept: keras.layers.Dense | None = None,
) -> Network:
    """Put logits on top of features (B, H, W, C) or (B, C), with the weights of `kept`."""
    bare = keras.Model(image, features)
    names = frozenset(layer.name for layer in bare.layers)
    if len(features.shape) == 4:
        pool = keras.layers.GlobalAveragePooling2D(name=_unused("pool_to_logits", names))
        features = pool(features)
    if len(features.shape) != 2:
        raise RecipeError(f"{name}: wanted features of 2 or 4 axes, got {features.shape}")
    biased = kept is None or kept.use_bias
    head = keras.layers.Dense(classes, use_bias=biased, name=_unused("new_logits", names))
    model = keras.Model(image, head(features), name=name)
    if kept is not None:
        copy_weights(kept, head)
    return Network(model, names, given)


def _unused(name: str, names: frozenset[str]) -> str:
    """Return a name, with a number behind it where a layer has it already."""
    number, out = 1, name
    while out in names:
        number, out = number + 1, f"{name}_{number + 1}"
    return out
