"""What conversions start from, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny_keras
from edgecv.converters import CONVERTERS
from edgecv.converters.keras_source import SourceSession, is_source, read_source

from edgecv.errors import InferenceError, ModelFileError, SpecError
from edgecv.session import open_session

pytest.importorskip("tensorflow")
# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

TENSOR = np.random.default_rng(0).uniform(-1, 1, (1, 64, 64, 3)).astype(np.float32)


def run(path: Path) -> dict[str, np.ndarray]:
    source = SourceSession(read_source(path))
    return source.run({source.inputs[0].name: TENSOR})


@pytest.fixture(scope="module")
def loaded(network):
    import keras

    return keras.saving.load_model(network("detector"), compile=False)


def as_h5(model, folder: Path) -> Path:
    model.save(folder / "m.h5")
    return folder / "m.h5"


def as_saved_model(model, folder: Path) -> Path:
    model.export(folder / "saved", verbose=False)
    return folder / "saved"


@pytest.mark.parametrize("write", [as_h5, as_saved_model], ids=["h5", "SavedModel"])
@pytest.mark.filterwarnings("ignore")  # Keras warns of HDF5, which is what is wanted
def test_other_files_of_keras_say_the_same(write, loaded, network, tmp_path) -> None:
    path = write(loaded, tmp_path)
    assert is_source(path)
    was, now = run(network("detector")), run(path)
    assert list(was) == list(now) == ["boxes", "scores"]
    for name, values in was.items():
        np.testing.assert_allclose(values, now[name], atol=1e-5)
    made = tmp_path / "made.tflite"
    CONVERTERS.load("keras>tflite")(path, made, precision="fp32")
    session = open_session(made, device="cpu").session
    assert {tensor.name for tensor in session.outputs} == {"boxes", "scores"}
    found = session.run({session.inputs[0].name: TENSOR})
    np.testing.assert_allclose(found["boxes"], was["boxes"], atol=1e-4)


def open_sides(folder: Path) -> Path:
    import keras

    image = keras.Input((None, None, 3), name="image")
    out = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 3)(image))
    keras.Model(image, out).save(folder / "m.keras")
    return folder / "m.keras"


def weights_alone(folder: Path) -> Path:
    import keras

    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.save_weights(folder / "m.weights.h5")
    return folder / "m.weights.h5"


def lambda_h5(folder: Path) -> Path:
    import keras

    image = keras.Input((8, 8, 3))
    out = keras.layers.Lambda(lambda x: x * 2)(image)
    keras.Model(image, out).save(folder / "m.h5")
    return folder / "m.h5"


def damaged_h5(folder: Path) -> Path:
    (folder / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(50))
    return folder / "m.h5"


def no_signature(folder: Path) -> Path:
    import tensorflow as tf

    tf.saved_model.save(tf.Module(), str(folder / "saved"))
    return folder / "saved"


def reads_files(folder: Path) -> Path:
    import tensorflow as tf

    class Reader(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 4), tf.float32, "x")])
        def __call__(self, x):
            return {
                "y": x + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
            }

    module = Reader()
    tf.saved_model.save(module, str(folder / "saved"), signatures=module.__call__)
    return folder / "saved"


BAD = {
    "open sides": (open_sides, SpecError, r"takes image of shape any x any x any x 3"),
    "weights alone": (weights_alone, ModelFileError, "holds weights and no model"),
    "code inside": (lambda_h5, InferenceError, "refuses it"),
    "damaged": (damaged_h5, ModelFileError, "damaged or no HDF5 file"),
    "no signature": (no_signature, ModelFileError, "none of the signatures serving_default"),
    "reads files": (reads_files, ModelFileError, "reaches out of the model: it has ReadFile"),
}


@pytest.mark.parametrize(("make", "error", "message"), BAD.values(), ids=BAD.keys())
@pytest.mark.filterwarnings("ignore")
def test_what_cannot_be_converted_is_refused_with_the_reason(
    make, error, message, tmp_path
) -> None:
    with pytest.raises(error, match=message):
        read_source(make(tmp_path))


def test_all_operators_that_tflite_lacks_are_named_with_their_layers(tmp_path) -> None:
    import keras
    import tensorflow as tf

    @keras.saving.register_keras_serializable("edgecv")
    class Odd(keras.layers.Layer):
        def call(self, x):
            return tf.math.digamma(x) + tf.math.erfinv(x)

    @keras.saving.register_keras_serializable("edgecv")
    class Odder(keras.layers.Layer):
        def call(self, x):
            return tf.math.digamma(x)

    image = keras.Input((8, 8, 3), name="image")
    model = keras.Model(image, Odder(name="second")(Odd(name="first")(image)))
    model.save(tmp_path / "odd.keras")
    target = tmp_path / "out" / "odd.tflite"
    with pytest.raises(InferenceError) as raised:
        CONVERTERS.load("keras>tflite")(tmp_path / "odd.keras", target, precision="fp32")
    text = str(raised.value)
    for operator, layer in (("Digamma", "first"), ("Digamma", "second"), ("Erfinv", "first")):
        assert operator in text
        assert layer in text.partition(f"{operator} (in ")[2].partition(")")[0]
    assert not target.exists()


def test_a_source_needs_no_spec(loaded, tmp_path) -> None:
    loaded.save(tmp_path / "plain.keras")
    assert json.dumps(sorted(run(tmp_path / "plain.keras"))) == '["boxes", "scores"]'
    assert TENSOR.shape[1] == tiny_keras.SIDE
