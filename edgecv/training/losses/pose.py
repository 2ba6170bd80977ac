"""Losses of pose networks: heatmaps with offsets, and the parts and limbs of a proposal network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from keras import KerasTensor, ops

Tensor: TypeAlias = KerasTensor
Tensors: TypeAlias = Mapping[str, Tensor]

NEAR = 0.5
"""Offsets are learnt where the heatmap is above this."""


def heatmap_mse(targets: Tensors, outputs: Tensors, *, offset_weight: float = 0.1) -> Tensor:
    """Return the squared error of the heatmaps, float32 (), and what the offsets are off by.

    Both are summed over the cells and divided by the number of marked keypoints. The network's
    values are the scores themselves. Source: Xiao et al., "Simple Baselines for Human Pose
    Estimation and Tracking", 2018, section 2.

    Args:
        targets: "heatmaps", float32 (B, h, w, K), below 0 where a keypoint is not marked, and
            "offsets", float32 (B, h, w, 2 K).
        outputs: Both, of the same shapes.
        offset_weight: The weight of the offsets' part.
    """
    truth = targets["heatmaps"]
    marked = ops.cast(truth >= 0, "float32")
    error = marked * ops.square(ops.cast(outputs["heatmaps"], "float32") - truth)
    offset = _offset_loss(targets, outputs)
    return ops.sum(error) / _keypoints(marked) + offset_weight * offset


def heatmap_focal(
    targets: Tensors,
    outputs: Tensors,
    *,
    offset_weight: float = 1.0,
    gamma: float = 2.0,
    beta: float = 4.0,
) -> Tensor:
    """Return the penalty-reduced focal loss of the heatmaps, float32 (), and the offsets' part.

    The network's values are logits. Source: Zhou et al., "Objects as Points", 2019, equation 1.

    Args:
        targets: As for `heatmap_mse`; 1 in the cell that holds the keypoint.
        outputs: As for `heatmap_mse`.
        offset_weight: The weight of the offsets' part.
        gamma: How much less easy cells count.
        beta: How much less cells count that are near the keypoint.
    """
    truth, logits = targets["heatmaps"], ops.cast(outputs["heatmaps"], "float32")
    marked = ops.cast(truth >= 0, "float32")
    log_p, log_rest = ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
    hit = ops.cast(truth >= 1, "float32")
    near = ops.power(ops.clip(1 - truth, 0.0, 1.0), beta)
    right = hit * ops.exp(gamma * log_rest) * log_p
    wrong = (marked - hit) * near * ops.exp(gamma * log_p) * log_rest
    offset = _offset_loss(targets, outputs)
    return -ops.sum(right + wrong) / _keypoints(marked) + offset_weight * offset


def ppn(
    targets: Tensors,
    outputs: Tensors,
    *,
    responsibility: float = 0.25,
    confidence: float = 1.0,
    place: float = 5.0,
    limb: float = 0.5,
) -> Tensor:
    """Return a pose proposal network's loss, float32 (): squared errors, a mean over the batch.

    The confidence is to be the IoU of what the network says now with the truth. Source: Sekii,
    "Pose Proposal Networks", 2018, and its weights.

    Args:
        targets: "parts", float32 (B, h, w, K + 1, 5), and "limbs", float32 (B, h, w, L n n), as
            `encode_pose.ppn_encoder` makes them; what is below 0 does not count.
        outputs: "parts", logits (B, h, w, 6 (K + 1)), and "limbs", logits (B, h, w, L n n).
        responsibility: The weight of whether a cell holds a part.
        confidence: The weight of how well its box is known.
        place: The weight of where it lies and how large it is.
        limb: The weight of the limbs.
    """
    truth = targets["parts"]
    values = ops.sigmoid(ops.reshape(outputs["parts"], (*_known(truth)[:-1], 6)))
    holds = ops.cast(truth[..., 0] > 0, "float32")
    counted = ops.cast(truth[..., 0] >= 0, "float32")
    grid = ops.convert_to_tensor([truth.shape[2], truth.shape[1]], dtype="float32")
    overlap = _iou(truth[..., 1:], values[..., 2:], grid)
    sizes = ops.sqrt(values[..., 4:] + 1e-6) - ops.sqrt(ops.maximum(truth[..., 3:], 0.0) + 1e-6)
    where = ops.square(values[..., 2:4] - truth[..., 1:3]) + ops.square(sizes)
    links = targets["limbs"]
    joined = ops.square(ops.sigmoid(outputs["limbs"]) - links) * ops.cast(links >= 0, "float32")
    total = (
        responsibility * ops.sum(counted * ops.square(values[..., 0] - holds))
        + confidence * ops.sum(holds * ops.square(values[..., 1] - ops.stop_gradient(overlap)))
        + place * ops.sum(holds[..., None] * where)
        + limb * ops.sum(joined)
    )
    return total / ops.cast(ops.shape(truth)[0], "float32")


POSE_LOSSES: dict[str, Callable[..., Tensor]] = {
    "mse": heatmap_mse,
    "focal": heatmap_focal,
    "ppn": ppn,
}
"""The losses of pose networks, by the name that recipes use."""


def _keypoints(marked: Tensor) -> Tensor:
    """Return how many keypoints are marked, 1 at least."""
    return ops.maximum(ops.sum(marked[:, 0, 0]), 1.0)


def _offset_loss(targets: Tensors, outputs: Tensors) -> Tensor:
    """Return smooth L1 of the offsets, a mean over the cells near marked keypoints."""
    near = ops.cast(targets["heatmaps"] > NEAR, "float32")
    off = ops.abs(ops.cast(outputs["offsets"], "float32") - targets["offsets"])
    loss = ops.where(off < 1, 0.5 * ops.square(off), off - 0.5)
    weight = ops.repeat(near, 2, axis=-1)
    return ops.sum(loss * weight) / ops.maximum(ops.sum(near), 1.0)


def _iou(truth: Tensor, said: Tensor, grid: Tensor) -> Tensor:
    """Return the IoU of two boxes in one cell: x and y in the cell, sizes by the input's."""
    low, high = [], []
    for box in (truth, said):
        centre, half = box[..., :2] / grid, box[..., 2:] / 2
        low.append(centre - half)
        high.append(centre + half)
    inner = ops.maximum(ops.minimum(high[0], high[1]) - ops.maximum(low[0], low[1]), 0.0)
    shared = inner[..., 0] * inner[..., 1]
    areas = [box[..., 2] * box[..., 3] for box in (truth, said)]
    return shared / ops.maximum(areas[0] + areas[1] - shared, 1e-9)


def _known(tensor: Tensor) -> tuple[int, ...]:
    """Return a shape with -1 for a batch of unknown size."""
    return (-1, *tensor.shape[1:])
