"""Weights of a model file put into a Keras model of the same structure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import keras
import numpy as np

from edgecv.errors import ModelFileError
from edgecv.models.graph import steps
from edgecv.spec import InputSpec
from edgecv.training.data.geometry import INPUT
from edgecv.training.weights.graph import Linear, after_affine
from edgecv.types import Array, FloatArray

LINEAR = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


@dataclass
class Target:
    """A linear layer of a Keras model with the batch norm and the activation behind it.

    Attributes:
        layer: A convolution, a depthwise convolution or a dense layer.
        before: The places, in the list of layers, of those that its input is made of.
        norm: The batch norm behind it, if any.
        activation: The name of what comes behind it; empty for nothing known.
        prelu: That layer, where it is a PReLU.
    """

    layer: Any
    before: frozenset[int]
    norm: Any = None
    activation: str = ""
    prelu: Any = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The kernel's shape as `Linear.shape` counts."""
        shape = tuple(self.layer.kernel.shape)
        if isinstance(self.layer, keras.layers.Dense):
            return (1, 1, *shape)
        if isinstance(self.layer, keras.layers.DepthwiseConv2D):
            height, width, channels, multiplier = shape
            return (height, width, 1, channels * multiplier, channels)
        groups = self.layer.groups
        return (*shape, groups) if groups > 1 else shape


class Pair(NamedTuple):
    """A layer of ours and the one of the file that it takes its weights from."""

    target: Target
    source: Linear


def linear_targets(model: keras.Model) -> list[Target]:
    """Return the linear layers of a Keras model in the order in which it runs.

    Raises:
        ValueError: The model has no graph, or a layer with weights that no file of folded batch
            norms could fill.
    """
    found: list[Target] = []
    above: dict[int, frozenset[int]] = {}
    owner: dict[int, int] = {}
    for step in steps(model):
        names = [id(tensor) for tensor in step.inputs]
        before = frozenset().union(*(above.get(name, frozenset()) for name in names))
        out, layer = id(step.outputs[0]), step.layer
        if isinstance(layer, LINEAR):
            found.append(Target(layer, before))
            owner[out], above[out] = len(found) - 1, frozenset([len(found) - 1])
            continue
        above |= {id(tensor): before for tensor in step.outputs}
        index = owner.get(names[0]) if len(names) == 1 else None
        if index is not None and _attach(found[index], layer):
            owner[out] = index
        elif getattr(layer, "weights", None):
            raise ValueError(f"{layer.name}: no weights of a {type(layer).__name__} can be taken")
    return found


def _attach(target: Target, layer: Any) -> bool:
    """Note what follows a linear layer; tell whether it was of the kinds that may."""
    if isinstance(layer, keras.layers.BatchNormalization) and not target.activation:
        target.norm = layer
    elif isinstance(layer, keras.layers.PReLU) and not target.activation:
        target.activation, target.prelu = "prelu", layer
    elif isinstance(layer, keras.layers.ReLU) and not target.activation:
        target.activation = "relu6" if layer.max_value == 6 else "relu"
    else:
        return False
    return True


def match(targets: Sequence[Target], sources: Sequence[Linear]) -> list[Pair]:
    """Pair each layer of ours with one of the file, by structure.

    Two layers belong together where what they are fed with does and their kernels are of one shape;
    the first that fits is taken. What the file has besides (the heads of a detector) is left out.

    Raises:
        ModelFileError: A layer finds no counterpart: the text names it and both shapes.
    """
    partner: dict[int, int] = {}
    for place, target in enumerate(targets):
        wanted = frozenset(partner[index] for index in target.before)
        taken = set(partner.values())
        near = [i for i, s in enumerate(sources) if s.before == wanted and i not in taken]
        fits = [i for i in near if sources[i].shape == target.shape]
        if not fits:
            raise ModelFileError(_misfit(target, [sources[i] for i in near]))
        partner[place] = fits[0]
    return [Pair(target, sources[partner[place]]) for place, target in enumerate(targets)]


def _misfit(target: Target, near: Sequence[Linear]) -> str:
    wanted = f"{target.layer.name} wants a kernel of {_text(target.shape)}"
    if not near:
        return f"{wanted}, and the file has no layer left at its place"
    there = ", ".join(f"{s.name or 'a nameless layer'} of {_text(s.shape)}" for s in near[:3])
    return f"{wanted}, and at its place the file has {there}"


def _text(shape: Sequence[int]) -> str:
    height, width, inputs, outputs, *groups = shape
    text = f"{height}x{width}x{inputs}x{outputs}"
    return f"{text} in {groups[0]} groups" if groups else text


def differences(pairs: Sequence[Pair]) -> Iterator[str]:
    """Yield the activations in which the file and the model differ, as far as the file says."""
    for target, source in pairs:
        theirs = source.activation
        if theirs and target.activation and theirs != target.activation and not (
            target.prelu is not None and theirs == "relu"
        ):  # fmt: skip
            yield f"{target.layer.name} has {target.activation}, the file {theirs}"


