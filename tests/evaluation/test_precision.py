from __future__ import annotations

import numpy as np
import pytest

from edgecv.evaluation.precision import (
    average_precision,
    average_precision_101,
    match_boxes,
    recall_at_false_positives,
)

TRUTH = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)


@pytest.mark.parametrize(
    ("boxes", "hits"),
    [
        ([[0, 0, 10, 10], [20, 0, 30, 10]], [True, True]),
        ([[0, 0, 10, 10], [0, 0, 10, 9]], [True, False]),
        ([[0, 0, 10, 5]], [True]),
        ([[0, 0, 10, 4]], [False]),
        ([[40, 40, 50, 50]], [False]),
        ([], []),
    ],
    ids=["both", "the second on one object", "IoU exactly .5", "IoU .4", "elsewhere", "none"],
)
def test_each_object_is_hit_once(boxes: list[list[float]], hits: list[bool]) -> None:
    found = match_boxes(np.array(boxes, np.float32).reshape(-1, 4), TRUTH, overlap=0.5)
    assert found.tolist() == hits


def test_nothing_is_hit_where_there_is_nothing() -> None:
    assert match_boxes(TRUTH, TRUTH[:0], overlap=0.5).tolist() == [False, False]


@pytest.mark.parametrize(
    ("hits", "positives", "expected"),
    [
        ([1, 1], 2, 1.0),
        ([1, 0, 1, 1, 0], 4, (1 + 0.75 + 0.75) / 4),
        ([0, 1], 1, 0.5),
        ([0, 0], 3, 0.0),
        ([], 3, 0.0),
    ],
    ids=["perfect", "the best precision to the right counts", "late", "all wrong", "no answers"],
)
def test_average_precision_is_that_worked_by_hand(
    hits: list[int], positives: int, expected: float
) -> None:
    assert average_precision(np.array(hits, bool), positives) == pytest.approx(expected, abs=1e-12)


def test_average_precision_of_nothing_to_find_is_not_a_number() -> None:
    assert np.isnan(average_precision(np.array([False]), 0))


def test_a_weight_counts_an_answer_as_often_as_it_says() -> None:
    hits = np.array([True, False, True])
    repeated = average_precision(np.array([True, True, True]), 4)
    assert average_precision(hits, 4, np.array([2, 0, 1])) == pytest.approx(repeated)


@pytest.mark.parametrize(
    ("right", "wrong", "positives", "expected"),
    [
        ([[1, 1]], [[0, 0]], 2, 1.0),
        # recall .5 at precision 1: the recalls 0 to .5, 51 of 101, are reached
        ([[1, 0]], [[0, 1]], 2, 51 / 101),
        # precision 1 up to recall .5, then 2/3
        ([[1, 0, 1]], [[0, 1, 0]], 2, (51 + 50 * 2 / 3) / 101),
        ([[1], [0]], [[0], [1]], 1, 0.5),
        ([[0, 1]], [[0, 0]], 1, 1.0),
    ],
    ids=["perfect", "half found", "a wrong one between", "two overlaps", "one counts for nothing"],
)
def test_average_precision_of_coco_is_that_worked_by_hand(
    right: list[list[int]], wrong: list[list[int]], positives: int, expected: float
) -> None:
    found = average_precision_101(np.array(right), np.array(wrong), positives)
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("allowed", "expected"), [(0, 1 / 5), (1, 3 / 5), (2, 3 / 5), (3, 4 / 5)])
def test_recall_is_taken_before_too_many_answers_are_wrong(allowed: int, expected: float) -> None:
    hits = np.array([1, 0, 1, 1, 0, 0, 1], bool)
    assert recall_at_false_positives(hits, 5, allowed) == pytest.approx(expected)


def test_recall_of_nothing_to_find_is_not_a_number() -> None:
    assert np.isnan(recall_at_false_positives(np.array([False]), 0, 1))
