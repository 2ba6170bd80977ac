"""A Keras model as a list of steps: what runs in which order, on what, over which window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import keras
from keras import layers

CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)
POOLINGS = (layers.MaxPooling2D, layers.AveragePooling2D)
PADDINGS = (layers.ZeroPadding2D, layers.Cropping2D)
REORDERINGS = (layers.Reshape, layers.Permute)  # of maps in models: there and back again

Ratio = int | Fraction


class Step(NamedTuple):
    """One call of a layer: its input and output tensors, which `id` tells apart."""

    layer: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]


class Window(NamedTuple):
    """What a step sees of its input and how far it moves; (height, width) each, in input steps.

    A stride below 1 is that of a step which enlarges.
    """

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[Ratio, Ratio] = (1, 1)
    dilation: tuple[int, int] = (1, 1)


def steps(model: keras.Model) -> list[Step]:
    """Return the steps of a functional or sequential model in the order in which Keras runs them.

    A model inside the model is one step.

    Raises:
        ValueError: The model has no graph: it is subclassed, or was never built.
    """
    functional = getattr(model, "_functional", None) or model  # a Sequential holds one
    nodes: Mapping[int, Sequence[Any]] | None = getattr(functional, "_nodes_by_depth", None)
    if nodes is None:
        raise ValueError(
            f"{model.name} is no functional or sequential Keras model that was built: it has no "
            "graph of layers"
        )
    return [
        Step(node.operation, tuple(node.arguments.keras_tensors), tuple(node.outputs))
        for depth in sorted(nodes, reverse=True)
        for node in nodes[depth]
        if not node.is_input
    ]


def flat_steps(model: keras.Model) -> list[Step]:
    """Return the steps of a model with those of the models inside it in their places.

    Raises:
        ValueError: The model has no graph.
    """
    return flat_graph(model)[0]


def flat_graph(model: keras.Model) -> tuple[list[Step], list[Any]]:
    """Return what `flat_steps` does, and which tensors of these steps are the model's outputs.

    Raises:
        ValueError: The model has no graph.
    """
    return _flat(model, model.inputs, set())


def _flat(model: keras.Model, given: Sequence[Any], seen: set[int]) -> tuple[list[Step], list[Any]]:
    """Return the steps of a model on given tensors, and its outputs."""
    made = {id(own): tensor for own, tensor in zip(model.inputs, given, strict=True)}
    flat: list[Step] = []
    for step in steps(model):
        inputs = tuple(made.get(id(tensor), tensor) for tensor in step.inputs)
        outputs: Sequence[Any] = step.outputs
        if isinstance(step.layer, keras.Model):
            part, outputs = _flat(_called(step.layer, inputs, seen), inputs, seen)
            flat += part
        else:
            flat.append(Step(step.layer, inputs, step.outputs))
        made |= {id(own): tensor for own, tensor in zip(step.outputs, outputs, strict=True)}
    return flat, [made[id(tensor)] for tensor in model.outputs]


def _called(inner: keras.Model, inputs: Sequence[Any], seen: set[int]) -> keras.Model:
    """Return a model inside a model as it is called: a copy where its own graph is for others."""
    steps(inner)
    same = [tensor.shape for tensor in inner.inputs] == [tensor.shape for tensor in inputs]
    if same and id(inner) not in seen:
        seen.add(id(inner))
        return inner
    return with_inputs(inner, [tensor.shape for tensor in inputs])


def with_inputs(model: keras.Model, shapes: Sequence[tuple[int | None, ...]]) -> keras.Model:
    """Return a copy of a model, with weights of its own, for inputs of other shapes."""
    inputs = [keras.Input(batch_shape=shape) for shape in shapes]
    return keras.models.clone_model(model, inputs[0] if len(inputs) == 1 else inputs)


def window(step: Step) -> Window | None:
    """Return the window of a step: 1x1 where none is known; None for all of the picture."""
    layer = step.layer
    if isinstance(layer, layers.Conv2DTranspose):
        up = layer.strides  # one output value is made of every up-th value of the kernel
        high, wide = (-(-side // n) for side, n in zip(layer.kernel_size, up, strict=True))
        return Window((high, wide), (Fraction(1, up[0]), Fraction(1, up[1])))
    if isinstance(layer, CONVOLUTIONS):
        return Window(layer.kernel_size, layer.strides, layer.dilation_rate)
    if isinstance(layer, POOLINGS):
        return Window(layer.pool_size, layer.strides)
    if isinstance(layer, layers.UpSampling2D):
        kernel = 1 if layer.interpolation == "nearest" else 2
        return Window((kernel, kernel), (Fraction(1, layer.size[0]), Fraction(1, layer.size[1])))
    if isinstance(layer, PADDINGS):
        return Window()
    if isinstance(layer, REORDERINGS) and len(step.outputs[0].shape) > 2:
        return Window()
    return _by_shape(step)


def _by_shape(step: Step) -> Window | None:
    """Return the window of a step of no known kind from the shapes before and after it."""
    maps = [tensor.shape for tensor in step.inputs if is_map(tensor)]
    after = step.outputs[0].shape
    if not maps or not is_map(step.outputs[0]) or tuple(after[1:3]) == (1, 1) != maps[0][1:3]:
        return None
    if None in (*maps[0][1:3], *after[1:3]):
        return Window()
    return Window((1, 1), (_ratio(maps[0][1], after[1]), _ratio(maps[0][2], after[2])))


def _ratio(before: int, after: int) -> Ratio:
    """Return the stride between two sides: whole, or one over a whole number."""
    return round(before / after) if before >= after else Fraction(1, round(after / before))


def is_map(tensor: Any) -> bool:
    """Return whether a tensor is (B, H, W, C)."""
    return len(tensor.shape) == 4


def cuts(plan: Sequence[Step]) -> Iterator[Any]:
    """Give the tensors that everything behind them is made of, in their order.

    The output of a residual block is one; a tensor inside the block, beside the shortcut, is not.
    """
    waiting = {id(tensor): 0 for step in plan for tensor in step.inputs}
    for step in plan:
        for tensor in step.inputs:
            waiting[id(tensor)] += 1
    live: set[int] = set()
    for step in plan:
        for tensor in step.inputs:
            live.add(id(tensor))
        for tensor in step.inputs:
            waiting[id(tensor)] -= 1
            if not waiting[id(tensor)]:
                live.discard(id(tensor))
        if not live and len(step.outputs) == 1:
            yield step.outputs[0]
        live |= {id(tensor) for tensor in step.outputs if waiting.get(id(tensor))}
