"""Losses that make a network answer as a larger one does: classes and embeddings."""

from __future__ import annotations

from keras import ops

from edgecv.training.losses.classes import Tensor
from edgecv.training.losses.margins import unit


def softened_divergence(
    teacher_logits: Tensor, logits: Tensor, *, temperature: float = 2.0
) -> Tensor:
    """Return how far a network's classes are from its teacher's, float32 (B,); 0 where equal.

    It is the Kullback-Leibler divergence of the softmax of logits divided by the temperature,
    times the temperature squared, which keeps the gradients' size. Source: Hinton et al. 2015,
    "Distilling the Knowledge in a Neural Network", section 2.

    Args:
        teacher_logits: (B, C), up to a constant in each row: logarithms of probabilities will do.
        logits: (B, C).
        temperature: Above 0; the higher, the more the wrong classes count.

    Raises:
        ValueError: `temperature` is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"the temperature has to be above 0, got {temperature}")
    wanted = ops.log_softmax(ops.cast(teacher_logits, "float32") / temperature, axis=-1)
    got = ops.log_softmax(ops.cast(logits, "float32") / temperature, axis=-1)
    return temperature**2 * ops.sum(ops.exp(wanted) * (wanted - got), axis=-1)


def cosine_distance(teacher: Tensor, embeddings: Tensor) -> Tensor:
    """Return 1 less the cosine of two embeddings of the same picture, (B, D) each: float32 (B,)."""
    return 1 - ops.sum(unit(teacher) * unit(embeddings), axis=-1)


def similarity_gap(teacher: Tensor, embeddings: Tensor) -> Tensor:
    """Return how differently two networks see who is like whom in a batch, float32 (B,).

    It is the mean square, row by row, of the difference of the matrices of cosines (B, B); the two
    may have different numbers of dimensions. Source: the idea is Tung and Mori 2019,
    "Similarity-Preserving Knowledge Distillation"; cosines stand in for their scaled products.

    Args:
        teacher: (B, D).
        embeddings: (B, E).
    """
    wanted, got = unit(teacher), unit(embeddings)
    gap = ops.matmul(wanted, ops.transpose(wanted)) - ops.matmul(got, ops.transpose(got))
    return ops.mean(ops.square(gap), axis=-1)
