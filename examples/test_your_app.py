"""Test your own code without any model file: a session that says what you want it to say.

pytest examples/test_your_app.py
"""

import numpy as np

from edgecv import Model, ModelSpec
from edgecv.testing import FakeSession


def alarm(model: Model, image: np.ndarray) -> bool:
    """Return whether a cat is on the picture: the code under test."""
    return "cat" in model(image).names


def test_a_cat_raises_the_alarm() -> None:
    """A session of one cat stands for any model that sees one."""
    outputs = {
        "boxes": np.array([[[0.1, 0.1, 0.9, 0.9]]], np.float32),
        "classes": np.array([[1]], np.float32),
        "scores": np.array([[0.8]], np.float32),
        "count": np.array([1], np.float32),
    }
    spec = ModelSpec("fake", "detection", "ssd_postprocess", labels=("dog", "cat"))
    assert alarm(Model(FakeSession(outputs), spec), np.zeros((100, 100, 3), np.uint8))
