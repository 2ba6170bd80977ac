"""Detections from the raw heads of an SSD."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecv.boxes import nms, ssd_anchors, ssd_to_points, ssd_to_xyxy
from edgecv.decoders.objects import logit, objects, same_rows, sigmoid
from edgecv.decoders.roles import by_role, check_classes
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Array, FloatArray

ORDERS = {"yxhw": [1, 0, 3, 2], "xywh": [0, 1, 2, 3]}
ACTIVATIONS = ("sigmoid", "softmax", "none")


def decode(  # noqa: PLR0913 - the options of one family of models
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    anchors: Mapping[str, Any] | None = None,
    order: str = "yxhw",
    variances: tuple[float, float] = (0.1, 0.2),
    activation: str = "sigmoid",
    background: bool = True,
    overlap: float = 0.6,
    class_wise: bool = True,
    limit: int = 100,
) -> Detections | Faces:
    """Read offsets (1, N, 4) from N anchors and scores (1, N, C); an anchor has one class at most.

    Thresholds are compared before the sigmoid or softmax, which then only the few chosen rows go
    through. Source: Liu et al., "SSD: Single Shot MultiBox Detector", 2016; the best class of an
    anchor alone counts, as in TFLite's fast `Detection_PostProcess`.

    Args:
        outputs: "boxes", "scores" and, of a detector of faces, "landmarks" (1, N, 2 K): offsets
            from the anchor's centre, x then y, in the unit of the box's centre (Deng et al.,
            "RetinaFace: Single-stage Dense Face Localisation in the Wild", 2019).
        spec: Its score is the threshold.
        placement: Where the input lies in the frame.
        anchors: Keyword arguments of `edgecv.boxes.ssd_anchors`.
        order: Of an offset's four numbers: "yxhw" as TensorFlow has them, or "xywh".
        variances: What the centre's offsets and the sizes' logarithms were divided by.
        activation: What makes the scores probabilities: "sigmoid", "softmax" or "none".
        background: Whether class 0 is the background, and to be left out.
        overlap: Of two boxes with a greater IoU only the better is kept.
        class_wise: Whether only boxes of one class suppress each other.
        limit: The most detections.

    Raises:
        SpecError: The options or the number of labels do not fit the model.
    """
    if order not in ORDERS or activation not in ACTIVATIONS:
        raise SpecError(
            f"{spec.name}: order is one of {', '.join(ORDERS)} and activation one of "
            f"{', '.join(ACTIVATIONS)}, got {order!r} and {activation!r}"
        )
    boxes, scores = by_role(outputs, ("boxes", "scores"))
    offsets, logits = boxes.reshape(-1, 4), scores.reshape(-1, scores.shape[-1])
    check_classes(spec, logits.shape[1] - int(background))
    priors = _anchors(spec, placement, anchors or {})
    for output in (offsets, logits):
        same_rows(spec, output, len(priors), placement)
    rows, class_ids, scores = _best_classes(logits, spec.score, activation, background=background)
    height, width = placement.input
    xyxy = ssd_to_xyxy(offsets[rows][:, ORDERS[order]], priors[rows], variances)
    xyxy *= np.array([width, height] * 2, np.float32)
    chosen = nms(
        xyxy, scores, overlap=overlap, class_ids=class_ids if class_wise else None, limit=limit
    )
    points = None
    if "landmarks" in outputs:
        given = outputs["landmarks"].reshape(len(offsets), -1, 2)[rows[chosen]]
        points = ssd_to_points(given, priors[rows[chosen]], variances[0])
        points *= np.array([width, height], np.float32)
    return objects(
        xyxy[chosen], scores[chosen], class_ids[chosen],
        spec=spec, placement=placement, landmarks=points,
    )  # fmt: skip


def _anchors(spec: ModelSpec, placement: Placement, options: Mapping[str, Any]) -> FloatArray:
    try:
        return ssd_anchors(placement.input, **options)
    except (TypeError, ValueError) as error:
        raise SpecError(f"{spec.name}: option anchors: {error}") from error


def _best_classes(
    logits: Array, threshold: float, activation: str, *, background: bool
) -> tuple[Array, Array, FloatArray]:
    """Return the rows whose best class reaches the threshold, these classes and their scores."""
    classes = logits[:, int(background) :]
    class_ids = classes.argmax(axis=1)
    best = np.take_along_axis(classes, class_ids[:, None], axis=1)[:, 0]
    if activation == "softmax":
        # p = 1 / (1 + exp(background - best) + ...) is below the sigmoid of the difference.
        least = logits[:, 0] + max(logit(threshold), -88.0) if background else -math.inf
        rows = np.flatnonzero((best >= least) & np.isfinite(best))
        scores = 1 / np.exp(np.minimum(logits[rows] - best[rows, None], 80)).sum(axis=1)
        sure = scores >= threshold
        return rows[sure], class_ids[rows[sure]], scores[sure]
    if activation == "sigmoid":
        rows = np.flatnonzero(best >= logit(threshold))
        return rows, class_ids[rows], sigmoid(best[rows])
    rows = np.flatnonzero(best >= threshold)
    return rows, class_ids[rows], best[rows]