def for_our_input(layer: Linear, given: InputSpec) -> Linear:
    """Return a first layer that takes pictures as our models do: RGB, -1..1.

    Args:
        layer: The file's first layer.
        given: How the file wants its pictures.

    Raises:
        ModelFileError: The file takes grey pictures.
    """
    if given.color == "grey":
        raise ModelFileError("the file takes grey pictures, and the models here take colours")
    mean, std, offset, ours = (
        np.asarray(values, np.float32) for values in (given.mean, given.std, INPUT.mean, INPUT.std)
    )
    made = after_affine(layer, ours / std, (offset - mean) / std)
    if given.color == "bgr":
        made = replace(made, kernel=np.ascontiguousarray(made.kernel[:, :, ::-1]))
    return made


def without_first_class(layer: Linear) -> Linear:
    """Return a classifier without its first class, the background."""
    return replace(layer, kernel=layer.kernel[..., 1:], bias=layer.bias[1:])


def take(pairs: Sequence[Pair]) -> None:
    """Write the weights of a file into our layers.

    A batch norm becomes ``x + bias``: scale one, mean zero, variance one. It has the file's output;
    what training needs besides, the statistics of pictures, comes with `settle`.

    Raises:
        ModelFileError: A layer of ours has no place for a bias that is not zero.
    """
    for target, source in pairs:
        target.layer.kernel.assign(source.kernel.reshape(target.layer.kernel.shape))
        if target.norm is not None:
            if target.layer.use_bias:
                target.layer.bias.assign(np.zeros_like(source.bias))
            channels = source.bias.size
            unit = np.full(channels, 1 - target.norm.epsilon, np.float32)
            _set_norm(target.norm, np.zeros(channels, np.float32), unit, source.bias)
        elif target.layer.use_bias:
            target.layer.bias.assign(source.bias)
        elif source.bias.any():
            raise ModelFileError(f"{target.layer.name} has no bias, and {source.name} has one")
        _take_slopes(target, source)


def _take_slopes(target: Target, source: Linear) -> None:
    if target.prelu is None:
        return
    alpha = target.prelu.alpha
    slopes = np.zeros(1, np.float32) if source.slopes is None else source.slopes
    alpha.assign(np.broadcast_to(slopes, alpha.shape).astype(np.float32))


def _set_norm(norm: Any, mean: FloatArray, variance: FloatArray, bias: FloatArray) -> None:
    """Make a batch norm add `bias`, whatever the statistics that it goes by."""
    root = np.sqrt(variance + norm.epsilon)
    if norm.scale:
        norm.gamma.assign(root)
    elif not np.allclose(root, 1):
        raise ValueError(f"{norm.name} has no scale, and cannot keep a layer as it is")
    if norm.center:
        norm.beta.assign(mean + bias)
    elif (mean + bias).any():
        raise ModelFileError(f"{norm.name} has no offset, and the file has a bias there")
    norm.moving_mean.assign(mean)
    norm.moving_variance.assign(variance)


def settle(model: keras.Model, images: Array, *, batch: int = 16) -> None:
    """Measure on pictures what each batch norm goes by, and leave the model's outputs as they are.

    Without it, the first step of a training that does not freeze batch norm would divide by the
    spread of real pictures where the file's weights expect no division. Scale and offset of each
    batch norm become those that undo its statistics.

    Args:
        model: A model that `take` has filled.
        images: float32 (N, H, W, 3), as the model takes them.
        batch: How many go through at once.
    """
    norms = [
        (step.layer, step.inputs[0])
        for step in steps(model)
        if isinstance(step.layer, keras.layers.BatchNormalization) and step.layer.scale
    ]
    if not norms:
        return
    probe = keras.Model(model.input, {str(i): tensor for i, (_, tensor) in enumerate(norms)})
    sums = [np.zeros((2, tensor.shape[-1])) for _, tensor in norms]
    pixels = np.zeros(len(norms))
    for start in range(0, len(images), batch):
        made = probe(images[start : start + batch], training=False)
        for place in range(len(norms)):
            values = made[str(place)]
            flat = values.numpy().reshape(-1, values.shape[-1]).astype(np.float64)
            sums[place] += flat.sum(0), np.square(flat).sum(0)
            pixels[place] += len(flat)
    for (norm, _), total, count in zip(norms, sums, pixels, strict=True):
        mean = (total[0] / count).astype(np.float32)
        variance = np.maximum(total[1] / count - np.square(mean), 1e-6).astype(np.float32)
        bias = _offset(norm)
        _set_norm(norm, mean, variance, bias)


def _offset(norm: Any) -> FloatArray:
    """Return what a batch norm that undoes its statistics adds."""
    out: FloatArray = norm.beta.numpy() - norm.moving_mean.numpy()
    return out
