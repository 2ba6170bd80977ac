import numpy as np
import pytest

from edgecv.decoders.embedding import decode
from edgecv.errors import InferenceError
from edgecv.image import Placement
from edgecv.spec import ModelSpec
from edgecv.types import Size

PLACEMENT = Placement(1.0, 1.0, 0.0, 0.0, Size(112, 112), Size(112, 112))
SPEC = ModelSpec(name="m", task="face_embedding", decoder="embedding")


@pytest.mark.parametrize("shape", [(1, 2), (1, 2, 1, 1), (2,)], ids=str)
@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25], ids=["tiny", "usual", "huge"])
def test_a_vector_is_scaled_to_length_1(shape, scale):
    values = (np.array([3.0, -4.0]) * scale).astype(np.float32).reshape(shape)
    result = decode({"any": values}, SPEC, PLACEMENT)
    np.testing.assert_allclose(result.vector, [0.6, -0.8], rtol=1e-6)
    assert result.vector.dtype == np.float32
    assert result.frame == (112, 112)


@pytest.mark.parametrize("bad", [0.0, np.nan, np.inf], ids=str)
def test_a_vector_that_points_nowhere_is_refused(bad):
    with pytest.raises(InferenceError, match="points nowhere"):
        decode({"any": np.full((1, 4), bad, np.float32)}, SPEC, PLACEMENT)
