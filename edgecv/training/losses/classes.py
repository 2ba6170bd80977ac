"""Losses of classifiers, per sample, from logits: cross-entropy and focal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from keras import KerasTensor, ops

from edgecv.errors import unknown_name
from edgecv.registry import check_options

Tensor: TypeAlias = KerasTensor
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(targets: Tensor, logits: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy, float32 (B,), of logits (B, C).

    Also for a class per pixel: any dimensions may stand before C.

    Args:
        targets: Class ids, integers (B,), or shares of the classes, float (B, C), as mixup gives
            them. An id outside 0..C-1 makes the loss NaN.
        logits: (B, C), before the softmax.
        smoothing: The share of the target, 0..1, that is spread evenly over all C classes, the
            right one included. Source: Szegedy et al. 2016, "Rethinking the Inception
            Architecture", section 7.

    Raises:
        ValueError: The shapes do not fit, or `smoothing` is out of range.
    """
    _in_range("smoothing", smoothing, below=1.0)
    shares = _shares(targets, logits)
    if smoothing:
        shares = (1 - smoothing) * shares + smoothing / logits.shape[-1]
    return -ops.sum(shares * _log_softmax(logits), axis=-1)


def focal(
    targets: Tensor, logits: Tensor, *, gamma: float = 2.0, alpha: Sequence[float] = ()
) -> Tensor:
    """Return the focal loss, float32 (B,), of logits (B, C): easy samples count for less.

    It is ``-alpha_t (1 - p_t)^gamma log(p_t)`` with p from a softmax, summed over the shares of a
    soft target. Source: Lin et al. 2017, "Focal Loss for Dense Object Detection", equation 5.

    Args:
        targets: Class ids, integers (B,), or shares of the classes, float (B, C), as mixup gives
            them. An id outside 0..C-1 makes the loss NaN.
        logits: (B, C), before the softmax.
        gamma: How much less: 0 for the cross-entropy.
        alpha: A weight for each of the C classes; empty for 1.

    Raises:
        ValueError: The shapes do not fit, `gamma` is negative, or `alpha` is not C numbers.
    """
    _in_range("gamma", gamma)
    classes = logits.shape[-1]
    if len(alpha) not in (0, classes):
        raise ValueError(f"alpha wants a weight for each of {classes} classes, got {len(alpha)}")
    log_p = _log_softmax(logits)
    # 1 - p from the logarithm: exact where p is near 1; never below a hair, so that the slope of
    # a fractional power stays finite.
    rest = ops.maximum(-ops.expm1(log_p), 1e-7)
    terms = _shares(targets, logits) * ops.power(rest, gamma) * log_p
    if len(alpha):
        terms = terms * ops.convert_to_tensor(alpha, dtype="float32")
    return -ops.sum(terms, axis=-1)


LOSSES: dict[str, Callable[..., Tensor]] = {"cross_entropy": cross_entropy, "focal": focal}
"""The losses of classifiers, by the name that recipes use."""


def build_loss(
    name: str, options: Mapping[str, Any], losses: Mapping[str, Callable[..., Any]] = LOSSES
) -> Callable[..., Any]:
    """Return the loss of that name with its options bound: a function of targets and outputs.

    Args:
        name: A key of `losses`.
        options: Its keyword arguments.
        losses: Those that a task has; a classifier's where none are given.

    Raises:
        UnknownNameError: There is no such loss, or it has no such option.
    """
    if name not in losses:
        raise unknown_name("loss", name, losses)
    check_options(f"option of {name}", losses[name], options)
    return partial(losses[name], **options)


def _log_softmax(logits: Tensor) -> Tensor:
    return ops.log_softmax(ops.cast(logits, "float32"), axis=-1)


def _shares(targets: Tensor, logits: Tensor) -> Tensor:
    """Return targets as shares of the classes, float32, of the logits' shape."""
    targets, classes = ops.convert_to_tensor(targets), logits.shape[-1]
    if len(targets.shape) == len(logits.shape) and targets.shape[-1] == classes:
        return ops.cast(targets, "float32")
    if len(targets.shape) != len(logits.shape) - 1:
        raise ValueError(
            f"wanted class ids {tuple(logits.shape[:-1])} or shares {tuple(logits.shape)}, "
            f"got targets {tuple(targets.shape)}"
        )
    known = ops.logical_and(targets >= 0, targets < classes)
    shares = ops.one_hot(ops.cast(targets, "int32"), classes, dtype="float32")
    return ops.where(ops.expand_dims(known, -1), shares, float("nan"))


def _in_range(name: str, value: float, below: float = float("inf")) -> None:
    if not 0 <= value < below:
        raise ValueError(f"{name} has to be at least 0 and below {below:g}, got {value}")
