from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgecv.quantize import drop
from edgecv.quantize.average_precision import mean_average_precision

from edgecv.datasets import CocoData, CocoImage
from edgecv.errors import DataError, UnknownNameError
from edgecv.evaluation import classification, detection, face_detection, pose, verification
from edgecv.evaluation.classification import ClassificationEvaluation
from edgecv.evaluation.detection import DetectionEvaluation
from edgecv.evaluation.pose import PoseEvaluation
from edgecv.results import Classes, Detections
from edgecv.types import Size

F = np.float32
SIZE = Size(100, 100)


def classified(*ranks: int) -> ClassificationEvaluation:
    """An evaluation of pictures whose right class came at these ranks."""
    answers = []
    for rank in ranks:
        ids = [1, 2, 3, 4, 5, 6, 7]
        ids.insert(rank, 0)
        answers.append(
            Classes(
                frame=SIZE,
                class_ids=np.array(ids),
                scores=np.linspace(0.9, 0.1, 8, dtype=F),
                labels=tuple("abcdefgh"),
            )
        )
    return classification.measure(["a"] * len(ranks), answers)


def detected(*, missed: int = 0, pictures: int = 30, seed: int = 0) -> DetectionEvaluation:
    """An evaluation of pictures with two things each, found but for the first `missed`."""
    rng = np.random.default_rng(seed)
    boxes = np.array([[0, 0, 20, 20], [50, 50, 90, 90]], F)
    images, found = [], []
    for number in range(pictures):
        images.append(
            CocoImage(
                file=Path("no.png"),
                size=SIZE,
                boxes=boxes,
                category_ids=np.array([1, 2 + number % 2]),
                areas=np.array([400, 1600], F),
                crowd=np.zeros(2, bool),
                keypoints=np.zeros((2, 0, 3), F),
            )
        )
        moved = boxes + rng.uniform(-4, 4, 4).astype(F)
        wrong = np.array([[20, 60, 40, 80]], F)
        scores = rng.uniform(0.1, 1, 3).astype(F)
        order = np.argsort(-scores)
        keep = order[order != 1] if number < missed else order
        found.append(
            Detections(
                frame=SIZE,
                boxes=np.concatenate((moved, wrong))[keep],
                scores=scores[keep],
                class_ids=np.array([0, 1 + number % 2, int(rng.integers(3))])[keep],
                labels=("one", "two", "three"),
            )
        )
    data = CocoData(tuple(images), {1: "one", 2: "two", 3: "three", 4: "four"})
    return detection.measure(data, found)


def verified(seed: int = 0, pairs: int = 200) -> verification.VerificationEvaluation:
    rng = np.random.default_rng(seed)
    same = np.arange(pairs) % 2 == 0
    return verification.measure(np.where(same, 0.6, 0.3) + rng.normal(0, 0.1, pairs), same)


def posed(*similarities: float) -> PoseEvaluation:
    return PoseEvaluation(
        figures={},
        images=len(similarities),
        oks=tuple(np.array([value]) for value in similarities),
        marked=tuple(np.array([17]) for _ in similarities),
        poses=(),
    )


EVALUATIONS = {
    "classification": classified(*[0, 0, 1, 0, 7] * 10),
    "detection": detected(),
    "pose": posed(0.2, 0.9, 0.7),
    "verification": verified(),
}


@pytest.mark.parametrize("evaluation", EVALUATIONS.values(), ids=EVALUATIONS.keys())
def test_a_model_loses_nothing_to_itself(evaluation) -> None:
    for metric in drop.metrics_of(evaluation):
        found = drop.compare(evaluation, evaluation, metric=metric, draws=50)
        margin = pytest.approx(100 * drop.unseen(len(evaluation)), abs=1e-6)
        assert (found.drop.value, found.drop.high, -found.drop.low) == (0.0, margin, margin)
        assert found.before == found.after
        assert found.before.low <= found.before.value <= found.before.high
        assert found.before.value == pytest.approx(evaluation.figures.get(metric, 0.6))


