"""Activations that bring a gradient of their own along: outputs keep their names and order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgecv.converters import CONVERTERS, SUFFIXES
from edgecv.converters.keras_source import SourceSession, read_source
from edgecv.quantize import QUANTIZERS
from edgecv.quantize.recipe import QuantRecipe

from edgecv.errors import InferenceError
from edgecv.session import open_session
from edgecv.types import Array, Quant

pytest.importorskip("tensorflow")
# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
OUTPUTS = {"one": ["logits"], "two": ["edges", "logits"]}


@pytest.fixture(scope="module", params=OUTPUTS)
def network(request, tmp_path_factory) -> Path:
    """A network of convolutions and swish, with one output or two."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 3), name="image")
    x = layers.Conv2D(8, 3, 2, "same", activation="swish", name="stem")(image)
    x = layers.Conv2D(8, 3, 2, "same", name="body")(x)
    x = layers.Activation("silu", name="middle")(x)
    made = {"logits": layers.Dense(5, name="dense")(layers.GlobalMaxPooling2D()(x))}
    if request.param == "two":
        made["edges"] = layers.Conv2D(2, 1, activation="swish", name="head")(x)
    path = tmp_path_factory.mktemp("swish") / f"{request.param}.keras"
    keras.Model(image, made).save(path)
    return path


@pytest.fixture(scope="module")
def tensors() -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32) for _ in range(12)]


def real(values: Array, quant: Quant | None) -> Array:
    return values if quant is None else (values - float(quant.zero_point)) * quant.scale


def check(network: Path, made: Path, runtime: str, tensors: list[Array], allowed: float) -> None:
    """Compare a file's outputs with Keras's; `allowed` is a part of the span of the numbers."""
    source = SourceSession(read_source(network))
    session = open_session(made, device="cpu", runtime=runtime).session
    assert [spec.name for spec in session.outputs] == OUTPUTS[network.stem]
    for tensor in tensors[:3]:
        was, now = source.run({"image": tensor}), session.run({"image": tensor})
        for spec in session.outputs:
            assert was[spec.name].shape == spec.shape
            gap = np.abs(was[spec.name] - real(now[spec.name], spec.quant)).max()
            assert gap <= allowed * np.ptp(was[spec.name])


@pytest.mark.parametrize("target", SUFFIXES)
def test_swish_is_converted_to_every_format(network, target, tensors, tmp_path) -> None:
    made = tmp_path / f"made{SUFFIXES[target]}"
    CONVERTERS.load(f"keras>{target}")(network, made, precision="fp32")
    check(network, made, target, tensors, 1e-4)


def test_swish_becomes_integers(network, tensors, tmp_path) -> None:
    floats, made = tmp_path / "floats.tflite", tmp_path / "made.tflite"
    CONVERTERS.load("keras>tflite")(network, floats, precision="fp32")
    recipe = QuantRecipe(inputs="float32", outputs="int8")
    QUANTIZERS.load("tflite")(floats, made, tensors, recipe)
    check(network, made, "tflite", tensors, 0.1)


def test_an_output_that_got_lost_is_told(network, monkeypatch, tmp_path) -> None:
    from edgecv.tflitegraph import Graph

    monkeypatch.setattr(Graph, "output_names", lambda self: {"Identity": self.outputs[0]})
    with pytest.raises(InferenceError, match=r"it has \d outputs, .* are known: Identity\. Let"):
        CONVERTERS.load("keras>tflite")(network, tmp_path / "made.tflite", precision="fp32")
