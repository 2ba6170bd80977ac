from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgecv import zoo
from edgecv.errors import ModelFileError
from edgecv.session import open_session

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")

from edgecv.converters.int8_rewrite import rewrite, rewrite_file  # noqa: E402

from edgecv.tflitegraph import Graph  # noqa: E402

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SIDE = 16


@pytest.fixture(scope="module", params=[tf.int8, tf.uint8], ids=["int8", "uint8 input"])
def shared(request, tmp_path_factory) -> Path:
    """An INT8 file of three convolutions, each with a PReLU of one slope behind it."""
    return made(tmp_path_factory.mktemp("shared"), [1, 2, 3], request.param)


def made(folder: Path, shared_axes: list[int], kind: object = tf.int8) -> Path:
    keras.utils.set_random_seed(0)
    x = image = keras.Input(batch_shape=(1, SIDE, SIDE, 3))
    for slope in (-2.3, 0.4, 7.5):
        x = keras.layers.Conv2D(8, 3, padding="same")(x)
        layer = keras.layers.PReLU(shared_axes=shared_axes)
        x = layer(x)
        slopes = np.full(layer.alpha.shape, slope, np.float32)
        slopes.flat[0] += 0.1
        layer.alpha.assign(slopes)
    x = keras.layers.Conv2D(4, 1)(x)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, x))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type, converter.inference_output_type = kind, tf.int8
    rng = np.random.default_rng(1)
    converter.representative_dataset = lambda: (
        [rng.uniform(0, 1, (1, SIDE, SIDE, 3)).astype(np.float32)] for _ in range(8)
    )
    path = folder / "net.tflite"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path.write_bytes(converter.convert())
    return path


def operators(data: bytes) -> Counter[str]:
    graph = Graph(data)
    return Counter(graph.name(operator) for operator in graph.operators)


def test_prelu_of_one_slope_becomes_leaky_relu_and_nothing_else_changes(shared: Path) -> None:
    data = shared.read_bytes()
    before, after = operators(data), operators(rewrite(data))
    assert before.pop("PRELU") == after.pop("LEAKY_RELU") == 3
    assert before == after


def test_the_outputs_are_within_a_few_steps(shared: Path, tmp_path: Path) -> None:
    agreement = rewrite_file(shared, tmp_path / "new.tflite")
    assert agreement.mean <= 1
    assert agreement.most <= 6
    rng = np.random.default_rng(2)
    old, new = (
        open_session(file, device="cpu", runtime="tflite").session
        for file in (shared, tmp_path / "new.tflite")
    )
    (spec,) = old.inputs
    info = np.iinfo(spec.dtype)
    for _ in range(3):
        given = {spec.name: rng.integers(info.min, info.max + 1, spec.shape).astype(spec.dtype)}
        ours, theirs = (next(iter(one.run(given).values())).astype(int) for one in (new, old))
        assert np.ptp(theirs) > 20
        assert np.abs(ours - theirs).max() <= 6


def test_slopes_that_differ_stay_as_they_are(tmp_path: Path) -> None:
    data = made(tmp_path, [1, 2]).read_bytes()
    assert operators(data)["PRELU"] == 3
    with pytest.raises(ModelFileError, match="int8 already, and has no PReLU of one slope"):
        rewrite(data)


def test_the_embedder_that_ships_is_rewritten(tmp_path: Path) -> None:
    assert zoo.entry("edgecv-face-embed").int8_rewrite
    made = tmp_path / "new.tflite"
    agreement = rewrite_file(zoo.fetch("edgecv-face-embed"), made)
    assert 0 < agreement.mean < 3
    assert operators(made.read_bytes())["LEAKY_RELU"] == 33
