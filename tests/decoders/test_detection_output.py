import numpy as np
import pytest

from edgecv.decoders.detection_output import decode
from edgecv.image import Placement
from edgecv.results import Detections, Faces
from edgecv.spec import ModelSpec
from edgecv.types import Size

PLACEMENT = Placement(2.0, 1.0, 0.0, 0.0, Size(100, 400), Size(100, 200))
FACES = ModelSpec(name="m", task="face_detection", decoder="detection_output", score=0.5)
OBJECTS = FACES.with_changes(task="detection", labels=("cat", "dog"))


def outputs_of(*rows):
    return {"detection_out": np.array(rows, np.float32).reshape(1, 1, -1, 7)}


def test_boxes_are_parts_of_the_input():
    faces = decode(outputs_of((0, 1, 0.75, 0.1, 0.2, 0.5, 0.6)), FACES, PLACEMENT)
    assert isinstance(faces, Faces)
    np.testing.assert_allclose(faces.boxes, [(40, 20, 200, 60)], rtol=1e-6)
    assert faces.scores.tolist() == [0.75]
    assert faces.landmarks.shape == (1, 0, 2)


def test_rows_after_a_negative_image_do_not_count():
    box = (0.1, 0.2, 0.5, 0.6)
    rows = [(0, 1, 0.75, *box), (-1, 0, 0, 0, 0, 0, 0), (0, 1, 0.9, *box)]
    assert decode(outputs_of(*rows), FACES, PLACEMENT).scores.tolist() == [0.75]


def test_scores_below_the_threshold_are_left_out_and_the_others_sorted():
    box = (0.1, 0.2, 0.5, 0.6)
    rows = [(0, 1, 0.5, *box), (0, 1, 0.4, *box), (0, 1, 1.0, *box)]
    assert decode(outputs_of(*rows), FACES, PLACEMENT).scores.tolist() == [1.0, 0.5]


@pytest.mark.parametrize(("background", "name"), [(True, "cat"), (False, "dog")])
def test_classes_are_numbered_from_one_where_there_is_a_background(background, name):
    outputs = outputs_of((0, 1, 0.75, 0.1, 0.2, 0.5, 0.6))
    found = decode(outputs, OBJECTS, PLACEMENT, background=background)
    assert isinstance(found, Detections)
    assert found.names == [name]


@pytest.mark.parametrize("column", range(7))
def test_rows_that_are_not_numbers_are_left_out(column):
    row = np.array((0, 1, 0.75, 0.1, 0.2, 0.5, 0.6))
    row[column] = np.nan
    assert len(decode(outputs_of(row), FACES, PLACEMENT)) == 0


@pytest.mark.parametrize("rows", [(), ((-1, 0, 0, 0, 0, 0, 0),)], ids=["no-rows", "only-the-end"])
def test_nothing_found_is_an_empty_result(rows):
    assert len(decode(outputs_of(*rows), FACES, PLACEMENT)) == 0
