"""Losses of box detectors: SSD's multibox with hard negative mining, and focal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from keras import KerasTensor, ops

Tensor: TypeAlias = KerasTensor
Tensors: TypeAlias = Mapping[str, Tensor]


def multibox(
    targets: Tensors,
    outputs: Tensors,
    *,
    negatives: float = 3.0,
    least: int = 3,
    box_weight: float = 1.0,
    smoothing: float = 0.0,
    point_weight: float = 0.5,
) -> Tensor:
    """Return SSD's loss, float32 (): cross-entropy of the classes and smooth L1 of the boxes.

    All anchors with a box count, and of the others those that the network is most wrong about:
    `negatives` for each with a box, chosen picture by picture. The sum is divided by the number of
    anchors with a box in the batch. Source: Liu et al., "SSD: Single Shot MultiBox Detector",
    2016, equation 1 and "Hard negative mining".

    Args:
        targets: "boxes", float32 (B, N, 4), and "classes", integers (B, N): 0 for no object, -1
            for an anchor that does not count.
        outputs: "boxes", (B, N, 4), and "scores", logits (B, N, 1 + C), the background first.
        negatives: How many anchors without a box count for each one with.
        least: So many of them count on a picture without any box.
        box_weight: The weight of the boxes' part.
        smoothing: The share of a class that is spread over all, 0..1 (label smoothing).
        point_weight: The weight of the landmarks' part, where the network has them: smooth L1 of
            those that are "known" in the targets.
    """
    classes = ops.cast(targets["classes"], "int32")
    positive = ops.cast(classes > 0, "float32")
    wrong = _softmax_loss(classes, outputs["scores"], smoothing)
    free = ops.cast(ops.equal(classes, 0), "float32")
    hard = _hardest(ops.stop_gradient(wrong), positive, free, negatives, least)
    count = ops.maximum(ops.sum(positive), 1.0)
    boxes = ops.sum(_box_loss(targets["boxes"], outputs["boxes"]) * positive)
    points = point_weight * _point_loss(targets, outputs)
    return (ops.sum(wrong * (positive + hard)) + box_weight * boxes + points) / count


def focal(
    targets: Tensors,
    outputs: Tensors,
    *,
    gamma: float = 2.0,
    alpha: float = 0.25,
    box_weight: float = 1.0,
    point_weight: float = 0.5,
) -> Tensor:
    """Return RetinaNet's loss, float32 (): focal of every class of its own, smooth L1 of the boxes.

    The sum over all anchors is divided by the number of anchors with a box in the batch. Source:
    Lin et al., "Focal Loss for Dense Object Detection", 2017, equation 5 and section 4.1.

    Args:
        targets: As for `multibox`.
        outputs: "boxes", (B, N, 4), and "scores", logits (B, N, C), without a background.
        gamma: How much less easy anchors count; 0 for the cross-entropy.
        alpha: The weight of an object; 1 - alpha is that of no object.
        box_weight: The weight of the boxes' part.
        point_weight: As for `multibox`.
    """
    classes = ops.cast(targets["classes"], "int32")
    logits = ops.cast(outputs["scores"], "float32")
    positive = ops.cast(classes > 0, "float32")
    # one_hot of -1, no object or not counted, is all zeros
    truth = ops.one_hot(classes - 1, logits.shape[-1], dtype="float32")
    signed = (2 * truth - 1) * logits
    # with p of the right answer = sigmoid(signed): (1 - p)^gamma and -log(p), both without overflow
    weight = ops.exp(gamma * ops.log_sigmoid(-signed)) * (alpha * truth + (1 - alpha) * (1 - truth))
    wrong = ops.sum(-weight * ops.log_sigmoid(signed), axis=-1)
    counted = ops.cast(classes >= 0, "float32")
    count = ops.maximum(ops.sum(positive), 1.0)
    boxes = ops.sum(_box_loss(targets["boxes"], outputs["boxes"]) * positive)
    points = point_weight * _point_loss(targets, outputs)
    return (ops.sum(wrong * counted) + box_weight * boxes + points) / count


BOX_LOSSES: dict[str, Callable[..., Tensor]] = {"multibox": multibox, "focal": focal}
"""The losses of box detectors, by the name that recipes use."""

BACKGROUND = {"multibox": True, "focal": False}
"""Whether the first of the scores that a loss wants is the background's."""


def _softmax_loss(classes: Tensor, scores: Tensor, smoothing: float) -> Tensor:
    """Return the cross-entropy (B, N) of class ids (B, N); that of an ignored one means nothing."""
    log_p = ops.log_softmax(ops.cast(scores, "float32"), axis=-1)
    width = log_p.shape[-1]
    truth = ops.one_hot(ops.maximum(classes, 0), width, dtype="float32")
    truth = (1 - smoothing) * truth + smoothing / width
    return -ops.sum(truth * log_p, axis=-1)


def _hardest(wrong: Tensor, positive: Tensor, free: Tensor, ratio: float, least: int) -> Tensor:
    """Return 1 (B, N) for the free anchors with the greatest loss, so many as are wanted."""
    wanted = ops.maximum(ratio * ops.sum(positive, axis=1, keepdims=True), float(least))
    loss = ops.where(free > 0, wrong, -1.0)
    order = ops.argsort(-loss, axis=1)
    rank = ops.cast(ops.argsort(order, axis=1), "float32")
    return free * ops.cast(rank < wanted, "float32")


def _box_loss(truth: Tensor, offsets: Tensor) -> Tensor:
    """Return the sum of smooth L1 over the four numbers: (B, N). Girshick 2015, equation 3."""
    return ops.sum(_smooth_l1(truth, offsets), axis=-1)


def _point_loss(targets: Tensors, outputs: Tensors) -> Tensor:
    """Return the sum of smooth L1 over all known coordinates of landmarks; 0 without any."""
    if "landmarks" not in outputs:
        return ops.zeros(())
    return ops.sum(_smooth_l1(targets["landmarks"], outputs["landmarks"]) * targets["known"])


def _smooth_l1(truth: Tensor, given: Tensor) -> Tensor:
    off = ops.abs(ops.cast(given, "float32") - truth)
    return ops.where(off < 1, 0.5 * ops.square(off), off - 0.5)
