import math

import numpy as np
import pytest

from edgecv.boxes import cxcywh_to_xyxy, grid_anchors
from edgecv.decoders.ulffd import SQUARES, decode
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.labels import FACE_5
from edgecv.results import Faces
from edgecv.spec import ModelSpec
from edgecv.types import Size

SIZE = Size(64, 96)
PLACEMENT = Placement(1.0, 1.0, 0.0, 0.0, SIZE, SIZE)
SPEC = ModelSpec(name="m", task="face_detection", decoder="ulffd", score=0.7)
OPTIONS = {"strides": (16, 32), "sizes": (((10, 12), (20, 24)), ((32, 40),))}
ANCHORS = grid_anchors(SIZE, **OPTIONS)
CELL = 6 * 2 + 2  # the second row's second cell of the first grid, its first anchor
POINTS = np.array([(-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1)], np.float32)


def outputs_of(*cells, landmarks=True):
    """Nothing anywhere, but in the rows that are given: (row, margin, offset)."""
    boxes = np.zeros((1, len(ANCHORS), 4), np.float32)
    scores = np.tile(np.array([3, -3], np.float32), (1, len(ANCHORS), 1))
    points = np.tile(POINTS.reshape(10), (1, len(ANCHORS), 1))
    for row, margin, offset in cells:
        boxes[0, row], scores[0, row] = offset, (1, 1 + margin)
    return {"boxes": boxes, "scores": scores, **({"landmarks": points} if landmarks else {})}


def test_boxes_and_landmarks_are_offsets_from_their_anchor():
    outputs = outputs_of((CELL, 2.0, (1, -2, 5 * math.log(1.5), 0)))
    faces = decode(outputs, SPEC, PLACEMENT, **OPTIONS)
    assert isinstance(faces, Faces)
    x, y, w, h = 24, 24, 12, 10
    wanted = cxcywh_to_xyxy(np.array([(x + 0.1 * w, y - 0.2 * h, 1.5 * w, h)], np.float32))
    np.testing.assert_allclose(faces.boxes, wanted, rtol=1e-5)
    np.testing.assert_allclose(faces.landmarks[0], POINTS * (1.2, 1.0) + (x, y), rtol=1e-5)
    assert faces.scores[0] == pytest.approx(1 / (1 + math.exp(-2)))
    assert faces.points == FACE_5


def test_anchors_of_a_cell_follow_each_other():
    faces = decode(outputs_of((CELL + 1, 2.0, (0, 0, 0, 0))), SPEC, PLACEMENT, **OPTIONS)
    np.testing.assert_allclose(faces.boxes, [(12, 14, 36, 34)], rtol=1e-5)


def test_files_without_landmarks_give_faces_without():
    outputs = outputs_of((CELL, 2.0, (0, 0, 0, 0)), landmarks=False)
    assert decode(outputs, SPEC, PLACEMENT, **OPTIONS).landmarks.shape == (1, 0, 2)


@pytest.mark.parametrize(("margin", "found"), [(0.84, False), (0.85, True)])
def test_the_softmax_of_the_two_scores_has_to_reach_the_threshold(margin, found):
    assert len(decode(outputs_of((0, margin, (0, 0, 0, 0))), SPEC, PLACEMENT, **OPTIONS)) == found


def test_the_best_of_faces_that_overlap_is_kept():
    grown = (0, 0, 5 * math.log(2), 5 * math.log(2))
    outputs = outputs_of((CELL, 2.0, grown), (CELL + 1, 3.0, (0, 0, 0, 0)))
    faces = decode(outputs, SPEC, PLACEMENT, **OPTIONS)
    np.testing.assert_allclose(faces.scores, 1 / (1 + np.exp([-3.0])), rtol=1e-6)


@pytest.mark.parametrize("name", ["boxes", "scores"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_hide_only_their_own_anchor(name, bad):
    outputs = outputs_of((0, 2.0, (0, 0, 0, 0)), (CELL + 1, 2.0, (0, 0, 0, 0)))
    outputs[name][0, 0, 0] = bad
    faces = decode(outputs, SPEC, PLACEMENT, **OPTIONS)
    assert np.isfinite(faces.boxes).all()
    assert (np.abs(faces.boxes - (12, 14, 36, 34)) < 1e-3).all(axis=1).any()


@pytest.mark.parametrize("landmarks", [True, False])
def test_nothing_found_is_an_empty_result(landmarks):
    faces = decode(outputs_of(landmarks=landmarks), SPEC, PLACEMENT, **OPTIONS)
    assert len(faces) == 0
    assert faces.landmarks.shape == (0, 5 * landmarks, 2)


def test_the_defaults_are_the_4420_priors_of_the_project_for_320x240():
    assert len(grid_anchors(Size(240, 320), strides=(8, 16, 32, 64), sizes=SQUARES)) == 4420


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(SpecError, match="54 rows, but an input of 64x96 wants"):
        decode(outputs_of(), SPEC, PLACEMENT)
