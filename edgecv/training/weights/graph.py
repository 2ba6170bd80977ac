"""A model file as a graph of operators, whatever its format, and the linear layers in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from edgecv.errors import ModelFileError
from edgecv.types import FloatArray, Size

LINEAR, SCALE, SHIFT, PRELU, SAME = "linear", "scale", "shift", "prelu", "same"
"""The kinds of operators that matter; any other keeps the name that its format has for it."""

ACTIVATIONS = ("relu", "relu6", "relu_n1_to_1", "tanh", "hard_swish", "sigmoid", PRELU)


@dataclass(frozen=True)
class Operator:
    """One operator of a model file.

    Attributes:
        kind: "linear" (convolution or matrix product), "scale" (times a constant), "shift" (plus a
            constant), "prelu", "same" (hands its input on: quantization, padding), an activation,
            or anything else.
        name: Its name in the file.
        inputs: The tensors that go in, constants left out.
        outputs: The tensors that come out.
        kernel: Of a linear operator: float32 (height, width, inputs of a group, outputs).
        bias: Of a linear operator: float32 (outputs,).
        groups: Of a linear operator: as many as channels for a depthwise convolution.
        values: The constant of "scale" and "shift", the slopes of "prelu": float32, one or as many
            as channels.
        activation: What is fused into the operator; empty for nothing.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    kernel: FloatArray = field(default_factory=lambda: np.zeros((0, 0, 0, 0), np.float32))
    bias: FloatArray | None = None
    groups: int = 1
    values: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    activation: str = ""


@dataclass(frozen=True)
class Graph:
    """A model file.

    Attributes:
        name: The file's name.
        operators: In an order in which they can run.
        input: The name of the tensor that the picture goes into.
        size: The picture's size.
        quantized: Whether weights are kept as integers.
    """

    name: str
    operators: tuple[Operator, ...]
    input: str
    size: Size
    quantized: bool = False


@dataclass(frozen=True)
class Linear:
    """A convolution or matrix product with all that follows it linearly folded in.

    Attributes:
        name: Its name in the file.
        kernel: float32 (height, width, inputs of a group, outputs).
        bias: float32 (outputs,).
        groups: How many groups of channels there are.
        before: The places, in the list of layers, of those that its input is made of by anything
            but linear layers; empty for the picture.
        activation: What comes behind it; empty for nothing known.
        slopes: Of a PReLU behind it.
        output: The tensor that the layer gives, activation included.
    """

    name: str
    kernel: FloatArray
    bias: FloatArray
    groups: int
    before: frozenset[int]
    activation: str = ""
    slopes: FloatArray | None = None
    output: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        """The kernel's shape, with the groups where there are any."""
        return (*self.kernel.shape, *((self.groups,) if self.groups > 1 else ()))


def linear_layers(graph: Graph) -> list[Linear]:
    """Return the linear layers of a graph in its order.

    Constants that are added to or multiplied with a layer's output, which is what batch norm comes
    down to, are folded into it; those at the picture into the first layer. The latter is exact but
    for the border of a padded convolution: padding stands for another colour then.

    Raises:
        ModelFileError: The graph has no linear layer.
    """
    walk = _Walk(graph)
    for operator in graph.operators:
        walk.take(operator)
    if not walk.layers:
        raise ModelFileError(f"{graph.name} has no convolution and no matrix product")
    return walk.layers


