"""Losses of segmentation: cross-entropy of every pixel, Dice of every class, and both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from keras import KerasTensor, ops

Tensor: TypeAlias = KerasTensor


def cross_entropy(targets: Tensor, logits: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy of the pixels that count, float32 ().

    Args:
        targets: Class ids, integers (B, H, W); an id outside 0..C-1, such as 255, does not count.
        logits: (B, H, W, C), before the softmax.
        smoothing: The share of a class that is spread over all, 0..1 (label smoothing).
    """
    truth, counted = _truth(targets, logits)
    shares = (1 - smoothing) * truth + smoothing / logits.shape[-1]
    log_p = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    losses = -ops.sum(shares * log_p, axis=-1) * counted
    return ops.sum(losses) / ops.maximum(ops.sum(counted), 1.0)


def dice(targets: Tensor, logits: Tensor, *, background: bool = False) -> Tensor:
    """Return 1 less the Dice coefficient, float32 (), a mean over the classes in the batch.

    ``2 sum(p t) / (sum(p²) + sum(t²))`` over all pixels that count. Source: Milletari et al.,
    "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation", 2016,
    section 3.

    Args:
        targets: As for `cross_entropy`.
        logits: As for `cross_entropy`.
        background: Whether class 0 counts too.
    """
    truth, counted = _truth(targets, logits)
    p = ops.softmax(ops.cast(logits, "float32"), axis=-1) * ops.expand_dims(counted, -1)
    first = 0 if background else 1
    truth, p = truth[..., first:], p[..., first:]
    pixels = (0, 1, 2)
    size = ops.sum(truth, axis=pixels)
    there = ops.cast(size > 0, "float32")
    both = 2 * ops.sum(p * truth, axis=pixels)
    whole = ops.sum(ops.square(p), axis=pixels) + size
    lost = 1 - both / ops.maximum(whole, 1e-6)
    return ops.sum(lost * there) / ops.maximum(ops.sum(there), 1.0)


def dice_cross_entropy(
    targets: Tensor, logits: Tensor, *, dice_weight: float = 1.0, smoothing: float = 0.0
) -> Tensor:
    """Return the cross-entropy and the Dice loss added up, float32 ().

    Args:
        targets: As for `cross_entropy`.
        logits: As for `cross_entropy`.
        dice_weight: The weight of the Dice loss.
        smoothing: As for `cross_entropy`.
    """
    pixels = cross_entropy(targets, logits, smoothing=smoothing)
    return pixels + dice_weight * dice(targets, logits)


MASK_LOSSES: dict[str, Callable[..., Tensor]] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "dice_cross_entropy": dice_cross_entropy,
}
"""The losses of segmentation, by the name that recipes use."""


def _truth(targets: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the classes (B, H, W, C), all 0 where nothing counts, and 1 (B, H, W) where it does.

    Raises:
        ValueError: The shapes do not fit.
    """
    if tuple(targets.shape[1:]) != tuple(logits.shape[1:3]):
        raise ValueError(
            f"wanted a class for each pixel of {tuple(logits.shape[1:3])}, got targets "
            f"{tuple(targets.shape)}"
        )
    classes = logits.shape[-1]
    ids = ops.cast(targets, "int32")
    counted = ops.logical_and(ids >= 0, ids < classes)
    truth = ops.one_hot(ops.where(counted, ids, 0), classes, dtype="float32")
    counts = ops.cast(counted, "float32")
    return truth * ops.expand_dims(counts, -1), counts
