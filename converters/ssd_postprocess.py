"""SSDs whose TFLite file ends in `TFLite_Detection_PostProcess`: boxes come out, not offsets.

Coral's and MediaPipe's detectors want such files. What `decoders.ssd` does with the raw heads is
done by the file's last operator then. Source of its inputs, options and outputs: TensorFlow's
`tensorflow/lite/kernels/detection_postprocess.cc`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from flatbuffers import flexbuffers

from edgecv.boxes import ssd_anchors
from edgecv.decoders import ssd
from edgecv.decoders.roles import check_classes
from edgecv.errors import SpecError
from edgecv.registry import check_options
from edgecv.spec import ModelSpec
from edgecv.tflitegraph import Graph, name_of
from edgecv.types import FloatArray, Size

from .activations import append_floats, append_sigmoid, append_softmax

OPERATOR_NAME = "TFLite_Detection_PostProcess"
ROWS_PER_DETECTION = 8
"""At most one of so many anchors becomes a detection. As many as there may be have to come out of
every picture, however low their scores: MediaPipe reads the count as if it said how many classes a
box has (`tensors_to_detections_calculator.cc`), and fails where there is none."""

OUTPUTS = {"boxes": 4, "classes": 0, "scores": 0, "count": 0}
"""What comes out, in the operator's order, and how many numbers a detection has of it."""


class _Heads(NamedTuple):
    """The tensors that the operator works on, by index, and how many rows and classes they have."""

    boxes: int
    scores: int
    rows: int
    classes: int