class _Walk:
    """One pass over a graph: what is known of each tensor so far."""

    def __init__(self, graph: Graph) -> None:
        self.layers: list[Linear] = []
        self._above: dict[str, frozenset[int]] = {graph.input: frozenset()}
        self._owner: dict[str, int] = {}  # the layer whose output a tensor is, activation included
        self._open: set[str] = set()  # of those, the tensors with no activation yet
        one, zero = np.ones(1, np.float32), np.zeros(1, np.float32)
        self._picture = {graph.input: (one, zero)}  # the picture times a, plus b
        self._uses = Counter(name for op in graph.operators for name in set(op.inputs))

    def take(self, operator: Operator) -> None:
        """Take the next operator into account."""
        first = operator.inputs[0] if operator.inputs else ""
        known = [name for name in operator.inputs if name in self._above]
        if not known:
            return
        above = frozenset().union(*(self._above[name] for name in known))
        for name in operator.outputs:
            self._above[name] = above
        if operator.kind == LINEAR:
            self._add(operator, first)
        elif operator.kind == SAME:
            self._alias(first, operator.outputs)
        elif operator.kind in (SCALE, SHIFT):
            self._fold(operator, first)
        elif operator.kind in ACTIVATIONS and first in self._open and self._uses[first] == 1:
            self._activate(operator, first)

    def _add(self, operator: Operator, source: str) -> None:
        bias = operator.bias
        layer = Linear(
            operator.name,
            operator.kernel,
            np.zeros(operator.kernel.shape[3], np.float32) if bias is None else bias,
            operator.groups,
            self._above[source],
            operator.activation,
            output=operator.outputs[0],
        )
        if source in self._picture:
            scale, shift = self._picture[source]
            layer = after_affine(layer, scale, shift)
        self.layers.append(layer)
        self._own(operator.outputs[0], len(self.layers) - 1, still_open=not operator.activation)

    def _own(self, tensor: str, layer: int, *, still_open: bool) -> None:
        self._owner[tensor] = layer
        self._above[tensor] = frozenset([layer])
        if still_open:
            self._open.add(tensor)

    def _alias(self, source: str, outputs: Sequence[str]) -> None:
        for name in outputs:
            if source in self._owner:
                self._own(name, self._owner[source], still_open=source in self._open)
            if source in self._picture:
                self._picture[name] = self._picture[source]

    def _fold(self, operator: Operator, source: str) -> None:
        values, output = operator.values, operator.outputs[0]
        scales = operator.kind == SCALE
        if source in self._picture:
            a, b = self._picture[source]
            self._picture[output] = (a * values, b * values) if scales else (a, b + values)
            return
        index = self._owner.get(source)
        if index is None or source not in self._open or self._uses[source] > 1:
            return
        layer = self.layers[index]
        if values.size != layer.bias.size:
            return  # part of a hard sigmoid or the like
        if scales:
            layer = replace(layer, kernel=layer.kernel * values, bias=layer.bias * values)
        else:
            layer = replace(layer, bias=layer.bias + values)
        self._end(index, replace(layer, activation=operator.activation), operator)

    def _activate(self, operator: Operator, source: str) -> None:
        index = self._owner[source]
        slopes = operator.values if operator.kind == PRELU else None
        layer = replace(self.layers[index], activation=operator.kind, slopes=slopes)
        self._end(index, layer, replace(operator, activation=operator.kind))

    def _end(self, index: int, layer: Linear, operator: Operator) -> None:
        """Put a changed layer back; what `operator` gives is its output now."""
        output = operator.outputs[0]
        self.layers[index] = replace(layer, output=output)
        self._own(output, index, still_open=not operator.activation)


def after_affine(layer: Linear, scale: FloatArray, shift: FloatArray) -> Linear:
    """Return the layer that gives for x what `layer` gives for ``x * scale + shift``.

    Args:
        layer: A layer without groups.
        scale: float32, one or as many as the layer's inputs.
        shift: The same.
    """
    inputs = layer.kernel.shape[2]
    scales = np.broadcast_to(scale, inputs).astype(np.float32)
    shifts = np.broadcast_to(shift, inputs).astype(np.float32)
    added = np.einsum("hwio,i->o", layer.kernel.astype(np.float64), shifts)
    return replace(
        layer,
        kernel=layer.kernel * scales[:, None],
        bias=(layer.bias + added).astype(np.float32),
    )


def picture_size(name: str, shape: Sequence[int]) -> Size:
    """Return the size of the picture that a file takes.

    Args:
        name: The file's name.
        shape: Of its one input: (1, 3, H, W) or (1, H, W, 3).

    Raises:
        ModelFileError: It is neither.
    """
    if len(shape) == 4 and shape[1] == 3:
        return Size(shape[2], shape[3])
    if len(shape) == 4 and shape[3] == 3:
        return Size(shape[1], shape[2])
    raise ModelFileError(f"{name}: wanted one input, a picture in colours; got {list(shape)}")
