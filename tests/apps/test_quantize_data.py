from __future__ import annotations

import pytest
from edgecv.apps.quantize_data import classes_of

from edgecv.datasets import CocoData
from edgecv.spec import ModelSpec

DATA = CocoData((), {1: "person", 3: "car", 62: "chair"})


@pytest.mark.parametrize(
    ("task", "labels", "classes"),
    [
        ("detection", ("person",), ["person"]),
        ("detection", ("Car", "lamp", "person"), ["car", "person"]),
        ("pose", (), []),
    ],
    ids=["one of three", "two of three", "another task"],
)
def test_a_detector_is_measured_on_the_classes_that_it_knows(task, labels, classes) -> None:
    spec = ModelSpec(name="m", task=task, decoder="ssd", labels=labels)
    assert classes_of(spec, DATA) == classes
