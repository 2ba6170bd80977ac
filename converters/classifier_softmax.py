"""Classifiers whose TFLite file gives probabilities: the softmax of the spec put into the graph.

Programs that know nothing of the spec, such as MediaPipe's image classifier, show what comes out of
a file as scores. Networks end in logits, which are no scores.
"""

from __future__ import annotations

from edgecv.errors import SpecError
from edgecv.spec import ModelSpec
from edgecv.tflitegraph import Graph, name_of

from .activations import append_softmax


def add_softmax(data: bytes, spec: ModelSpec) -> tuple[bytes, ModelSpec]:
    """Return a classifier's TFLite file that gives probabilities, and the spec that reads it.

    The type of the output stays: int8 and uint8 then count in steps of 1/256.

    Args:
        data: A whole file.
        spec: What its output means; its decoder is "classifier".

    Returns:
        The file and the spec as they are where the spec says that probabilities come out already.

    Raises:
        SpecError: The spec is that of another decoder, or does not fit the file.
        ModelFileError: The file is damaged, or its output is of a type that has no such operator.
    """
    if spec.decoder != "classifier":
        raise SpecError(
            f"{spec.name}: wanted a classifier to put a softmax behind, got the decoder "
            f"{spec.decoder!r}"
        )
    if not spec.options.get("softmax", False):
        return data, spec
    graph = Graph(data)
    role, logits = _logits(graph, spec)
    made = append_softmax(graph, logits)
    graph.set_outputs({role: made})
    options = {name: value for name, value in spec.options.items() if name != "softmax"}
    outputs = {role: name_of(graph.tensors[made])}
    return graph.packed(), spec.with_changes(outputs=outputs, options=options)


def _logits(graph: Graph, spec: ModelSpec) -> tuple[str, int]:
    """Return what the spec calls the output that its decoder reads, and its tensor's index."""
    known = graph.output_names()
    role, name = next(iter(spec.outputs.items()), ("scores", next(iter(known))))
    if name not in known:
        raise SpecError(
            f"{spec.name}: the file has no output {name}; it has {', '.join(known)}: name it in "
            "the spec's 'outputs'"
        )
    shape = [int(side) for side in graph.tensors[known[name]].shape]
    classes = len(spec.labels) or shape[-1]
    if shape != [1] * (len(shape) - 1) + [classes]:
        raise SpecError(f"{spec.name}: wanted scores of {classes} classes, the output is {shape}")
    return role, known[name]