def add_postprocess(data: bytes, spec: ModelSpec) -> tuple[bytes, ModelSpec]:
    """Return an SSD's TFLite file with its decoding inside, and the spec that reads it.

    The best class of an anchor counts, and boxes suppress each other whatever their class: what
    `decoders.ssd` does without its option class_wise, and a little less than it finds with it.
    Integer heads stay so up to the scores' activation; the operator itself works in float32. The
    best come out of every picture whatever their score: the spec's score is for who reads them.

    Args:
        data: A whole file with the outputs "boxes" and "scores".
        spec: What they mean; its decoder is "ssd".

    Returns:
        The file with the associated files that it had, and a spec with the decoder
        "ssd_postprocess".

    Raises:
        SpecError: The spec is that of another decoder, or does not fit the file.
        ModelFileError: The file is damaged, or its outputs are of types that have no operators.
    """
    options = _options(spec)
    graph = Graph(data)
    heads = _heads(graph, spec, options)
    anchors = _anchors(graph, spec, options, heads.rows)
    inputs = [
        append_floats(graph, heads.boxes),
        append_floats(graph, _activated(graph, heads.scores, options["activation"])),
        graph.add_floats("anchors", anchors.shape),
    ]
    graph.set_values(inputs[-1], anchors)
    limit = max(1, min(int(options["limit"]), heads.rows // ROWS_PER_DETECTION))
    made = _made(graph, limit)
    content = bytes(flexbuffers.Dumps(_operator_options(options, heads.classes, limit)))
    graph.operators.append(graph.custom(OPERATOR_NAME, inputs, list(made.values()), content))
    graph.set_outputs(made)
    names = {role: name_of(graph.tensors[index]) for role, index in made.items()}
    return graph.packed(), spec.with_changes(decoder="ssd_postprocess", outputs=names, options={})


def _options(spec: ModelSpec) -> dict[str, Any]:
    """Return the decoder's options with its defaults; refuse what the operator cannot do."""
    if spec.decoder != "ssd":
        raise SpecError(
            f"{spec.name}: wanted the raw heads of an SSD (decoder 'ssd') to put "
            f"{OPERATOR_NAME} behind, got the decoder {spec.decoder!r}"
        )
    check_options("option of ssd", ssd.decode, spec.options)
    known = inspect.signature(ssd.decode).parameters.values()
    options = {p.name: p.default for p in known if p.default is not p.empty} | dict(spec.options)
    if options["order"] != "yxhw" or options["activation"] not in ssd.ACTIVATIONS:
        raise SpecError(
            f"{spec.name}: {OPERATOR_NAME} wants offsets in the order 'yxhw' and the activation "
            f"one of {', '.join(ssd.ACTIVATIONS)}, got {options['order']!r} and "
            f"{options['activation']!r}"
        )
    return options


def _heads(graph: Graph, spec: ModelSpec, options: Mapping[str, Any]) -> _Heads:
    """Find the two outputs and refuse those that are not an SSD's."""
    known = graph.output_names()
    wanted = {role: spec.outputs.get(role, role) for role in ("boxes", "scores")}
    if missing := [name for name in wanted.values() if name not in known]:
        raise SpecError(
            f"{spec.name}: the file has no output {' or '.join(missing)}; it has "
            f"{', '.join(known)}: name them in the spec's 'outputs'"
        )
    boxes, scores = (known[name] for name in wanted.values())
    shapes = [[int(side) for side in graph.tensors[i].shape] for i in (boxes, scores)]
    rows = shapes[0][1] if len(shapes[0]) == 3 else 0
    if shapes[0] != [1, rows, 4] or len(shapes[1]) != 3 or shapes[1][:2] != [1, rows]:
        raise SpecError(
            f"{spec.name}: wanted boxes (1, N, 4) and scores (1, N, C), the file has "
            f"{shapes[0]} and {shapes[1]}"
        )
    classes = shapes[1][2] - int(options["background"])
    check_classes(spec, classes)
    return _Heads(boxes, scores, rows, classes)


def _anchors(graph: Graph, spec: ModelSpec, options: Mapping[str, Any], rows: int) -> FloatArray:
    """Return the anchors as the operator has them: y, x, height, width, 0..1 of the input."""
    shape = graph.tensors[graph.inputs[0]].shape
    if len(graph.inputs) != 1 or len(shape) != 4:
        raise SpecError(f"{spec.name}: wanted a file of one input (1, H, W, 3)")
    size = Size(int(shape[1]), int(shape[2]))
    try:
        anchors = ssd_anchors(size, **(options["anchors"] or {}))
    except (TypeError, ValueError) as error:
        raise SpecError(f"{spec.name}: option anchors: {error}") from error
    if len(anchors) != rows:
        raise SpecError(
            f"{spec.name}: the file has {rows} boxes, but an input of {size.height}x{size.width} "
            f"wants {len(anchors)} by the spec: correct its option 'anchors'"
        )
    return np.ascontiguousarray(anchors[:, [1, 0, 3, 2]])


def _activated(graph: Graph, index: int, activation: str) -> int:
    if activation == "none":
        return index
    return (append_softmax if activation == "softmax" else append_sigmoid)(graph, index)


def _made(graph: Graph, limit: int) -> dict[str, int]:
    """Add the operator's outputs, named as the Object Detection API names them; return them."""
    made = {}
    for number, (role, values) in enumerate(OUTPUTS.items()):
        shape = [1] if role == "count" else [1, limit, values][: 3 if values else 2]
        name = f"{OPERATOR_NAME}:{number}" if number else OPERATOR_NAME
        made[role] = graph.add_floats(name, shape)
    return made


def _operator_options(options: Mapping[str, Any], classes: int, limit: int) -> dict[str, Any]:
    centre, side = (float(1 / variance) for variance in options["variances"])
    return {
        "max_detections": limit,
        "max_classes_per_detection": 1,
        "detections_per_class": limit,
        "use_regular_nms": False,  # the other way leaves out the last class, in LiteRT 2.3
        "nms_score_threshold": 0.0,
        "nms_iou_threshold": float(options["overlap"]),
        "num_classes": classes,
        "y_scale": centre,
        "x_scale": centre,
        "h_scale": side,
        "w_scale": side,
    }
