import numpy as np
import pytest

from edgecv.regions import person_region
from edgecv.types import Size

FRAME = Size(100, 200)


@pytest.mark.parametrize(
    ("box", "margin", "wanted"),
    [
        ((20, 10, 40, 50), 0.0, (10, 10, 50, 50)),
        ((20, 10, 60, 30), 0.0, (20, 0, 60, 40)),
        ((20, 10, 40, 50), 0.25, (0, 0, 60, 60)),
        ((0, 0, 20, 100), 0.0, (-40, 0, 60, 100)),
        ((-30, -50, 20, 50), 0.0, (-15, 0, 35, 50)),
        ((150, 20, 400, 60), 0.0, (150, 15, 200, 65)),
    ],
    ids=["tall", "wide", "margin", "beyond the frame", "cut above left", "cut right"],
)
def test_the_square_has_the_box_in_its_middle(box, margin, wanted):
    region = person_region(np.array(box, np.float32), FRAME, margin=margin)
    np.testing.assert_allclose(region, wanted)


def test_the_default_leaves_a_little_room():
    left, top, right, bottom = person_region(np.array([20, 10, 40, 50]), FRAME)
    assert 40 < right - left < 45
    assert right - left == pytest.approx(bottom - top)


@pytest.mark.parametrize(
    "box",
    [(210, 10, 220, 20), (10, 10, 10, 20), (30, 30, 20, 20), (np.nan, 0, 10, 10)],
    ids=["outside", "no width", "inside out", "no number"],
)
def test_a_box_without_a_part_in_the_frame_is_refused(box):
    with pytest.raises(ValueError, match="no part of the box"):
        person_region(np.array(box, np.float32), FRAME)


@pytest.mark.parametrize("margin", [-0.1, np.nan], ids=str)
def test_a_margin_below_0_is_refused(margin):
    with pytest.raises(ValueError, match="0 or more"):
        person_region(np.array([20, 10, 40, 50]), FRAME, margin=margin)
