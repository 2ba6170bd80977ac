"""Decoders that see how many classes a model has refuse labels of another number."""

from __future__ import annotations

import numpy as np
import pytest

from edgecv.decoders import DECODERS
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.spec import ModelSpec
from edgecv.types import Size

F = np.float32
PLACEMENT = Placement(1, 1, 0, 0, Size(32, 32), Size(32, 32))
ANCHORS = {"layers": 2, "strides": (16, 32)}  # 4 cells of 3 and 1 of 6
OUTPUTS = {
    "classifier": {"scores": np.zeros((1, 3), F)},
    "fastestdet": {"planes": np.zeros((1, 8, 2, 2), F)},
    "segmentation": {"map": np.zeros((1, 8, 8, 3), F)},
    "ssd": {"boxes": np.zeros((1, 18, 4), F), "scores": np.full((1, 18, 4), -9, F)},
    "yolox": {"rows": np.zeros((1, 21, 8), F)},
}
OPTIONS = {"ssd": {"anchors": ANCHORS}}
TASKS = {"classifier": "classification", "segmentation": "segmentation"}


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("count", [0, 3, 1, 2, 4, 5])
def test_three_classes_have_three_labels_or_none(name, count) -> None:
    spec = ModelSpec("m", TASKS.get(name, "detection"), name, labels=tuple("abcde"[:count]))
    decode, options = DECODERS.load(name), OPTIONS.get(name, {})
    if count in (0, 3):
        assert decode(OUTPUTS[name], spec, PLACEMENT, **options).labels == spec.labels
    else:
        with pytest.raises(SpecError, match=f"m: the model scores 3 classes.* name {count}: give"):
            decode(OUTPUTS[name], spec, PLACEMENT, **options)
