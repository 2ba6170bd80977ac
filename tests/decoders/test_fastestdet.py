import math

import numpy as np
import pytest

from edgecv.decoders.fastestdet import decode
from edgecv.image import Placement
from edgecv.spec import ModelSpec
from edgecv.types import Size

SIZE = Size(64, 96)
PLACEMENT = Placement(1.0, 1.0, 0.0, 0.0, SIZE, SIZE)
SPEC = ModelSpec(name="m", task="detection", decoder="fastestdet", labels=("a", "b"), score=0.3)


def outputs_of(*cells):
    """Nothing anywhere, but in the cells given: (row, column, objectness, box, classes)."""
    planes = np.zeros((1, 7, 4, 6), np.float32)
    for row, column, objectness, box, classes in cells:
        planes[0, :, row, column] = (objectness, *box, *classes)
    return {"758": planes}


def logit(p):
    return math.log(p / (1 - p))


def test_a_box_is_an_offset_from_its_cell_and_a_part_of_the_input():
    box = (math.atanh(0.5), math.atanh(-0.25), logit(0.25), logit(0.5))
    result = decode(outputs_of((2, 3, 0.9, box, (0.1, 0.8))), SPEC, PLACEMENT)
    x, y, w, h = 3.5 * 16, 1.75 * 16, 24, 32
    wanted = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    np.testing.assert_allclose(result.boxes, [wanted], rtol=1e-5)
    assert result.scores[0] == pytest.approx(0.9**0.6 * 0.8**0.4)
    assert result.names == ["b"]


@pytest.mark.parametrize(
    ("objectness", "best", "found"),
    [(0.1, 1.0, False), (1.0, 0.04, False), (0.3, 0.29, False), (0.3, 0.31, True)],
)
def test_the_weighted_mean_of_objectness_and_class_has_to_reach_the_threshold(
    objectness, best, found
):
    outputs = outputs_of((1, 1, objectness, (0, 0, 0, 0), (best, 0)))
    assert len(decode(outputs, SPEC, PLACEMENT)) == found


@pytest.mark.parametrize(("class_wise", "wanted"), [(True, 2), (False, 1)])
def test_boxes_of_two_classes_suppress_each_other_only_when_told(class_wise, wanted):
    cells = [(1, 1, 0.9, (0, 0, 0, 0), (0.9, 0)), (1, 2, 0.9, (0, 0, 0, 0), (0, 0.8))]
    result = decode(outputs_of(*cells), SPEC, PLACEMENT, class_wise=class_wise)
    assert len(result) == wanted
    assert result.names[0] == "a"


@pytest.mark.parametrize("plane", range(7))
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_hide_only_their_own_cell(plane, bad):
    small = (0, 0, -2, -2)
    outputs = outputs_of((0, 1, 0.9, small, (0.9, 0)), (3, 4, 0.9, small, (0.8, 0)))
    outputs["758"][0, plane, 0, 1] = bad
    result = decode(outputs, SPEC, PLACEMENT)
    assert np.isfinite(result.boxes).all()
    assert [64, 48] in np.round((result.boxes[:, :2] + result.boxes[:, 2:]) / 2, 3).tolist()


def test_nothing_found_is_an_empty_result():
    assert len(decode(outputs_of(), SPEC, PLACEMENT)) == 0
