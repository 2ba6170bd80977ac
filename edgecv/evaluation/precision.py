"""Precision and recall of ranked answers."""

from __future__ import annotations

import numpy as np

from edgecv.boxes import iou
from edgecv.types import Array, FloatArray


def match_boxes(boxes: FloatArray, truth: FloatArray, *, overlap: float) -> Array:
    """Tell which boxes are hits: each goes to the true box it overlaps most, the first one wins.

    A second box on the same object is not a hit. Source: Everingham et al., "The Pascal Visual
    Object Classes (VOC) Challenge", 2010, section 4.4.

    Args:
        boxes: float32 (N, 4), xyxy, by falling score.
        truth: float32 (M, 4), xyxy.
        overlap: The least IoU of a hit, 0..1.

    Returns:
        bool (N,).
    """
    hits = np.zeros(len(boxes), bool)
    if not len(truth):
        return hits
    overlaps = iou(boxes, truth)
    taken = np.zeros(len(truth), bool)
    for i, best in enumerate(overlaps.argmax(axis=1)):
        if overlaps[i, best] >= overlap and not taken[best]:
            hits[i] = taken[best] = True
    return hits


def average_precision(hits: Array, positives: float, weights: Array | None = None) -> float:
    """Return the area under the precision-recall curve, interpolated at every point.

    The precision at a recall is the best one at that recall or above. Source: the development kit
    of the Pascal VOC challenge 2010, section 3.4.1.

    Args:
        hits: bool (N,), whether each answer is right, by falling score.
        positives: How many right answers there are.
        weights: (N,), how often each answer counts; None for once.

    Returns:
        0..1; NaN where there are no right answers to find.
    """
    if not positives > 0:
        return float("nan")
    weight = np.ones(len(hits)) if weights is None else np.asarray(weights, np.float64)
    right = np.cumsum(hits * weight)
    answers = np.cumsum(weight)
    precision = np.divide(right, answers, out=np.zeros(len(hits)), where=answers > 0)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(right, prepend=0.0) * best).sum() / positives)


def average_precision_101(right: Array, wrong: Array, positives: float) -> float:
    """Return COCO's average precision: the mean of the best precision at recall 0, 0.01 ... 1.

    Source: the evaluation of Lin et al., "Microsoft COCO", 2014, as pycocotools computes it.

    Args:
        right: (T, N), how often each answer is right at each of T overlaps, by falling score.
        wrong: (T, N), how often it is wrong; an answer that is neither counts for nothing.
        positives: How many right answers there are; more than 0.

    Returns:
        0..1, the mean over the T overlaps.
    """
    hits, misses = np.cumsum(right, axis=1), np.cumsum(wrong, axis=1)
    recall = hits / positives
    precision = hits / np.maximum(hits + misses, np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    total = 0.0
    for row_recall, row_best in zip(recall, best, strict=True):
        at = np.searchsorted(row_recall, _RECALLS, side="left")
        total += float(row_best[at[at < len(row_best)]].sum())
    return total / (len(_RECALLS) * len(recall))


_RECALLS = np.linspace(0.0, 1.0, 101)


def recall_at_false_positives(hits: Array, positives: int, allowed: float) -> float:
    """Return the recall of the longest run of best answers with at most `allowed` wrong ones.

    Args:
        hits: bool (N,), whether each answer is right, by falling score.
        positives: How many right answers there are.
        allowed: How many wrong answers are allowed.

    Returns:
        0..1; NaN where there are no right answers to find.
    """
    if not positives:
        return float("nan")
    return float(hits[np.cumsum(~hits) <= allowed].sum() / positives)
