import numpy as np
import pytest

from edgecv.decoders.ssd_postprocess import decode
from edgecv.image import Placement
from edgecv.results import Faces
from edgecv.spec import ModelSpec
from edgecv.types import Size

PLACEMENT = Placement(2.0, 1.0, 0.0, 0.0, Size(100, 400), Size(100, 200))
SPEC = ModelSpec(
    name="m", task="detection", decoder="ssd_postprocess", labels=("cat", "dog"), score=0.5
)


def outputs_of(scores, count=None, classes=None):
    n = len(scores)
    return {
        "boxes": np.tile(np.array([0.1, 0.2, 0.5, 0.6], np.float32), (1, n, 1)),
        "classes": np.array([classes or [1.0] * n], np.float32),
        "scores": np.array([scores], np.float32),
        "count": np.array([n if count is None else count], np.float32),
    }


def test_boxes_are_ymin_xmin_ymax_xmax_of_the_input():
    result = decode(outputs_of([0.75]), SPEC, PLACEMENT)
    np.testing.assert_allclose(result.boxes, [(80, 10, 240, 50)], rtol=1e-6)
    assert result.names == ["dog"]
    assert result.scores.tolist() == [0.75]


def test_scores_below_the_threshold_are_left_out_and_the_others_sorted():
    result = decode(outputs_of([0.5, 0.49, 0.9], classes=[0, 1, 1]), SPEC, PLACEMENT)
    np.testing.assert_allclose(result.scores, [0.9, 0.5])
    assert result.class_ids.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("count", "wanted"),
    [
        pytest.param(2, 2, id="two"),
        pytest.param(0, 0, id="none"),
        pytest.param(-3, 0, id="negative"),
        pytest.param(1e9, 3, id="beyond-the-rows"),
        pytest.param(np.inf, 3, id="infinite"),
        pytest.param(np.nan, 0, id="not-a-number"),
    ],
)
def test_the_count_says_how_many_rows_are_used(count, wanted):
    assert len(decode(outputs_of([0.9, 0.8, 0.7], count), SPEC, PLACEMENT)) == wanted


@pytest.mark.parametrize("name", ["boxes", "classes", "scores"])
@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_rows_that_are_not_numbers_are_left_out(name, bad):
    outputs = outputs_of([0.9, 0.8])
    outputs[name][0, 0] = bad
    result = decode(outputs, SPEC, PLACEMENT)
    assert np.isfinite(result.boxes).all()
    assert 0.8 in np.round(result.scores, 6)


def test_outputs_without_names_go_by_their_order():
    unnamed = {f"x:{i}": value for i, value in enumerate(outputs_of([0.75]).values())}
    assert len(decode(unnamed, SPEC, PLACEMENT)) == 1


def test_a_face_detector_gives_faces():
    spec = SPEC.with_changes(task="face_detection")
    assert isinstance(decode(outputs_of([0.75]), spec, PLACEMENT), Faces)
