import math

import numpy as np
import pytest

from edgecv.decoders.blazeface import decode
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Size

SIZE = Size(128, 128)
PLACEMENT = Placement(1.0, 1.0, 0.0, 0.0, SIZE, SIZE)
SIX = ("left_eye", "right_eye", "nose", "mouth", "left_ear", "right_ear")
FACES = ModelSpec(name="m", task="face_detection", decoder="blazeface", keypoints=SIX, score=0.5)
PEOPLE = ModelSpec(name="m", task="detection", decoder="blazeface", labels=("person",), score=0.5)
POINTS = np.arange(12, dtype=np.float32).reshape(6, 2)


def outputs_of(*rows, count=896, keypoints=6):
    """Nothing anywhere, but in the rows that are given: (row, logit, box)."""
    boxes = np.zeros((1, count, 4 + 2 * keypoints), np.float32)
    logits = np.full((1, count, 1), -200, np.float32)
    boxes[0, :, 4:] = np.arange(2 * keypoints)
    for row, value, box in rows:
        boxes[0, row, :4], logits[0, row] = box, value
    return {"boxes": boxes, "scores": logits}


@pytest.mark.parametrize(
    ("row", "x", "y"),
    [
        pytest.param(0, 4, 4, id="first-cell"),
        pytest.param(1, 4, 4, id="its-second-anchor"),
        pytest.param(2, 12, 4, id="second-cell"),
        pytest.param(2 * 16, 4, 12, id="second-row"),
        pytest.param(512, 8, 8, id="coarse-grid"),
        pytest.param(512 + 5, 8, 8, id="its-sixth-anchor"),
        pytest.param(512 + 6, 24, 8, id="its-second-cell"),
        pytest.param(895, 120, 120, id="last"),
    ],
)
def test_boxes_and_keypoints_are_pixels_from_their_cells_centre(row, x, y):
    box = (1, -1, 4, 2)
    faces = decode(outputs_of((row, 2.0, box)), FACES, PLACEMENT)
    assert isinstance(faces, Faces)
    np.testing.assert_allclose(faces.boxes, [(x - 1, y - 2, x + 3, y)])
    np.testing.assert_allclose(faces.landmarks[0], POINTS + np.array((x, y)))
    assert faces.scores[0] == pytest.approx(1 / (1 + math.exp(-2)))
    assert faces.points == SIX


def test_a_suppressed_box_has_its_share_by_its_score():
    outputs = outputs_of((100, math.log(3), (0, 0, 40, 40)), (101, 0, (4, 0, 40, 40)))
    faces = decode(outputs, FACES, PLACEMENT)
    x, y = 2.5 * 8 + 4 * 0.5 / (0.5 + 0.75), 3.5 * 8  # the fourth row's third cell has 100, 101
    np.testing.assert_allclose(faces.boxes, [(x - 20, y - 20, x + 20, y + 20)], rtol=1e-5)
    assert faces.scores.tolist() == pytest.approx([0.75])


def test_faces_that_do_not_overlap_stay_apart():
    outputs = outputs_of((0, 1.0, (0, 0, 6, 6)), (40, 2.0, (0, 0, 6, 6)))
    faces = decode(outputs, FACES, PLACEMENT)
    np.testing.assert_allclose(faces.scores, 1 / (1 + np.exp([-2.0, -1.0])), rtol=1e-6)
    np.testing.assert_allclose(faces.boxes, [(33, 9, 39, 15), (1, 1, 7, 7)])


def test_people_are_squares_round_the_circle_of_two_keypoints():
    size = Size(224, 224)
    placement = Placement(1.0, 1.0, 0.0, 0.0, size, size)
    row = 2 * (28 * 14 + 14)
    outputs = outputs_of((row, 2.0, (0, 0, 20, 20)), count=2254, keypoints=4)
    outputs["boxes"][0, row, 4:8] = (10, 20, 10 + 30, 20 + 40)
    people = decode(outputs, PEOPLE, placement, strides=(8, 16, 32, 32, 32), circle=(0, 1))
    assert isinstance(people, Detections)
    x, y = 116 + 10, 116 + 20
    np.testing.assert_allclose(people.boxes, [(x - 50, y - 50, x + 50, y + 50)])
    assert people.names == ["person"]


@pytest.mark.parametrize("column", [0, 2, 5])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_hide_only_their_own_row(column, bad):
    outputs = outputs_of((0, 2.0, (0, 0, 6, 6)), (1, 1.0, (0, 0, 6, 6)), (40, 2.0, (0, 0, 6, 6)))
    outputs["boxes"][0, 0, column] = bad
    faces = decode(outputs, FACES, PLACEMENT)
    np.testing.assert_allclose(faces.boxes, [(33, 9, 39, 15), (1, 1, 7, 7)])


def test_a_score_that_is_no_number_is_left_out():
    outputs = outputs_of((0, np.nan, (0, 0, 6, 6)), (40, 2.0, (0, 0, 6, 6)))
    assert len(decode(outputs, FACES, PLACEMENT)) == 1


@pytest.mark.parametrize("spec", [FACES, PEOPLE], ids=["faces", "people"])
@pytest.mark.parametrize("circle", [None, (0, 1)], ids=["box", "circle"])
def test_nothing_found_is_an_empty_result(spec, circle):
    assert len(decode(outputs_of(), spec, PLACEMENT, circle=circle)) == 0


def test_strides_that_do_not_fit_are_refused():
    with pytest.raises(SpecError, match="896 rows, but an input of 128x128 wants 640"):
        decode(outputs_of(), FACES, PLACEMENT, strides=(8, 16))
