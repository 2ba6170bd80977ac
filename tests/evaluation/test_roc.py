from __future__ import annotations

import numpy as np
import pytest

from edgecv.evaluation import roc

NAN = float("nan")


def pairs(same: list[float], different: list[float]) -> tuple[np.ndarray, np.ndarray]:
    kinds = np.array([True] * len(same) + [False] * len(different))
    return np.array([*same, *different], np.float64), kinds


def test_the_curve_has_a_point_for_every_similarity() -> None:
    curve = roc.roc(*pairs([0.9, 0.8, 0.4], [0.6, 0.3]))
    np.testing.assert_allclose(curve.far, [0, 0, 0, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(curve.tar, [0, 1 / 3, 2 / 3, 2 / 3, 1, 1, 1])
    np.testing.assert_allclose(curve.thresholds, [np.inf, 0.9, 0.8, 0.6, 0.4, 0.3, -np.inf])


def test_equal_similarities_are_one_point() -> None:
    curve = roc.roc(*pairs([0.5, 0.5], [0.5, 0.1]))
    np.testing.assert_allclose(curve.far, [0, 0.5, 1, 1])
    np.testing.assert_allclose(curve.tar, [0, 1, 1, 1])


def test_a_pair_that_could_not_be_compared_is_accepted_last() -> None:
    curve = roc.roc(*pairs([0.9, NAN], [0.1, 0.2]))
    np.testing.assert_allclose(curve.tar, [0, 0.5, 0.5, 0.5, 1])
    np.testing.assert_allclose(curve.far, [0, 0, 0.5, 1, 1])


@pytest.mark.parametrize("same", [True, False])
def test_a_curve_needs_pairs_of_both_kinds(same: bool) -> None:
    with pytest.raises(ValueError, match="pairs of both kinds"):
        roc.roc(np.array([0.1, 0.2]), np.array([same, same]))


@pytest.mark.parametrize(
    ("same", "different", "expected"),
    [
        ([0.9, 0.8], [0.3, 0.2], 0.0),
        ([0.9, 0.8, 0.4], [0.6, 0.3, 0.2], 1 / 3),
        ([0.9, 0.8], [0.8, 0.1], 0.25),
        ([0.1, 0.2], [0.8, 0.9], 1.0),
    ],
    ids=["apart", "on a point", "between two points", "turned round"],
)
def test_the_equal_error_rate_is_that_worked_by_hand(
    same: list[float], different: list[float], expected: float
) -> None:
    assert roc.equal_error_rate(roc.roc(*pairs(same, different))) == pytest.approx(expected)


@pytest.mark.parametrize(("far", "expected"), [(0.0, 0.25), (0.009, 0.25), (0.01, 0.75), (1, 1)])
def test_the_true_accept_rate_keeps_to_the_false_accept_rate(far: float, expected: float) -> None:
    different = [0.8, *np.linspace(0, 0.1, 99)]
    curve = roc.roc(*pairs([0.9, 0.7, 0.6, 0.05], different))
    assert roc.true_accept_rate(curve, far=far) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("same", "different", "expected"),
    [
        ([0.8, 0.9], [0.2, 0.3], 0.55),
        ([0.5, 0.9], [0.4, 0.6, 0.1], 0.45),
        ([0.2, 0.9], [], 0.2),
        ([], [0.2, 0.9], np.inf),
        ([NAN, 0.9], [NAN, 0.3], 0.6),
        ([NAN], [NAN], np.inf),
    ],
    ids=["apart", "one wrong", "all the same", "all different", "not compared", "none compared"],
)
def test_the_best_threshold_judges_most_pairs_rightly(
    same: list[float], different: list[float], expected: float
) -> None:
    assert roc.best_threshold(*pairs(same, different)) == pytest.approx(expected)


def test_no_threshold_judges_more_pairs_rightly_than_the_best() -> None:
    rng = np.random.default_rng(3)
    same = rng.random(60) < 0.4
    similarity = np.round(rng.normal(same * 0.4, 0.3), 1)
    best = roc.best_threshold(similarity, same)
    accuracy = [((similarity >= t) == same).mean() for t in np.linspace(-2, 2, 801)]
    assert ((similarity >= best) == same).mean() == max(accuracy)


def test_a_fold_is_judged_by_the_others_alone() -> None:
    # Fold 0 holds 0.9 and 0.4, fold 1 holds 0.5 and 0.1: by the other's threshold, 0.3 and 0.65,
    # one pair of each is judged wrongly, though 0.45 would judge all four rightly.
    correct, thresholds = roc.fold_judgements(*pairs([0.9, 0.5], [0.4, 0.1]), folds=2)
    np.testing.assert_allclose(thresholds, [0.3, 0.65])
    assert correct.tolist() == [True, False, False, True]


def test_every_fold_has_its_share_of_both_kinds() -> None:
    # All pairs of the same people come first, as in a sorted file: were the folds cut from the
    # file in pieces, some would hold one kind only. Here each fold has three of both, and a fold's
    # own similarities never decide: all are judged by 0.5.
    similarity, same = pairs([0.6] * 30, [0.4] * 30)
    correct, thresholds = roc.fold_judgements(similarity, same)
    np.testing.assert_allclose(thresholds, [0.5] * 10)
    assert correct.all()


def test_a_pair_that_could_not_be_compared_is_taken_for_different() -> None:
    correct, _ = roc.fold_judgements(*pairs([0.9, 0.9, NAN], [0.1, 0.1, NAN]), folds=2)
    assert correct.tolist() == [True, True, False, True, True, True]
