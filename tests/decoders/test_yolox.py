import math

import numpy as np
import pytest

from edgecv.decoders.yolox import decode
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.results import Faces
from edgecv.spec import ModelSpec
from edgecv.types import Size

SIZE = Size(64, 96)
PLACEMENT = Placement(1.0, 1.0, 0.0, 0.0, SIZE, SIZE)
SPEC = ModelSpec(name="m", task="detection", decoder="yolox", labels=("a", "b"), score=0.3)
FIRST = {8: 0, 16: 8 * 12, 32: 8 * 12 + 4 * 6}  # the grids' first rows
ROWS = 8 * 12 + 4 * 6 + 2 * 3


def row_of(stride, row, column):
    return FIRST[stride] + row * (SIZE.width // stride) + column


def outputs_of(*cells):
    """Nothing anywhere, but in the cells that are given: (row, box, objectness, classes)."""
    values = np.zeros((1, ROWS, 7), np.float32)
    for row, box, objectness, classes in cells:
        values[0, row] = (*box, objectness, *classes)
    return {"output": values}


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_a_box_is_an_offset_from_its_cell_and_a_logarithm_of_cells(stride):
    cell = (row_of(stride, 1, 2), (-0.5, 0.25, math.log(1.5), 0), 0.9, (0.1, 0.8))
    result = decode(outputs_of(cell), SPEC, PLACEMENT)
    x, y, w, h = 1.5 * stride, 1.25 * stride, 1.5 * stride, stride
    wanted = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    np.testing.assert_allclose(result.boxes, [wanted], rtol=1e-5)
    assert result.scores[0] == pytest.approx(0.72)
    assert result.names == ["b"]


def test_decoded_boxes_are_taken_as_they_are():
    cell = (7, (30, 20, 10, 8), 0.9, (0.1, 0.8))
    result = decode(outputs_of(cell), SPEC, PLACEMENT, decoded=True)
    np.testing.assert_allclose(result.boxes, [(25, 16, 35, 24)])


@pytest.mark.parametrize(
    ("objectness", "best", "found"),
    [(0.5, 0.5, False), (0.25, 1.0, False), (1.0, 0.25, False), (0.6, 0.51, True)],
)
def test_the_product_of_objectness_and_class_has_to_reach_the_threshold(objectness, best, found):
    result = decode(outputs_of((5, (0, 0, 0, 0), objectness, (best, 0))), SPEC, PLACEMENT)
    assert len(result) == found


@pytest.mark.parametrize(("class_wise", "wanted"), [(True, 2), (False, 1)])
def test_boxes_of_two_classes_suppress_each_other_only_when_told(class_wise, wanted):
    a = (row_of(8, 2, 2), (0.5, 0.5, 1, 1), 0.9, (0.9, 0))
    b = (row_of(8, 2, 3), (-0.5, 0.5, 1, 1), 0.8, (0, 0.9))
    same = (row_of(8, 2, 3), (-0.5, 0.5, 1, 1), 0.8, (0.9, 0))
    assert len(decode(outputs_of(a, b), SPEC, PLACEMENT, class_wise=class_wise)) == wanted
    assert len(decode(outputs_of(a, same), SPEC, PLACEMENT, class_wise=class_wise)) == 1


def test_results_come_by_falling_score_up_to_the_limit():
    cells = [(row_of(32, 0, i), (0.5, 0.5, 0, 0), s, (1, 0)) for i, s in enumerate((0.4, 0.8, 0.6))]
    np.testing.assert_allclose(decode(outputs_of(*cells), SPEC, PLACEMENT).scores, (0.8, 0.6, 0.4))
    limited = decode(outputs_of(*cells), SPEC, PLACEMENT, limit=1)
    np.testing.assert_allclose(limited.scores, (0.8,))


@pytest.mark.parametrize("column", range(7))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_hide_only_their_own_cell(column, bad):
    good = (row_of(32, 1, 2), (0.5, 0.5, 0, 0), 0.8, (1, 0))
    values = outputs_of((row_of(32, 0, 0), (0.5, 0.5, 0, 0), 0.9, (1, 0)), good)
    values["output"][0, row_of(32, 0, 0), column] = bad
    result = decode(values, SPEC, PLACEMENT)
    assert np.isfinite(result.boxes).all()
    assert [80, 48] in ((result.boxes[:, :2] + result.boxes[:, 2:]) / 2).tolist()


def test_the_outputs_stay_as_they_were():
    outputs = outputs_of((3, (0.5, 0.5, 0, 0), 0.9, (1, 0)))
    before = outputs["output"].copy()
    decode(outputs, SPEC, PLACEMENT)
    np.testing.assert_array_equal(outputs["output"], before)


def test_nothing_found_is_an_empty_result():
    assert len(decode(outputs_of(), SPEC, PLACEMENT)) == 0


def test_a_face_detector_gives_faces():
    outputs = outputs_of((5, (0, 0, 0, 0), 0.9, (0.9, 0)))
    assert isinstance(decode(outputs, SPEC.with_changes(task="face_detection"), PLACEMENT), Faces)


def test_strides_that_do_not_fit_are_refused():
    with pytest.raises(SpecError, match="126 rows, but an input of 64x96 wants 120"):
        decode(outputs_of(), SPEC, PLACEMENT, strides=(8, 16))
