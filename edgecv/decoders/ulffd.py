"""Faces from the Ultra-Light-Fast detectors: an SSD of two classes, with or without landmarks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.boxes import grid_anchors, nms, ssd_to_points, ssd_to_xyxy
from edgecv.decoders.objects import logit, objects, same_rows, sigmoid
from edgecv.decoders.roles import by_role
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Array

# Source: the priors of Ultra-Light-Fast-Generic-Face-Detector-1MB for 320x240, (height, width).
SQUARES = tuple(
    tuple((float(side), float(side)) for side in sides)
    for sides in ((10, 16, 24), (32, 48), (64, 96), (128, 192, 256))
)


def decode(  # noqa: PLR0913 - the options of one family of models
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    strides: tuple[int, ...] = (8, 16, 32, 64),
    sizes: tuple[tuple[tuple[float, float], ...], ...] = SQUARES,
    variances: tuple[float, float] = (0.1, 0.2),
    overlap: float = 0.4,
    limit: int = 750,
) -> Detections | Faces:
    """Read offsets (1, N, 4) from N anchors, points (1, N, 2 K) and scores (1, N, 2).

    The scores are logits of "no face" and "face". Landmarks, which some of these files have, are
    offsets from the anchor's centre in the unit of the box's centre. Source: the
    Ultra-Light-Fast-Generic-Face-Detector-1MB project, github.com/Linzaer, and for the landmarks
    Deng et al., "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019.

    Args:
        outputs: "boxes", "scores" and, where the file has them, "landmarks".
        spec: Its score is the threshold.
        placement: Where the input lies in the frame.
        strides: Input pixels a cell, for each grid.
        sizes: The (height, width) of a cell's anchors in input pixels, for each grid.
        variances: What the centre's offsets and the sizes' logarithms were divided by.
        overlap: Of two boxes with a greater IoU only the better is kept.
        limit: The most faces.

    Raises:
        SpecError: The rows are not as many as the anchors.
    """
    boxes, logits = by_role(outputs, ("boxes", "scores"))
    offsets = boxes.reshape(-1, 4)
    anchors = grid_anchors(placement.input, strides=strides, sizes=sizes)
    pairs = logits.reshape(-1, 2)
    for output in (offsets, pairs):
        same_rows(spec, output, len(anchors), placement)
    margin = pairs[:, 1] - pairs[:, 0]  # the softmax of two is the sigmoid of their difference
    rows = np.flatnonzero(margin >= logit(spec.score))
    scores, anchor = sigmoid(margin[rows]), anchors[rows]
    xyxy = ssd_to_xyxy(offsets[rows], anchor, variances)
    chosen = nms(xyxy, scores, overlap=overlap, limit=limit)
    points = None
    if "landmarks" in outputs:
        given = outputs["landmarks"].reshape(len(offsets), -1, 2)[rows[chosen]]
        points = ssd_to_points(given, anchor[chosen], variances[0])
    return objects(
        xyxy[chosen], scores[chosen], np.zeros(len(chosen), np.int64),
        spec=spec, placement=placement, landmarks=points,
    )  # fmt: skip
