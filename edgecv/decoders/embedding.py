"""What a face looks like, as a direction in the model's own space."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.errors import InferenceError
from edgecv.image import Placement
from edgecv.results import Embedding
from edgecv.spec import ModelSpec
from edgecv.types import Array


def decode(outputs: Mapping[str, Array], spec: ModelSpec, placement: Placement) -> Embedding:
    """Read (1, D) or (1, D, 1, 1) numbers and scale them to length 1.

    Raises:
        InferenceError: They are all zero or not finite, so they point nowhere.
    """
    values = next(iter(outputs.values())).astype(np.float64).reshape(-1)
    length = float(np.linalg.norm(values))
    if not 0 < length < np.inf:
        raise InferenceError(
            f"{spec.name} gave an embedding of length {length}, which points nowhere: the file is "
            "damaged, or this device computes it wrongly (compare with --device cpu)"
        )
    return Embedding(frame=placement.frame, vector=(values / length).astype(np.float32))