@pytest.mark.parametrize("evaluation", EVALUATIONS.values(), ids=EVALUATIONS.keys())
def test_the_main_figure_is_drawn_as_the_evaluation_resamples_it(evaluation) -> None:
    counts = drop.drawn_counts(len(evaluation), 20, seed=3)
    assert (counts.sum(axis=1) == len(evaluation)).all()
    figure = drop.METRICS[type(evaluation)][evaluation.main]
    assert figure(evaluation, counts) == pytest.approx([evaluation.resample(c) for c in counts])


def test_what_is_lost_is_counted_in_points_with_its_interval() -> None:
    before, after = classified(*[0] * 100), classified(*[1] * 10, *[0] * 90)
    found = drop.paired_drop(before, after)
    assert found.value == 10.0
    # The number of lost pictures in a draw is binomial: 10 +- 1.96 * 3 of a hundred.
    assert found.low == pytest.approx(10 - 5.9, abs=1.2)
    assert found.high == pytest.approx(10 + 5.9, abs=1.2)


def test_what_both_models_get_wrong_does_not_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, 2, 200)
    worse = ranks.copy()
    worse[:4] = 1 - worse[:4]
    found = drop.compare(classified(*ranks), classified(*worse))
    width = found.before.high - found.before.low
    assert width > 0.12
    assert (found.drop.high - found.drop.low) / 100 < width / 2


@pytest.mark.parametrize(("items", "part"), [(3, 0.6316), (30, 0.0950), (300, 0.0099)])
def test_what_no_item_showed_may_be_as_frequent_as_the_rule_of_three_says(items, part) -> None:
    assert drop.unseen(items) == pytest.approx(part, abs=5e-5)
    assert (1 - drop.unseen(items)) ** items == pytest.approx(0.05)
    for metric in ("top1", "top5"):
        found = drop.compare(classified(*[0] * items), classified(*[0] * items), metric=metric)
        assert found.drop.high == pytest.approx(100 * part, abs=5e-3)
        assert found.before == (1.0, pytest.approx(1 - part, abs=5e-5), 1.0)


def test_a_sample_without_a_right_answer_may_have_left_some_out() -> None:
    found = drop.compare(classified(*[3] * 30), classified(*[3] * 30))
    assert found.after == (0.0, 0.0, pytest.approx(drop.unseen(30)))


def test_one_item_that_changed_is_no_surer_than_none() -> None:
    found = drop.paired_drop(classified(*[0] * 100), classified(1, *[0] * 99))
    assert found.value == 1.0
    assert found.low <= 1.0 - 100 * drop.unseen(100)
    assert found.high >= 1.0 + 100 * drop.unseen(100)


def test_draws_that_differ_give_the_ends_of_an_average_precision() -> None:
    before, after = detected(), detected(missed=10)
    counts = drop.drawn_counts(30, 100, seed=0)
    lost = [before.resample(row) - after.resample(row) for row in counts]
    found = drop.paired_drop(before, after, draws=100)
    assert (found.low, found.high) == pytest.approx(100 * np.percentile(lost, drop.LEVELS))


def test_a_gain_is_a_negative_drop() -> None:
    assert drop.paired_drop(classified(1, 1, 0, 0), classified(0, 1, 0, 0)).value == -25.0


def test_a_drop_of_a_whole_point_is_no_rounding_error_more() -> None:
    before = classified(*[0] * 219, *[1] * 81)
    after = classified(*[0] * 216, *[1] * 84)
    assert (219 / 300 - 216 / 300) * 100 != 1.0
    assert drop.paired_drop(before, after, draws=1).value == 1.0


def test_a_seed_gives_the_same_interval_again() -> None:
    before, after = classified(*[0, 0, 1] * 20), classified(*[0, 1, 1] * 20)
    first, again, other = (drop.compare(before, after, draws=40, seed=s) for s in (5, 5, 6))
    assert first == again
    assert first.drop.value == other.drop.value
    assert first.drop != other.drop


