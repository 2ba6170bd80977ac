"""TFLite's own metadata: what phones' libraries read of a model's input, outputs and labels.

A FlatBuffer `TFLITE_METADATA` inside the model, and the labels as a text file in the archive at its
end. Source of all field numbers and enumerations: MediaPipe's
`mediapipe/tasks/metadata/metadata_schema.fbs`, version 1.5.0; of the names that MediaPipe Tasks
look for: its `metadata_writers`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from edgecv.errors import SpecError
from edgecv.spec import InputSpec, ModelSpec
from edgecv.tflitegraph import TYPE, Graph, archived, name_of

from .flattables import Table, flatbuffer

ENTRY, IDENTIFIER = "TFLITE_METADATA", b"M001"
PLAIN, GROUPED, CUSTOM = "1.0.0", "1.2.0", "1.5.0"
"""The first versions of readers that know plain fields, groups, and what tasks add of their own."""

LABELS = "labels.txt"
AXIS, VALUE = 2, 3
"""Kinds of label files: names along a tensor's last axis, or of a tensor's values."""

COLOR_SPACES = {"rgb": 1, "grey": 2}
"""The schema has no name for BGR: programs that give RGB refuse such a model, as they should."""

FITS = {
    "stretch": "stretched to this size",
    "letterbox": "fitted into this size, its aspect kept, bars of {pad} on both sides",
    "letterbox_topleft": "fitted into this size, its aspect kept, bars of {pad} right and below",
    "crop": "cut to its centre, then resized",
}
FEATURE, IMAGE, BOXES = 1, 2, 3
"""Kinds of content of a tensor."""

NORMALIZATION, THRESHOLD = 1, 3
"""Kinds of process units."""


SEGMENTER = {0: "SEGMENTER_METADATA", 1: flatbuffer({0: np.int8(2)}, b"V001")}
"""Says that scores of pixels are logits, for a softmax. Source: MediaPipe's
`mediapipe/tasks/metadata/image_segmenter_metadata_schema.fbs`."""


class _Meaning(NamedTuple):
    """What an output is called and means.

    Attributes:
        name: What MediaPipe looks for, or the spec's name.
        description: In words.
        content: The table `Content`.
        low: The least value; None where it is open.
        high: The greatest value, likewise.
        labels: `AXIS` or `VALUE` where the labels belong to this output.
        units: Tables `ProcessUnit`.
    """

    name: str
    description: str
    content: Table
    low: float | None = None
    high: float | None = None
    labels: int = 0
    units: Sequence[Table] = ()


def add_metadata(data: bytes, spec: ModelSpec) -> bytes:
    """Return a TFLite file with the metadata that its spec gives.

    The files in its archive stay there, uncompressed as MediaPipe wants them; metadata that it had
    before is replaced. MediaPipe Tasks then run segmentation networks, and classifiers and
    detectors whose outputs are probabilities and boxes (`classifier_softmax`, `ssd_postprocess`),
    where input and outputs are float32 or uint8. Of others only the input is described in full.

    Args:
        data: The whole file.
        spec: What its tensors mean.

    Raises:
        ModelFileError: The file or its archive is damaged.
        SpecError: The spec names outputs that the file does not have.
    """
    graph = Graph(data)
    meanings = [_meaning(spec, role) for role in _roles(graph, spec)]
    grouped = set(DETECTION[:3]) <= {meaning.name for meaning in meanings}
    inputs = [_input(graph.tensors[index], spec.input) for index in graph.inputs]
    outputs = [_output(meaning, spec.labels) for meaning in meanings]
    group = {0: "detection_result", 1: list(DETECTION[:3])}
    custom = [SEGMENTER] if spec.decoder == "segmentation" else None
    subgraph = {2: inputs, 3: outputs, 8: [group] if grouped else None, 9: custom}
    root = {
        0: spec.name,
        1: _about(spec),
        3: [subgraph],
        5: spec.license or None,
        7: CUSTOM if custom else GROUPED if grouped else PLAIN,
    }
    graph.set_metadata(ENTRY, flatbuffer(root, IDENTIFIER))
    files = archived(data)
    if spec.labels and any(meaning.labels for meaning in meanings):
        files[LABELS] = _lines(spec.labels)
    return graph.packed(files)


def _about(spec: ModelSpec) -> str:
    return " ".join(part for part in (f"A model for {spec.task}.", spec.notes) if part)


def _lines(labels: Sequence[str]) -> bytes:
    return "".join(f"{' '.join(label.split())}\n" for label in labels).encode()


def _roles(graph: Graph, spec: ModelSpec) -> list[str]:
    """Return what the spec calls the file's outputs, in the file's order."""
    known = graph.output_names()
    if unknown := [name for name in spec.outputs.values() if name not in known]:
        raise SpecError(
            f"{spec.name}: the file has no output {', '.join(unknown)}; it has {', '.join(known)}"
        )
    called = {known[name]: role for role, name in spec.outputs.items()}
    if not called and spec.decoder == "ssd_postprocess":
        called = dict(zip(graph.outputs, DETECTION_ROLES, strict=False))
    return [called.get(index, name_of(graph.tensors[index])) for index in graph.outputs]


def _input(tensor: Any, given: InputSpec) -> Table:
    """Describe a picture that goes in: (pixel - mean) / std, in RGB."""
    mean, std = (np.array(values, np.float32) for values in (given.mean, given.std))
    low, high = (0 - mean) / std, (255 - mean) / std
    if tensor.type == TYPE.UINT8:  # bytes go in as they are, whatever they stand for
        low, high = np.zeros_like(mean), np.full_like(mean, 255)
    return {
        0: "image",
        1: f"A picture, {given.color.upper()}, {FITS[given.fit].format(pad=given.pad)}.",
        3: _content(IMAGE, {0: np.int8(COLOR_SPACES.get(given.color, 0))}),
        4: [_unit(NORMALIZATION, {0: mean, 1: std})],
        5: {0: high, 1: low},
    }


def _output(meaning: _Meaning, labels: Sequence[str]) -> Table:
    stats = {0: meaning.high, 1: meaning.low}
    file = {0: LABELS, 1: "The names of the classes.", 2: np.int8(meaning.labels)}
    return {
        0: meaning.name,
        1: meaning.description,
        3: meaning.content,
        4: meaning.units or None,
        5: {n: np.array([v], np.float32) for n, v in stats.items() if v is not None} or None,
        6: [file] if meaning.labels and labels else None,
    }


def _content(kind: int, properties: Table, axes: tuple[int, int] | None = None) -> Table:
    """Describe what a tensor holds, and along which axes: all of them but the first, if None."""
    spread = {0: np.int32(axes[0]), 1: np.int32(axes[1])} if axes else None
    return {0: np.uint8(kind), 1: properties, 2: spread}


def _unit(kind: int, options: Table) -> Table:
    return {0: np.uint8(kind), 1: options}


def _threshold(spec: ModelSpec) -> list[Table]:
    return [_unit(THRESHOLD, {0: np.float32(spec.score)})]


def _meaning(spec: ModelSpec, role: str) -> _Meaning:
    """Return what an output means, by the spec's decoder."""
    if spec.decoder == "classifier":
        return _classes(spec)
    if spec.decoder == "ssd_postprocess" and role in DETECTION_ROLES:
        return _detections(spec)[role]
    if spec.decoder == "segmentation":
        return _classes_of_pixels(spec)
    return _Meaning(role, f"What the decoder {spec.decoder} calls {role}.", _content(FEATURE, {}))


