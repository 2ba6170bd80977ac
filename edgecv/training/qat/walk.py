"""A network built anew step by step, with a range on every tensor that TFLite wants one for.

TFLite's operators give their outputs rounded once, behind the activation that is fused with them.
Operators that move values about (reshape, pad, maxima) keep the range of what they are given, and
those that mix neighbours (mean pooling, bilinear resize) round to it. The inputs of a concatenation
have the range of its output: what leads nowhere else gets it from there, what does is rounded anew.
"""

from __future__ import annotations

from typing import Any

import keras

from edgecv.models.graph import Step, flat_graph
from edgecv.training.qat.layers import FakeQuant

MOVING = (
    "Reshape", "Flatten", "Permute", "MaxPooling2D", "ZeroPadding2D", "Cropping2D", "Dropout",
    "SpatialDropout2D", "Transpose", "Squeeze", "ExpandDims", "GetItem", "Split",
)  # fmt: skip
"""Kinds of layers and operations whose output has no value that their input has not, besides 0."""


class Walk:
    """A network and its twin, as far as it is built.

    Args:
        model: The network: functional or sequential.
        momentum: Of the ranges' moving averages.
        input_range: The least and greatest value of the inputs; None where a range shall tell.
    """

    def __init__(
        self, model: keras.Model, *, momentum: float, input_range: tuple[float, float] | None
    ) -> None:
        self.model, self.momentum = model, momentum
        self.steps, ends = flat_graph(model)
        self._uses: dict[int, list[Step]] = {}
        for step in self.steps:
            for tensor in step.inputs:
                self._uses.setdefault(id(tensor), []).append(step)
        self._outputs = {id(own): end for own, end in zip(model.outputs, ends, strict=True)}
        self._ends = set(map(id, ends))
        self._made: dict[int, Any] = {}
        self._ranges: dict[int, FakeQuant | None] = {}
        self._names: set[str] = set()
        self.inputs = [self._input(tensor, input_range) for tensor in model.inputs]

    def twin(self) -> keras.Model:
        """Return the network that was built, with the inputs and outputs of the other one."""
        given = functional(self.model)._inputs_struct  # as its author named and nested them
        new = dict(zip(map(id, self.model.inputs), self.inputs, strict=True))
        inputs = keras.tree.map_structure(lambda tensor: new[id(tensor)], given)
        outputs = keras.tree.map_structure(
            lambda tensor: self._made[id(self._outputs[id(tensor)])],
            functional(self.model)._outputs_struct,
        )
        return keras.Model(inputs, outputs, name=self.model.name)

    def given(self, step: Step) -> Any:
        """Return what a step works on, in the new network: a tensor, or a list of them."""
        made = [self._made[id(tensor)] for tensor in step.inputs]
        return made[0] if len(made) == 1 else made

    def is_done(self, step: Step) -> bool:
        """Tell whether a step was folded into one before it."""
        return id(step.outputs[0]) in self._made

    def next(self, step: Step) -> Step | None:
        """Return the step that alone needs a step's one output; None where there is none."""
        if len(step.outputs) != 1 or id(step.outputs[0]) in self._ends:
            return None
        uses = self._uses.get(id(step.outputs[0]), [])
        return uses[0] if len(uses) == 1 else None

    def name(self, wanted: str) -> str:
        """Return a name that no other layer has: inner models may have layers of the same names."""
        name, number = wanted, 0
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name

    def inner(self, step: Step) -> str:
        """Return the name for a layer that is followed by a range.

        The last layer of a network with one output gives it its name, which is the range's then.
        """
        ends = id(step.outputs[0]) in self._ends
        return self.name(f"{step.layer.name}_raw" if ends else step.layer.name)

    def give(
        self, step: Step, x: Any, *, fuses: bool = False, fixed: tuple[float, float] | None = None
    ) -> None:
        """Take note of a step's output, and give it a range where it needs one.

        Args:
            step: The step, or the last one that was folded into it.
            x: Its output in the new network.
            fuses: TFLite fuses a ReLU behind it.
            fixed: The range, where TFLite knows no other.
        """
        key = id(step.outputs[0])
        after = self.next(step)
        if fuses and after is not None and is_relu(after):
            self._made[key], self._ranges[key] = x, None
            return
        if fixed is None and self._is_deferred(after):
            self._made[key], self._ranges[key] = x, None
            return
        name = step.layer.name if key in self._ends else f"{step.layer.name}_range"
        layer = FakeQuant(fixed=fixed, momentum=self.momentum, name=self.name(name))
        self._made[key], self._ranges[key] = layer(x), layer

    def pass_on(self, step: Step, made: Any, *, rounds: bool = False) -> None:
        """Take note of a step whose outputs have the range of its input.

        Args:
            step: The step.
            made: Its outputs in the new network.
            rounds: Its values are between those of the range, and are rounded to it.
        """
        layer = self._ranges[id(step.inputs[0])]
        outputs = made if isinstance(made, (list, tuple)) else [made]
        for tensor, new in zip(step.outputs, outputs, strict=True):
            self._ranges[id(tensor)] = layer
            if rounds and layer is not None:
                new = layer(new, follow=True)
            self._made[id(tensor)] = new

    def ranged(self, x: Any, name: str, fixed: tuple[float, float] | None = None) -> Any:
        """Return a tensor inside of a step, rounded."""
        return FakeQuant(fixed=fixed, momentum=self.momentum, name=self.name(name))(x)

    def skip(self, step: Step, like: Step) -> None:
        """Take note that a step gives what another one gives: it was folded into that one."""
        self._made[id(step.outputs[0])] = self._made[id(like.outputs[0])]
        self._ranges[id(step.outputs[0])] = self._ranges[id(like.outputs[0])]

    def called(self, step: Step, *, last: bool = False) -> Any:
        """Return the outputs of an operation or of a layer without weights, on the new tensors.

        Args:
            step: The operation or layer.
            last: No range of its own follows.
        """
        if isinstance(step.layer, keras.Layer):
            name = self.name(step.layer.name) if last else self.inner(step)
            config = {**step.layer.get_config(), "name": name, "dtype": "float32"}
            return type(step.layer).from_config(config)(self.given(step))
        history = step.outputs[0]._keras_history
        node = history.operation._inbound_nodes[history.node_index]
        old = zip(node.arguments.keras_tensors, step.inputs, strict=True)
        args, kwargs = node.arguments.fill_in({id(o): self._made[id(n)] for o, n in old})
        return step.layer(*args, **kwargs)

    def _input(self, tensor: Any, known: tuple[float, float] | None) -> Any:
        new = keras.Input(batch_shape=tensor.shape, dtype=tensor.dtype, name=self.name(tensor.name))
        layer = FakeQuant(
            fixed=known, momentum=self.momentum, name=self.name(f"{tensor.name}_range")
        )
        self._made[id(tensor)], self._ranges[id(tensor)] = layer(new), layer
        return new

    def _is_deferred(self, step: Step | None) -> bool:
        """Tell whether a tensor's values go into a concatenation, and nowhere else."""
        while step is not None and kind(step) in MOVING and len(step.outputs) == 1:
            step = self.next(step)
        return step is not None and kind(step) == "Concatenate"


def functional(model: keras.Model) -> Any:
    """Return the functional network that a sequential one holds; others as they are."""
    return getattr(model, "_functional", None) or model


def kind(step: Step) -> str:
    """Return the name of a step's class."""
    return type(step.layer).__name__


def activation(layer: Any) -> str:
    """Return the name of a layer's activation: "linear" where there is none."""
    function = getattr(layer, "activation", None)
    if function is None:
        return "linear"
    name = keras.activations.serialize(function)
    return name if isinstance(name, str) else str(name.get("class_name"))


def is_relu(step: Step) -> bool:
    """Tell whether a step is a ReLU that TFLite fuses with the operator before it."""
    if kind(step) in ("Relu", "Relu6"):
        return True
    if kind(step) == "Activation":
        return activation(step.layer) in ("relu", "relu6")
    return kind(step) == "ReLU" and is_plain(step.layer)


def is_plain(layer: Any) -> bool:
    """Tell whether a ReLU is one of TFLite's: without a slope, and with no limit or that of 6."""
    return layer.max_value in (None, 6) and not layer.negative_slope and not layer.threshold
