"""SSDs whose IR ends in OpenVINO's `DetectionOutput`: boxes come out, not offsets.

OpenVINO Model API's "ssd" wants such a file, and knows nothing of raw heads. Source of the
operation's inputs, attributes and output: OpenVINO's operation sets, `DetectionOutput-8`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from openvino import opset8 as ops

from edgecv.boxes import ssd_anchors
from edgecv.decoders import ssd
from edgecv.errors import SpecError
from edgecv.registry import check_options
from edgecv.spec import ModelSpec
from edgecv.types import Array, Size

from . import openvino_file

LEAST = 0.001
"""Detections below this score never come out. `edgecv eval` ranks them down to it."""

OUTPUT = "detections"


def add_detection_output(file: Path, spec: ModelSpec) -> ModelSpec:
    """Put an SSD's decoding into its IR, in place.

    An anchor gives a detection for every class that reaches the threshold and not for its best one
    alone, as the operation has it. Boxes of a class suppress each other.

    Args:
        file: The .xml of an IR with the outputs "boxes" and "scores".
        spec: What they mean; its decoder is "ssd".

    Returns:
        The spec that reads the new output, with the decoder "detection_output".

    Raises:
        SpecError: The spec is that of another decoder, or does not fit the file.
        ModelFileError: The file is damaged.
    """
    options = _options(spec)
    model = openvino_file.read(file)
    boxes, scores = (_head(model, spec, role) for role in ("boxes", "scores"))
    priors = _priors(model, spec, options, rows=int(boxes.shape[1]))
    found = ops.detection_output(
        _row(_ordered(boxes, ssd.ORDERS[options["order"]])),
        _row(_activated(scores, str(options["activation"]))),
        ops.constant(priors),
        _attributes(options),
    )
    found.output(0).get_tensor().set_names({OUTPUT})
    made = ov.Model([ops.result(found)], model.get_parameters(), model.get_friendly_name())
    openvino_file.save(made, file, precision="fp32")  # halved weights stay halved
    return spec.with_changes(
        decoder="detection_output",
        outputs={OUTPUT: OUTPUT},
        options={"background": bool(options["background"])},
    )


def _options(spec: ModelSpec) -> dict[str, Any]:
    """Return the decoder's options with its defaults."""
    if spec.decoder != "ssd":
        raise SpecError(
            f"{spec.name}: wanted the raw heads of an SSD (decoder 'ssd') to put DetectionOutput "
            f"behind, got the decoder {spec.decoder!r}"
        )
    check_options("option of ssd", ssd.decode, spec.options)
    known = inspect.signature(ssd.decode).parameters.values()
    options = {p.name: p.default for p in known if p.default is not p.empty} | dict(spec.options)
    if not options["class_wise"]:
        raise SpecError(f"{spec.name}: DetectionOutput suppresses boxes class by class only")
    return options


def _head(model: Any, spec: ModelSpec, role: str) -> Any:
    name = spec.outputs.get(role, role)
    for port in model.outputs:
        if name in port.get_names() and len(port.shape) == 3:
            return port.get_node().input_value(0)
    raise SpecError(
        f"{spec.name}: the file has no output {name} of shape (1, N, C): name its outputs in the "
        "spec's 'outputs'"
    )


def _ordered(boxes: Any, order: Sequence[int]) -> Any:
    """Put the four numbers of each box into another order.

    Not by a Gather: OpenVINO 2026.4 takes that for a swap of colours when it fuses those of
    preprocessing into the first layer, and swaps none.
    """
    if list(order) == [0, 1, 2, 3]:
        return boxes
    parts = ops.split(boxes, np.int64(2), 4)
    return ops.concat([parts.output(place) for place in order], 2)


def _row(values: Any) -> Any:
    return ops.reshape(values, np.array([1, -1], np.int64), special_zero=False)


def _activated(scores: Any, activation: str) -> Any:
    if activation == "none":
        return scores
    return ops.softmax(scores, 2) if activation == "softmax" else ops.sigmoid(scores)


def _priors(model: Any, spec: ModelSpec, options: Mapping[str, Any], *, rows: int) -> Array:
    """Return the anchors, xyxy, and below them the variances of each: float32 (1, 2, 4 N)."""
    _, height, width, _ = model.inputs[0].shape
    try:
        anchors = ssd_anchors(Size(int(height), int(width)), **(options["anchors"] or {}))
    except (TypeError, ValueError) as error:
        raise SpecError(f"{spec.name}: option anchors: {error}") from error
    if len(anchors) != rows:
        raise SpecError(
            f"{spec.name}: the file has {rows} boxes, but its input wants {len(anchors)} by the "
            "spec: correct its option 'anchors'"
        )
    centre, half = anchors[:, :2], anchors[:, 2:] / 2
    corners = np.concatenate([centre - half, centre + half], axis=1)
    variances = np.repeat(np.array(options["variances"], np.float32), 2)
    out: Array = np.stack([corners.ravel(), np.tile(variances, rows)])[None].astype(np.float32)
    return out


def _attributes(options: Mapping[str, Any]) -> dict[str, Any]:
    limit = int(options["limit"])
    return {
        "background_label_id": 0 if options["background"] else -1,
        "top_k": 4 * limit,
        "keep_top_k": [limit],
        "code_type": "caffe.PriorBoxParameter.CENTER_SIZE",
        "share_location": True,
        "variance_encoded_in_target": False,
        "nms_threshold": float(options["overlap"]),
        "confidence_threshold": LEAST,
        "normalized": True,
        "clip_before_nms": False,
        "clip_after_nms": False,
    }
