import math

import numpy as np
import pytest

from edgecv.decoders.objects import logit, objects, same_rows, sigmoid
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.labels import FACE_5
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Size

# A 100x200 frame in the middle of a 100x100 input: twice as large, with bars of 25 rows.
LETTERBOX = Placement(2.0, 2.0, 0.0, -50.0, Size(100, 200), Size(100, 100))
OBJECTS = ModelSpec(name="m", task="detection", decoder="ssd", labels=("cat", "dog"))
FACES = ModelSpec(name="m", task="face_detection", decoder="yunet")
BOXES = np.array([(10, 30, 20, 40), (50, 50, 60, 70)], np.float32)
SCORES = np.array([0.5, 0.75])


def test_boxes_come_in_frame_pixels_by_falling_score():
    result = objects(BOXES, SCORES, np.array([1, 0]), spec=OBJECTS, placement=LETTERBOX)
    assert isinstance(result, Detections)
    np.testing.assert_array_equal(result.boxes, [(100, 50, 120, 90), (20, 10, 40, 30)])
    np.testing.assert_array_equal(result.scores, [0.75, 0.5])
    assert result.names == ["cat", "dog"]
    assert result.boxes.dtype == result.scores.dtype == np.float32
    assert result.class_ids.dtype == np.int64
    assert result.frame == (100, 200)


def test_boxes_outside_the_frame_are_left_out_and_those_across_its_edge_cut():
    boxes = np.array([(10, 0, 20, 25), (10, 20, 20, 35), (-30, 30, -1, 40)], np.float32)
    scores = np.array([0.9, 0.8, 0.7])
    result = objects(boxes, scores, np.zeros(3, int), spec=OBJECTS, placement=LETTERBOX)
    np.testing.assert_array_equal(result.boxes, [(20, 0, 40, 20)])
    np.testing.assert_allclose(result.scores, [0.8])


def test_boxes_without_area_or_numbers_are_left_out():
    boxes = np.array([(10, 30, 10, 40), (np.nan, 30, 20, 40), (10, 30, 20, np.nan)], np.float32)
    result = objects(boxes, np.ones(3), np.zeros(3, int), spec=OBJECTS, placement=LETTERBOX)
    assert len(result) == 0


@pytest.mark.parametrize("spec", [OBJECTS, FACES], ids=["detections", "faces"])
def test_nothing_found_is_an_empty_result(spec):
    result = objects(
        np.zeros((0, 4), np.float32), np.zeros(0), np.zeros(0), spec=spec, placement=LETTERBOX
    )
    assert len(result) == 0
    assert result.boxes.shape == (0, 4)
    assert result.to_dict() in ({"detections": []}, {"faces": []})


def test_the_task_of_faces_gives_faces():
    landmarks = np.arange(20, dtype=np.float32).reshape(2, 5, 2)
    result = objects(
        BOXES, SCORES, np.zeros(2), spec=FACES, placement=LETTERBOX, landmarks=landmarks
    )
    assert isinstance(result, Faces)
    assert result.points == FACE_5
    np.testing.assert_array_equal(result.landmarks[0], landmarks[1] * 2 + (0, -50))


def test_faces_without_landmarks_have_no_points():
    result = objects(BOXES, SCORES, np.zeros(2), spec=FACES, placement=LETTERBOX)
    assert isinstance(result, Faces)
    assert result.landmarks.shape == (2, 0, 2)
    assert result.points == ()


def test_landmarks_have_the_names_that_the_spec_gives():
    spec = FACES.with_changes(keypoints=("left_eye", "right_eye", "mouth"))
    landmarks = np.zeros((2, 3, 2), np.float32)
    result = objects(
        BOXES, SCORES, np.zeros(2), spec=spec, placement=LETTERBOX, landmarks=landmarks
    )
    assert isinstance(result, Faces)
    assert result.points == spec.keypoints


@pytest.mark.parametrize("probability", [0.001, 0.3, 0.5, 0.999])
def test_logit_undoes_sigmoid(probability):
    assert sigmoid(np.array([logit(probability)]))[0] == pytest.approx(probability, rel=1e-5)


def test_logit_of_a_threshold_at_the_end_lets_all_or_nothing_through():
    assert logit(0) == -math.inf
    assert logit(1) == math.inf


def test_sigmoid_does_not_overflow():
    values = sigmoid(np.array([-1e9, 0, 1e9], np.float32))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, (0, 0.5, 1), atol=1e-30)


def test_rows_that_do_not_fit_the_options_are_refused():
    same_rows(OBJECTS, np.zeros((3, 4)), 3, LETTERBOX)
    with pytest.raises(SpecError, match="m: an output has 3 rows, but an input of 100x100 wants 4"):
        same_rows(OBJECTS, np.zeros((3, 4)), 4, LETTERBOX)


def test_names_for_other_points_than_the_model_gives_are_refused():
    spec = FACES.with_changes(keypoints=("left_eye", "right_eye"))
    with pytest.raises(ValueError, match="wanted 5 names, got 2"):
        objects(
            BOXES, SCORES, np.zeros(2), spec=spec, placement=LETTERBOX,
            landmarks=np.zeros((2, 5, 2), np.float32),
        )  # fmt: skip
