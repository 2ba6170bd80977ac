"""Detections from FastestDet: one anchor-free grid."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.boxes import cxcywh_to_xyxy, nms
from edgecv.decoders.objects import objects, sigmoid
from edgecv.decoders.roles import check_classes
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Array


def decode(
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    overlap: float = 0.45,
    class_wise: bool = True,
    limit: int = 300,
) -> Detections | Faces:
    """Read planes (1, 5 + C, H, W): objectness, box and class probabilities of each cell.

    The centre lies tanh(offset) cells from the cell's corner, the size is a sigmoid's part of the
    input, the score is objectness ** 0.6 times the best class ** 0.4. Source: the FastestDet
    project, github.com/dog-qiuqiu/FastestDet, its published ONNX example.

    Args:
        outputs: The planes, under any name.
        spec: Its score is the threshold.
        placement: Where the input lies in the frame.
        overlap: Of two boxes with a greater IoU only the better is kept.
        class_wise: Whether only boxes of one class suppress each other.
        limit: The most detections.

    Raises:
        SpecError: The labels are not as many as the classes.
    """
    planes = next(iter(outputs.values()))
    check_classes(spec, planes.shape[-3] - 5)
    height, width = planes.shape[-2:]
    rows = planes.reshape(planes.shape[-3], -1).T
    # No class is above 1: what its objectness rules out needs no look at its classes.
    index = np.flatnonzero(rows[:, 0] >= spec.score ** (1 / 0.6))
    classes = rows[index, 5:]
    class_ids = classes.argmax(axis=1)
    best = classes[np.arange(len(index)), class_ids]
    scores = np.maximum(rows[index, 0], 0) ** 0.6 * np.maximum(best, 0) ** 0.4
    sure = scores >= spec.score
    index, class_ids, scores = index[sure], class_ids[sure], scores[sure]
    y, x = np.divmod(index, width)
    centre = (np.tanh(rows[index, 1:3]) + np.stack((x, y), axis=1)) / (width, height)
    cxcywh = np.concatenate((centre, sigmoid(rows[index, 3:5])), axis=1).astype(np.float32)
    xyxy = cxcywh_to_xyxy(cxcywh) * np.array(placement.input[::-1] * 2, np.float32)
    chosen = nms(
        xyxy, scores, overlap=overlap, class_ids=class_ids if class_wise else None, limit=limit
    )
    return objects(xyxy[chosen], scores[chosen], class_ids[chosen], spec=spec, placement=placement)