def test_a_lost_detection_lowers_every_average_precision() -> None:
    before, after = detected(), detected(missed=10)
    for metric in ("AP", "AP50", "AP75"):
        found = drop.compare(before, after, metric=metric, draws=100)
        assert found.drop.low > 0
        assert found.after.value == pytest.approx(after.figures[metric])


def test_average_precision_of_many_draws_is_that_of_each() -> None:
    found = detected(missed=7, pictures=12, seed=2)
    matches = list(found.matches.values())
    counts = drop.drawn_counts(12, 300, seed=1)
    assert mean_average_precision(matches, counts) == pytest.approx(
        [found.resample(row) for row in counts], abs=1e-12
    )
    once = np.ones((1, 12))
    assert mean_average_precision(matches, once, slice(0, 1)) == pytest.approx(
        found.figures["AP50"]
    )
    nowhere = np.zeros((1, 12))
    assert np.isnan(mean_average_precision(matches, nowhere)).all()


def test_top5_counts_the_first_five() -> None:
    evaluation = classified(0, 4, 5, 7)
    assert drop.sample(evaluation, metric="top5", draws=1).value == 0.5


def test_true_accept_rates_are_those_of_the_pairs_drawn() -> None:
    evaluation = verified()
    counts = drop.drawn_counts(len(evaluation), 5, seed=0)
    chosen = [np.repeat(np.arange(len(row)), row.astype(int)) for row in counts]
    again = [verification.measure(evaluation.similarity[i], evaluation.same[i]) for i in chosen]
    drawn = drop.METRICS[type(evaluation)]["tar@1e-2"](evaluation, counts)
    assert drawn == pytest.approx([one.figures["tar@1e-2"] for one in again])
    alike = np.where(evaluation.same, 1.0, 0.0)[None]
    assert np.isnan(drop.METRICS[type(evaluation)]["tar@1e-3"](evaluation, alike)).all()


def test_faces_are_compared_by_average_precision() -> None:
    evaluation = face_detection.FaceDetectionEvaluation(
        figures={},
        images=3,
        faces=(None, None, None),  # type: ignore[arg-type]
        image=np.array([0, 1, 2]),
        hits=np.array([True, False, True]),
        positives=np.array([1, 1, 1]),
    )
    assert drop.metrics_of(evaluation) == ("ap",)
    assert drop.paired_drop(evaluation, evaluation, draws=20).value == 0.0


NAMES = {
    "empty": (classified(0), "", "top1"),
    "its own": (classified(0), "top5", "top5"),
    "in small letters": (detected(), "ap50", "AP50"),
    "in short": (posed(0.5), "oks", "mean_oks"),
    "as vendors write it": (detected(), "mAP", "AP"),
    "a rate": (verified(), "TAR@1e-3", "tar@1e-3"),
}


@pytest.mark.parametrize(("evaluation", "name", "own"), NAMES.values(), ids=NAMES.keys())
def test_a_metric_goes_by_what_people_call_it(evaluation, name, own) -> None:
    assert drop.metric_name(evaluation, name) == own


def test_an_unknown_metric_is_told_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="no metric of a pose 'eer'; there are: mean_oks"):
        drop.metric_name(posed(0.5), "eer")


def test_a_set_with_nothing_to_measure_is_told() -> None:
    nobody = pose.PoseEvaluation(
        figures={},
        images=1,
        oks=(np.zeros(0),),
        marked=(np.zeros(0, int),),
        poses=(),
    )
    with pytest.raises(DataError, match="holds nothing to measure mean_oks on"):
        drop.sample(nobody)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="of the same kind"):
        drop.compare(classified(0), posed(0.5))
    with pytest.raises(ValueError, match="2000 draws of top1 of 1 and 2000 draws of top1 of 2"):
        drop.compare(classified(0), classified(0, 1))
    samples = drop.sample(classified(0), draws=3), drop.sample(classified(0), metric="top5")
    with pytest.raises(ValueError, match="3 draws of top1 of 1 and 2000 draws of top5 of 1"):
        drop.difference(*samples)
