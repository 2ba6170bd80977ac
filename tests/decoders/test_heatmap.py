import math

import numpy as np
import pytest

from edgecv.decoders.heatmap import decode
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.spec import ModelSpec
from edgecv.types import Size

# A 100x200 frame in the middle of a 64x64 input, with bars above and below.
PLACEMENT = Placement(3.125, 3.125, 0.0, -50.0, Size(100, 200), Size(64, 64))
SPEC = ModelSpec(name="m", task="pose", decoder="heatmap", keypoints=("a", "b"), score=0.2)


def outputs_of(cells, shifts=((0, 0), (0, 0)), values=(2.0, 2.0), low=-8.0):
    """Maps of 8x16 cells where keypoint k stands out in cell (row, column) k."""
    heatmaps = np.full((1, 8, 16, 2), low, np.float32)
    offsets = np.full((1, 8, 16, 4), 9, np.float32)
    for k, (row, column) in enumerate(cells):
        heatmaps[0, row, column, k] = values[k]
        offsets[0, row, column, 2 * k : 2 * k + 2] = shifts[k]
    return {"heatmaps": heatmaps, "offsets": offsets}


def test_a_keypoint_lies_in_its_best_cell_by_the_offset_of_that_cell():
    # cells of 4 columns by 8 rows of the input: (10.5, 3.5) and (12.5 + .25, 4.5 - .5) cells
    outputs = outputs_of(((3, 10), (4, 12)), shifts=((0, 0), (0.25, -0.5)))
    result = decode(outputs, SPEC, PLACEMENT)
    in_input = np.array([(42, 28), (51, 32)], np.float32)
    np.testing.assert_allclose(result.keypoints, PLACEMENT.points_to_frame(in_input)[None])
    score = 1 / (1 + math.exp(-2))
    np.testing.assert_allclose(result.keypoint_scores, [(score, score)], rtol=1e-6)
    np.testing.assert_allclose(result.scores, [score], rtol=1e-6)
    assert result.names == ("a", "b")


def test_without_activation_the_values_are_the_scores():
    outputs = outputs_of(((3, 10), (4, 12)), values=(0.5, 1.5), low=0.0)
    result = decode(outputs, SPEC, PLACEMENT, activation="none")
    np.testing.assert_allclose(result.keypoint_scores, [(0.5, 1.0)])


def test_nobody_is_there_below_the_threshold():
    assert len(decode(outputs_of(((3, 10), (4, 12)), values=(-3, -3)), SPEC, PLACEMENT)) == 0


def test_the_box_holds_the_keypoints_that_are_sure_enough():
    outputs = outputs_of(((3, 10), (4, 12)), values=(3, -2))
    result = decode(outputs, SPEC, PLACEMENT)
    np.testing.assert_allclose(result.boxes[0], np.tile(result.keypoints[0, 0], 2))


@pytest.mark.parametrize(
    ("heatmaps", "offsets"),
    [((1, 8, 8, 3), (1, 8, 8, 6)), ((1, 8, 8, 2), (1, 8, 8, 2)), ((2, 8, 8), (2, 8, 8))],
    ids=str,
)
def test_outputs_of_another_shape_are_refused(heatmaps, offsets):
    outputs = {"heatmaps": np.zeros(heatmaps), "offsets": np.zeros(offsets)}
    with pytest.raises(SpecError, match="for 2 keypoints"):
        decode(outputs, SPEC, PLACEMENT)


def test_an_unknown_activation_is_refused():
    with pytest.raises(SpecError, match="activation is sigmoid or none, got 'relu'"):
        decode(outputs_of(((3, 10), (4, 12))), SPEC, PLACEMENT, activation="relu")
