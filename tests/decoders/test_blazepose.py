import numpy as np
import pytest

import edgecv
from edgecv.decoders.blazepose import decode
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.labels import BLAZEPOSE_33
from edgecv.spec import ModelSpec
from edgecv.types import Size

PLACEMENT = Placement(2.0, 2.0, 10.0, -20.0, Size(600, 500), Size(256, 256))
SPEC = ModelSpec(name="m", task="pose", decoder="blazepose", keypoints=BLAZEPOSE_33, score=0.5)


def outputs_of(presence=0.75, visibility=4.0, present=4.0):
    rows = np.zeros((39, 5), np.float32)
    rows[:, 0] = np.arange(39) * 4 + 10
    rows[:, 1] = np.arange(39) * 2 + 30
    rows[:, 2] = 1e3
    rows[:, 3], rows[:, 4] = visibility, present
    return {"landmarks": rows.reshape(1, 195), "presence": np.array([[presence]], np.float32)}


def test_the_first_33_rows_are_the_body_in_pixels_of_the_input():
    result = decode(outputs_of(), SPEC, PLACEMENT)
    assert result.keypoints.shape == (1, 33, 2)
    np.testing.assert_allclose(result.keypoints[0, 0], (30, 40))
    np.testing.assert_allclose(result.keypoints[0, 32], (286, 168))
    np.testing.assert_allclose(result.boxes, [(30, 40, 286, 168)])
    assert result.scores.tolist() == [0.75]


@pytest.mark.parametrize(
    ("visibility", "present", "wanted"),
    [(0.0, 9.0, 0.5), (9.0, 0.0, 0.5), (np.log(3), 5.0, 0.75), (-1e4, 1e4, 0.0), (1e4, 1e4, 1.0)],
    ids=["visibility", "presence", "probability", "never", "surely"],
)
def test_a_keypoint_is_as_sure_as_the_less_sure_of_visible_and_present(visibility, present, wanted):
    result = decode(outputs_of(0.9, visibility, present), SPEC, PLACEMENT)
    np.testing.assert_allclose(result.keypoint_scores, np.full((1, 33), wanted), atol=1e-6)


def test_nobody_is_there_when_the_presence_is_below_the_threshold():
    assert len(decode(outputs_of(presence=0.49), SPEC, PLACEMENT)) == 0


def test_too_few_rows_are_refused():
    outputs = outputs_of()
    outputs["landmarks"] = outputs["landmarks"][:, :100]
    with pytest.raises(SpecError, match="5 numbers for each of 33 keypoints"):
        decode(outputs, SPEC, PLACEMENT)


@pytest.mark.zoo
@pytest.mark.data
def test_a_squatting_man_is_found_part_by_part(zoo, data):
    image = edgecv.read_image(data / "golden" / "squat.bmp")
    with edgecv.load("blazepose_landmark_lite", device="cpu") as model:
        result = model(image, region=(0, 55, 500, 555))
    assert result.scores[0] > 0.99
    found = dict(zip(result.names, result.keypoints[0], strict=True))
    # Read off the picture by eye, to a tenth of the man's height.
    wanted = {
        "nose": (287, 215), "right_shoulder": (203, 250), "right_elbow": (262, 315),
        "left_wrist": (345, 250), "right_knee": (212, 418), "left_knee": (297, 398),
        "right_ankle": (163, 545), "left_ankle": (265, 502),
    }  # fmt: skip
    for name, point in wanted.items():
        assert np.linalg.norm(found[name] - point) < 45, name
