"""A float TFLite graph made ready: a batch of one, activation functions inside their layers."""

from __future__ import annotations

from typing import Any

from edgecv.errors import ModelFileError
from edgecv.tflitegraph import OPERATOR, Graph, name_of

RELU, RELU6, NONE = 1, 3, 0  # ActivationFunctionType of schema.fbs
ACTIVATIONS = {OPERATOR.RELU: RELU, OPERATOR.RELU6: RELU6}
TAKE_ACTIVATIONS = {
    OPERATOR.ADD, OPERATOR.CONV_2D, OPERATOR.DEPTHWISE_CONV_2D, OPERATOR.FULLY_CONNECTED,
    OPERATOR.MUL, OPERATOR.SUB,
}  # fmt: skip


def prepared(data: bytes) -> bytes:
    """Return a float TFLite file with a batch of one and activations fused.

    A layer's values below zero need no steps where a RELU follows and takes them away.

    Raises:
        ModelFileError: Shapes other than the batch are open.
    """
    graph = Graph(data)
    _fix_batch(graph)
    _fuse(graph)
    return graph.packed()


def _fix_batch(graph: Graph) -> None:
    """Make an open batch one; the shapes in the file are those for it."""
    open_ = []
    for index in graph.inputs:
        tensor = graph.tensors[index]
        sides = [] if tensor.shapeSignature is None else [int(s) for s in tensor.shapeSignature]
        if any(side < 0 for side in sides[1:]) or (-1 in sides[:1] and tensor.shape[0] != 1):
            open_.append(f"{name_of(tensor)} {sides}")
    if open_:
        raise ModelFileError(
            f"its input {', '.join(open_)} has an open shape: export it with a fixed size"
        )
    for tensor in graph.tensors:
        tensor.shapeSignature = None


def _fuse(graph: Graph) -> None:
    for operator in list(graph.operators):
        if graph.code(operator) not in ACTIVATIONS:
            continue
        before = _only_maker(graph, operator.inputs[0])
        if before is not None and before.builtinOptions.fusedActivationFunction == NONE:
            before.builtinOptions.fusedActivationFunction = ACTIVATIONS[graph.code(operator)]
            before.outputs = operator.outputs
            graph.operators = [other for other in graph.operators if other is not operator]


def _only_maker(graph: Graph, index: int) -> Any | None:
    """Return the operator that makes a tensor for one other alone, if it can take a function in."""
    users = [operator for operator in graph.operators if index in operator.inputs]
    makers = [operator for operator in graph.operators if index in operator.outputs]
    if len(users) != 1 or len(makers) != 1 or index in graph.outputs:
        return None
    (maker,) = makers
    can = graph.code(maker) in TAKE_ACTIVATIONS and maker.builtinOptions is not None
    return maker if can else None
