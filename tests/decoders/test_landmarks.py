import numpy as np
import pytest

import edgecv
from edgecv.decoders.landmarks import decode
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.labels import FACE_5
from edgecv.spec import ModelSpec
from edgecv.types import Size

PLACEMENT = Placement(2.0, 3.0, 10.0, 20.0, Size(300, 400), Size(48, 48))
SPEC = ModelSpec(name="m", task="face_landmarks", decoder="landmarks")


@pytest.mark.parametrize("shape", [(1, 10), (1, 10, 1, 1)], ids=str)
def test_points_are_parts_of_the_input_and_the_box_is_the_region(shape):
    values = np.array([0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1], np.float32).reshape(shape)
    result = decode({"any": values}, SPEC, PLACEMENT)
    np.testing.assert_array_equal(
        result.landmarks, [[(10, 20), (106, 20), (58, 92), (10, 164), (106, 164)]]
    )
    np.testing.assert_array_equal(result.boxes, [(10, 20, 106, 164)])
    assert result.scores.tolist() == [1.0]
    assert result.points == FACE_5


def test_an_odd_number_of_values_is_refused():
    with pytest.raises(SpecError, match="2 numbers"):
        decode({"any": np.zeros((1, 9), np.float32)}, SPEC, PLACEMENT)


@pytest.mark.zoo
def test_points_of_a_found_face_agree_with_the_detectors(zoo):
    pictures = pytest.importorskip("skimage.data")
    image = np.ascontiguousarray(pictures.astronaut()[..., ::-1])
    with edgecv.load("yunet_n_320", device="cpu") as detector:
        faces = detector(image)
    with edgecv.load("landmarks-regression-retail-0009_int8", device="cpu") as model:
        result = model(image, region=tuple(faces.boxes[0].tolist()))
    eyes = np.linalg.norm(faces.landmarks[0, 0] - faces.landmarks[0, 1])
    error = np.linalg.norm(result.landmarks[0] - faces.landmarks[0], axis=1) / eyes
    assert error.max() < 0.15
    np.testing.assert_allclose(result.boxes, faces.boxes[:1], atol=1)
