"""Classes of a whole picture: one score for each class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.decoders.roles import check_classes
from edgecv.image import Placement
from edgecv.results import Classes
from edgecv.spec import ModelSpec
from edgecv.types import Array, FloatArray


def decode(
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    softmax: bool = False,
    background: bool = False,
    top: int = 5,
) -> Classes:
    """Read (1, C) or (1, C, 1, 1) scores: the best `top` of those that reach the spec's score.

    A class id is the position of the score, so labels fit whether or not there is a background.

    Args:
        outputs: The first of them is read.
        spec: Its labels, where it has any, name all C classes.
        placement: The picture that was classified.
        softmax: The scores are logits; the default takes them as probabilities.
        background: Class 0 means "none of these" and is left out.
        top: The most classes to give.

    Raises:
        SpecError: The number of scores is not that of the labels.
    """
    values = next(iter(outputs.values())).astype(np.float32).reshape(-1)
    check_classes(spec, values.size)
    scores = _softmax(values) if softmax else values
    order = np.argsort(-scores, kind="stable")
    order = order[(scores[order] >= spec.score) & ~(background & (order == 0))][:top]
    return Classes(
        frame=placement.frame,
        class_ids=order.astype(np.int64),
        scores=scores[order],
        labels=spec.labels,
    )


def _softmax(logits: FloatArray) -> FloatArray:
    powers = np.exp(logits - logits.max())
    out: FloatArray = powers / powers.sum()
    return out
