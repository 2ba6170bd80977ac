"""Networks read from files: what comes back, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("tensorflow")
import h5py
import keras

from edgecv.errors import InferenceError, ModelFileError
from edgecv.models.loading import load_network

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BATCH = np.random.default_rng(0).uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)


def functional():
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, strides=2, name="first")(image)
    x = keras.layers.BatchNormalization(name="first_bn")(x)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(3, name="logits")(x), name="whole")


def sequential():
    return keras.Sequential(
        [
            keras.Input((8, 8, 3), name="image"),
            keras.layers.Conv2D(4, 3, name="first"),
            keras.layers.GlobalAveragePooling2D(name="pool"),
            keras.layers.Dense(3, name="logits"),
        ],
        name="row",
    )


@pytest.mark.parametrize("ending", [".keras", ".h5"])
@pytest.mark.parametrize("make", [functional, sequential])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5")
def test_a_network_comes_back_from_its_file_as_functional(make, ending, tmp_path) -> None:
    model = make()
    model.compile("adam", "mse")
    model.save(tmp_path / f"m{ending}")
    found = load_network(tmp_path / f"m{ending}")
    assert not isinstance(found, keras.Sequential)
    assert not found.compiled
    assert found.name == model.name
    wanted = [layer.name for layer in model.layers if layer.name != "image"]
    assert [layer.name for layer in found.layers] == ["image", *wanted]
    assert tuple(found.output.shape) == (None, 3)
    np.testing.assert_allclose(found(BATCH), model(BATCH), atol=1e-6)


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_a_sequential_without_an_input_is_told(tmp_path) -> None:
    keras.Sequential([keras.layers.Dense(3)]).save(tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match=r"m\.keras holds a Sequential without an input"):
        load_network(tmp_path / "m.keras")


@pytest.fixture
def h5(tmp_path):
    """Return a function that writes an .h5 file around a config."""

    def write(config: str | None):
        with h5py.File(tmp_path / "m.h5", "w") as file:
            if config is not None:
                file.attrs["model_config"] = config
        return tmp_path / "m.h5"

    return write


@pytest.mark.parametrize(
    ("config", "error", "said"),
    [
        (None, ModelFileError, "holds weights and no model"),
        ("{", ModelFileError, "is damaged"),
        (
            {"config": {"layers": [{"class_name": "Lambda", "config": {}}]}},
            InferenceError,
            r"m\.h5 has a Lambda layer, which is Python code",
        ),
        (
            {"class_name": "Functional", "config": {"layers": [{"class_name": "Mine"}]}},
            InferenceError,
            r"m\.h5: keras .* refuses it",
        ),
    ],
    ids=["weights alone", "damaged", "code", "a layer of somebody else"],
)
def test_an_h5_file_is_refused_with_the_reason(config, error, said, h5) -> None:
    text = json.dumps(config) if isinstance(config, dict) else config
    with pytest.raises(error, match=said):
        load_network(h5(text))


def test_a_depthwise_convolution_of_keras_2_is_read(tmp_path) -> None:
    """Keras 2 wrote its groups into the config, with which Keras 3 refuses the layer."""
    image = keras.Input((8, 8, 3), name="image")
    model = keras.Model(image, keras.layers.DepthwiseConv2D(3, name="depthwise")(image))
    file = tmp_path / "old.h5"
    model.save(file)
    with h5py.File(file, "r+") as stored:
        config = json.loads(stored.attrs["model_config"])
        config["config"]["layers"][1]["config"]["groups"] = 1
        stored.attrs["model_config"] = json.dumps(config)
    network = load_network(file)
    np.testing.assert_allclose(network(BATCH), model(BATCH), rtol=1e-6)
    network.save(tmp_path / "new.keras")
    assert load_network(tmp_path / "new.keras").count_params() == model.count_params()


def test_a_missing_h5_file_is_told(tmp_path) -> None:
    with pytest.raises(ModelFileError, match=r"m\.h5 is missing, damaged or no HDF5 file"):
        load_network(tmp_path / "m.h5")


def test_code_in_an_h5_file_is_refused_before_keras_sees_it(h5, monkeypatch) -> None:
    def load(*_, **__):
        raise AssertionError("Keras was asked")

    monkeypatch.setattr(keras.saving, "load_model", load)
    nested = {"layers": [{"inner": [{"class_name": "__lambda__", "config": {"code": "4wE="}}]}]}
    with pytest.raises(InferenceError, match="edgecv refuses it"):
        load_network(h5(json.dumps(nested)))
