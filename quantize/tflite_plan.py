"""Which operators of a float TFLite file become integers, and on which scale each tensor lies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from edgecv.errors import ModelFileError
from edgecv.tflitegraph import OPERATOR, TYPE, Graph, name_of
from edgecv.types import Quant

from .names import matching
from .ranges import Range
from .recipe import QuantRecipe
from .tflite_rules import FIXED, LAYERS, SAME_SCALE, fixed_quant, has_rule, range_to_quant


class Plan(NamedTuple):
    """How a graph is to be quantized.

    Attributes:
        floats: Places of operators that stay in float.
        quants: Scale and zero point of each computed tensor that is wanted as integers, by index.
        made: Those of tensors that their operator gives on another scale than `quants` has.
    """

    floats: frozenset[int]
    quants: Mapping[int, Quant]
    made: Mapping[int, Quant]


def check_graph(graph: Graph, recipe: QuantRecipe) -> frozenset[int]:
    """Refuse a graph that cannot be quantized; return the operators that stay in float.

    Raises:
        ModelFileError: It is not a float32 graph, or it has operators without a
            rule, all of which are named; or `keep_float` names what is not there.
    """
    types = {tensor.type for tensor in graph.tensors}
    if types & {TYPE.INT8, TYPE.UINT8, TYPE.INT16}:
        raise ModelFileError("it is quantized already: wanted the float32 file")
    if TYPE.FLOAT16 in types:
        raise ModelFileError("its weights are float16: wanted the float32 file")
    if TYPE.FLOAT32 not in types or len(graph.inputs) != 1:
        raise ModelFileError(f"wanted a model of one float32 input, it has {len(graph.inputs)}")
    kept = _kept(graph, recipe.keep_float)
    unknown = [
        f"{graph.name(operator)} ({name_of(graph.tensors[operator.outputs[0]])})"
        for place, operator in enumerate(graph.operators)
        if place not in kept and works_on_floats(graph, operator) and not _can(graph, operator)
    ]
    if unknown:
        raise ModelFileError(
            f"there is no integer form of {len(unknown)} operators: {', '.join(unknown)}; "
            "keep_float takes these names and leaves them in float32"
        )
    return frozenset(kept)


def _can(graph: Graph, operator: Any) -> bool:
    """Tell whether there is a rule, and a layer's weights are constants."""
    layer = LAYERS.get(graph.code(operator))
    if layer is None:
        return has_rule(graph, operator)
    return graph.values(operator.inputs[layer.weights]) is not None


def _kept(graph: Graph, patterns: Iterable[str]) -> set[int]:
    """Return the operators that custom ones or the recipe leave in float."""
    kept = {
        place
        for place, operator in enumerate(graph.operators)
        if graph.code(operator) == OPERATOR.CUSTOM and has_rule(graph, operator)
    }
    names = {
        place: [name_of(graph.tensors[i]) for i in operator.outputs]
        for place, operator in enumerate(graph.operators)
    }
    return kept | set(matching(names, patterns))


def works_on_floats(graph: Graph, operator: Any) -> bool:
    """Tell whether an operator has to do with floats at all: sums over shapes do not."""
    ends = [*operator.inputs, *operator.outputs]
    return any(i >= 0 and graph.tensors[i].type == TYPE.FLOAT32 for i in ends)


def computed_floats(graph: Graph, indices: Iterable[int]) -> list[int]:
    """Return those tensors that are float32 and no constants."""
    return [
        i for i in indices
        if i >= 0 and graph.tensors[i].type == TYPE.FLOAT32 and graph.values(i) is None
    ]  # fmt: skip


def observed(graph: Graph) -> list[int]:
    """Return the tensors whose range has to be known: all floats that are computed."""
    ends = [i for operator in graph.operators for i in operator.outputs]
    return list(dict.fromkeys(computed_floats(graph, [*graph.inputs, *ends])))


def make_plan(
    graph: Graph, floats: frozenset[int], ranges: Mapping[int, Range], recipe: QuantRecipe
) -> Plan:
    """Give every tensor a scale, and the same one to those that must share it."""
    groups = _groups(graph, floats)
    fixed = _fixed(graph, floats, recipe.activations)
    copied = {i for operator in _of_kind(graph, floats, SAME_SCALE) for i in operator.outputs}
    quants: dict[int, Quant] = {}
    made: dict[int, Quant] = {}
    for members in groups:
        wanted = {fixed[i] for i in members if i in fixed}
        free = [i for i in members if i not in fixed and i not in copied]
        if len(wanted) == 1 and not free:
            quants |= dict.fromkeys(members, wanted.pop())
            continue
        spans = [ranges[i] for i in members] + _constants(graph, floats, members)
        low, high = min(s.low for s in spans), max(s.high for s in spans)
        quants |= dict.fromkeys(members, range_to_quant(low, high, recipe.activations))
        made |= {i: fixed[i] for i in members if i in fixed}
    return Plan(floats, quants, made)


def _groups(graph: Graph, floats: frozenset[int]) -> list[list[int]]:
    """Return the tensors that share a scale, in groups."""
    parent = {i: i for i in observed(graph)}

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for operator in _of_kind(graph, floats, SAME_SCALE):
        first, *others = computed_floats(graph, [*operator.outputs, *operator.inputs])
        for other in others:
            parent[root(other)] = root(first)
    groups: dict[int, list[int]] = {}
    for index in parent:
        groups.setdefault(root(index), []).append(index)
    return list(groups.values())


def _of_kind(graph: Graph, floats: frozenset[int], kinds: Iterable[int]) -> list[Any]:
    """Return the operators of some kinds that become integers and have to do with floats."""
    wanted = set(kinds)
    return [
        operator
        for place, operator in enumerate(graph.operators)
        if place not in floats
        and graph.code(operator) in wanted
        and computed_floats(graph, operator.outputs)
    ]


def _fixed(graph: Graph, floats: frozenset[int], activations: str) -> dict[int, Quant]:
    """Return the scales that operators prescribe for what they give."""
    found = {}
    for operator in _of_kind(graph, floats, FIXED):
        quant = fixed_quant(graph.code(operator), activations)
        if quant is not None:
            found[operator.outputs[0]] = quant
    return found


def _constants(graph: Graph, floats: frozenset[int], members: list[int]) -> list[Range]:
    """Return the ranges of constants that are joined to, or compared with, a group's tensors."""
    spans = []
    for operator in _of_kind(graph, floats, SAME_SCALE):
        if operator.outputs[0] in members:
            for index in operator.inputs:
                if index < 0 or graph.tensors[index].type != TYPE.FLOAT32:
                    continue  # paddings and axes, of whatever integers
                if (values := graph.values(index)) is not None:
                    spans.append(Range(float(values.min()), float(values.max())))
    return spans
