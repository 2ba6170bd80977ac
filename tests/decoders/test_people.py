import numpy as np
import pytest

from edgecv.decoders.people import boxes_round, keypoint_rows, people
from edgecv.errors import SpecError
from edgecv.spec import ModelSpec
from edgecv.types import Size

FRAME = Size(100, 200)
SPEC = ModelSpec(
    name="m", task="pose", decoder="movenet", keypoints=("a", "b", "c"), skeleton=((0, 2),),
    score=0.25,
)  # fmt: skip
POINTS = np.array([[(10, 20), (30, 5), (50, 60)], [(110, 20), (150, 80), (130, 60)]], np.float32)


def test_people_come_by_falling_score_and_those_below_the_threshold_are_left_out():
    points = np.concatenate((POINTS, POINTS[:1]))
    sure = np.array([(0.1, 0.2, 0.3), (0.9, 0.8, 0.7), (1, 1, 1)], np.float32)
    result = people(
        points, sure, np.array([0.25, 0.8, 0.2], np.float32),
        spec=SPEC, frame=FRAME, keypoint_score=0.5,
    )  # fmt: skip
    np.testing.assert_array_equal(result.scores, np.array([0.8, 0.25], np.float32))
    np.testing.assert_array_equal(result.keypoints, POINTS[::-1])
    np.testing.assert_array_equal(result.keypoint_scores, sure[[1, 0]])
    assert (result.names, result.skeleton, result.frame) == (SPEC.keypoints, ((0, 2),), FRAME)


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ((True, True, True), (10, 5, 50, 60)),
        ((True, True, False), (10, 5, 30, 20)),
        ((False, True, False), (30, 5, 30, 5)),
        ((False, False, False), (10, 5, 50, 60)),
    ],
    ids=["all", "two", "one", "none counts as all"],
)
def test_a_box_holds_the_chosen_points(chosen, wanted):
    boxes = boxes_round(POINTS[:1], np.array([chosen]), FRAME)
    np.testing.assert_array_equal(boxes, [wanted])
    assert boxes.dtype == np.float32


def test_boxes_end_at_the_edge_of_the_frame():
    points = np.array([[(-10, -20), (300, 400)]], np.float32)
    boxes = boxes_round(points, np.ones((1, 2), bool), FRAME)
    np.testing.assert_array_equal(boxes, [(0, 0, 200, 100)])


def test_nobody_is_a_result_of_no_rows():
    result = people(
        POINTS[:0], np.zeros((0, 3), np.float32), np.zeros(0, np.float32),
        spec=SPEC, frame=FRAME, keypoint_score=0.5,
    )  # fmt: skip
    assert len(result) == 0
    assert result.boxes.shape == (0, 4)
    assert result.to_dict() == {"people": []}


def test_rows_beyond_the_named_keypoints_are_left_out():
    rows = keypoint_rows(np.arange(10.0).reshape(1, 10, 1, 1), 2, SPEC)
    np.testing.assert_array_equal(rows, [[(0, 1), (2, 3), (4, 5)]])
    assert rows.dtype == np.float32


@pytest.mark.parametrize("size", [0, 4, 7], ids=["empty", "too few", "not whole rows"])
def test_an_output_that_is_not_rows_of_keypoints_is_refused(size):
    with pytest.raises(SpecError, match=r"not 2 numbers for each of 3 keypoints"):
        keypoint_rows(np.zeros((1, size)), 2, SPEC)
