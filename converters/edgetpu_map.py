"""Which operators of a TFLite file the Edge TPU's compiler would take, told without the compiler.

The compiler makes one part of a model into one operator for the Edge TPU; once an operator cannot
go there, neither can what comes after it (https://coral.ai/docs/edgetpu/models-intro, "Compiling").
"After" is taken to follow the data and not the order in the file, because the compiler's messages
are those of TFLite's delegates, which divide a graph so (tensorflow/lite/graph_info.cc); in both
pairs of plain and compiled files that the project has, the two are the same. What has to run before
the part, such as the QUANTIZE of a model that takes floats, stays on the CPU and ends nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from edgecv.errors import ModelFileError
from edgecv.modelfile import EDGETPU_OPERATOR
from edgecv.tflitegraph import TYPE, Graph, name_of
from edgecv.types import Array

from .edgetpu_rules import EIGHT_BITS, Operation, Tensor, caution, refusal, too_new
from .plan import Placed, Plan

EDGE_TPU, CPU = "Edge TPU", "CPU"
TYPE_NAMES = {code: name for name, code in vars(TYPE).items() if isinstance(code, int)}
ITEM_BYTES = {"FLOAT32": 4, "INT32": 4, "INT64": 8, "FLOAT64": 8, "FLOAT16": 2, "INT16": 2}


def plan_file(path: Path) -> Plan:
    """Return where the operators of a .tflite file run, by the compiler's published rules.

    Of a file that the compiler made, it is what the compiler left on the CPU.

    Raises:
        ModelFileError: The file is damaged, or has several subgraphs.
    """
    try:
        data = path.read_bytes()
        return plan_model(data)
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    except ModelFileError as error:
        raise ModelFileError(f"{path.name}: {error}") from error


def plan_model(data: bytes) -> Plan:
    """Return where the operators of a TFLite file's bytes run.

    Raises:
        ModelFileError: It is damaged, or has several subgraphs.
    """
    graph = Graph(data)
    operations = read_operations(graph, data)
    if any(operation.kind == EDGETPU_OPERATOR for operation in operations):
        return _compiled(operations)
    reasons = [refusal(operation) for operation in operations]
    sources = _sources(graph)
    taken = _partition(sources, [not reason for reason in reasons])
    causes = _causes(sources, taken)
    weights = _parameter_bytes(graph)
    placed = []
    for i, operation in enumerate(operations):
        reason = reasons[i]
        if not reason and i not in taken:
            reason = _behind(operations[causes[i]])
        placed.append(_placed(operation, EDGE_TPU if i in taken else CPU, reason, weights[i]))
    return Plan(EDGE_TPU, tuple(placed), notes=tuple(_notes(graph, operations, taken)))


def read_operations(graph: Graph, data: bytes) -> list[Operation]:
    """Return a graph's operators as rules look at them.

    Args:
        graph: The graph.
        data: The file that it was read from.
    """
    computed = _computed(graph)
    codes = schema.Model.GetRootAs(data, 0)
    tensors: dict[int, Tensor] = {}

    def read(indices: Sequence[int]) -> tuple[Tensor, ...]:
        for index in indices:
            if index >= 0 and index not in tensors:
                tensors[index] = _tensor(graph, index, index not in computed)
        return tuple(tensors[index] for index in indices if index >= 0)

    return [
        Operation(
            graph.name(operator),
            read([i for i in operator.inputs if i < 0 or not graph.tensors[i].isVariable]),
            read(operator.outputs),
            operator.builtinOptions,
            int(codes.OperatorCodes(operator.opcodeIndex).Version()),
        )
        for operator in graph.operators
    ]


def _computed(graph: Graph) -> set[int]:
    """Return the tensors that are no constants."""
    return {i for operator in graph.operators for i in operator.outputs} | set(graph.inputs)


def _tensor(graph: Graph, index: int, constant: bool) -> Tensor:
    tensor = graph.tensors[index]
    signed = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
    shape = tuple(None if side < 0 else int(side) for side in _list(signed))
    scale = tensor.quantization.scale if tensor.quantization is not None else None
    kind = TYPE_NAMES.get(tensor.type, f"type {tensor.type}")
    values = _values(graph, index) if constant else None
    return Tensor(name_of(tensor), kind, shape, len(_list(scale)), constant, values)


def _values(graph: Graph, index: int) -> Array | None:
    try:
        return graph.values(index)
    except ModelFileError:  # of a type that no rule asks for
        return None


def _list(values: Any) -> list[Any]:
    return [] if values is None else list(values)


def _sources(graph: Graph) -> list[set[int]]:
    """Return for each operator those whose outputs it takes."""
    makers = {t: i for i, operator in enumerate(graph.operators) for t in operator.outputs}
    return [
        {makers[tensor] for tensor in operator.inputs if tensor in makers}
        for operator in graph.operators
    ]


def _partition(sources: Sequence[set[int]], able: Sequence[bool]) -> set[int]:
    """Return the operators of the first part that the Edge TPU can run.

    The graph is divided as TFLite does it: parts for the one and for the other device by turns,
    each of them with all that can run by then.
    """
    done: set[int] = set()
    while len(done) < len(able):
        ready = (i for i in range(len(able)) if i not in done and sources[i] <= done)
        first = next(ready, None)
        if first is None:  # a damaged graph that waits for itself
            return set()
        part = _closure(sources, done, {i for i, on in enumerate(able) if on == able[first]})
        if able[first]:
            return part
        done |= part
    return set()


def _closure(sources: Sequence[set[int]], done: set[int], wanted: set[int]) -> set[int]:
    """Return which of some operators can run, one after another, once others have."""
    found: set[int] = set()
    size = -1
    while len(found) > size:  # files list operators in an order that works: one round, mostly
        size = len(found)
        for i, before in enumerate(sources):
            if i not in done and i in wanted and before <= done | found:
                found.add(i)
    return found


def _causes(sources: Sequence[set[int]], taken: set[int]) -> list[int]:
    """Return for each operator the first one before it, or itself, that the CPU has to run."""
    causes = list(range(len(sources)))
    for i, before in enumerate(sources):
        left = sorted(source for source in before if source not in taken and source < i)
        if left:
            causes[i] = causes[left[0]]
    return causes


def _behind(operation: Operation) -> str:
    return f"it comes after {operation.kind} {_name(operation)}, and the compiler makes one part"


def _name(operation: Operation) -> str:
    return operation.outputs[0].name


def _compiled(operations: Sequence[Operation]) -> Plan:
    placed = []
    for operation in operations:
        mapped = operation.kind == EDGETPU_OPERATOR
        why = "" if mapped else "the compiler left it there"
        placed.append(_placed(operation, EDGE_TPU if mapped else CPU, why, 0))
    note = "compiled for the Edge TPU already: what is listed is what the compiler left"
    return Plan(EDGE_TPU, tuple(placed), compiled=True, notes=(note,))


def _placed(operation: Operation, on: str, why: str, parameters: int) -> Placed:
    output = operation.outputs[0]
    return Placed(
        operation.kind,
        output.name,
        output.shape,
        on,
        why,
        caution(operation) if on == EDGE_TPU else "",
        multiply_adds(operation),
        parameters,
    )


def multiply_adds(operation: Operation) -> int:
    """Return the multiply-adds of a convolution or dense layer; 0 for any other operator."""
    position = {"CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "FULLY_CONNECTED": 1, "TRANSPOSE_CONV": 1}
    if operation.kind not in position or len(operation.inputs) < 2:
        return 0
    weights = prod(side or 1 for side in operation.inputs[1].shape)
    plane = operation.inputs[2] if operation.kind == "TRANSPOSE_CONV" else operation.outputs[0]
    return weights * prod(side or 1 for side in plane.shape[:-1])


def _parameter_bytes(graph: Graph) -> list[int]:
    """Return the bytes of each operator's constants; shared ones count for the first."""
    seen = _computed(graph) | {-1}
    sums = []
    for operator in graph.operators:
        mine = set(operator.inputs) - seen
        sums.append(sum(_bytes(graph.tensors[index]) for index in mine))
        seen |= mine
    return sums


def _bytes(tensor: Any) -> int:
    sides = prod(int(side) for side in _list(tensor.shape))
    return ITEM_BYTES.get(TYPE_NAMES.get(tensor.type, ""), 1) * sides


def _notes(graph: Graph, operations: Sequence[Operation], taken: set[int]) -> list[str]:
    """Return what holds for the whole file."""
    notes = []
    for tensor in (_tensor(graph, index, False) for index in (*graph.inputs, *graph.outputs)):
        if None in tensor.shape:
            sides = "x".join("?" if side is None else str(side) for side in tensor.shape)
            notes.append(f"{tensor.name} is {sides}: fix its shape when the model is converted")
    if any(too_new(operation) for operation in operations):
        notes.append(
            "the compiler refuses the whole file: it knows older versions of operators than this "
            "file has, as the list says"
        )
    types = Counter(operation.outputs[0].dtype for operation in operations)
    if not taken and not any(types[kind] for kind in EIGHT_BITS):
        notes.append("this is no quantized model, and the Edge TPU works on 8 bits alone")
    return notes