def _classes(spec: ModelSpec) -> _Meaning:
    if spec.options.get("softmax", False):
        said = "Logits of the classes: a softmax makes them probabilities."
        return _Meaning("logits", said, _content(FEATURE, {}), labels=AXIS)
    return _Meaning(
        "score", "The probability of each class.", _content(FEATURE, {}), 0.0, 1.0, AXIS,
        _threshold(spec),
    )  # fmt: skip


def _classes_of_pixels(spec: ModelSpec) -> _Meaning:
    said = "A score of each class for every pixel."
    return _Meaning(
        "segmentation_masks", said, _content(IMAGE, {0: np.int8(2)}, (1, 2)), labels=AXIS
    )


DETECTION_ROLES = ("boxes", "classes", "scores", "count")
DETECTION = ("location", "category", "score", "number of detections")
"""What MediaPipe's object detector calls these."""


def _detections(spec: ModelSpec) -> Mapping[str, _Meaning]:
    """Return what the outputs of `TFLite_Detection_PostProcess` mean."""
    corners = {0: np.array([1, 0, 3, 2], np.uint32), 1: np.int8(1)}  # left of ymin, xmin, ...
    boxes, plain = _content(BOXES, corners, (2, 2)), _content(FEATURE, {}, (2, 2))
    location, category, score, count = DETECTION
    meanings = (
        _Meaning(location, "Top, left, bottom and right of each box, 0..1 of the input.", boxes),
        _Meaning(category, "The class of each box.", plain, labels=VALUE),
        _Meaning(score, "The score of each box.", plain, 0.0, 1.0, units=_threshold(spec)),
        _Meaning(count, "How many of the boxes count.", _content(FEATURE, {})),
    )
    return dict(zip(DETECTION_ROLES, meanings, strict=True))
