from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgecv import modelfile
from edgecv.errors import ModelFileError, OutputError
from edgecv.spec import InputSpec, ModelSpec

keras = pytest.importorskip("keras")

from edgecv.training.kerasfile import read_card, save_model  # noqa: E402

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SPEC = ModelSpec(
    name="mine",
    task="classification",
    decoder="classifier",
    input=InputSpec(mean=(127.5,), std=(127.5,)),
    labels=("cat", "dög"),
    options={"softmax": True},
)


def small() -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, keras.layers.Dense(2, name="logits")(x))


def test_a_saved_model_carries_its_spec_and_its_card(tmp_path: Path) -> None:
    path = tmp_path / "new" / "m.keras"
    card = {"recipe": "flowers", "top1": 0.7}
    save_model(small(), SPEC, path, card)
    modelfile.check(path)
    assert modelfile.embedded_spec(path) == SPEC
    assert read_card(path) == card


def test_a_saved_model_is_one_that_keras_reads(tmp_path: Path) -> None:
    model, path = small(), tmp_path / "m.keras"
    save_model(model, SPEC, path)
    again = keras.saving.load_model(path)
    x = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(again(x).numpy(), model(x).numpy())
    assert read_card(path) == {}


def test_loss_and_optimizer_stay_out_of_the_file(tmp_path: Path) -> None:
    model, path = small(), tmp_path / "m.keras"
    model.compile("adam", "mse")
    model.fit(np.zeros((2, 8, 8, 3)), np.zeros((2, 2)), verbose=0)
    save_model(model, SPEC, path)
    again = keras.saving.load_model(path)
    assert not again.compiled
    for kept, was in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, was)
    assert model.compiled


def test_a_file_of_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"wanted a file that ends in \.keras, got m\.h5"):
        save_model(small(), SPEC, tmp_path / "m.h5")


def test_a_full_disk_leaves_the_older_file_whole(tmp_path: Path, mounted) -> None:
    path = mounted("size=100k") / "m.keras"
    save_model(small(), SPEC, path)
    before = path.read_bytes()
    image = keras.Input((8,))
    large = keras.Model(image, keras.layers.Dense(20_000)(image))
    with pytest.raises(OutputError, match=r"cannot write .*m\.keras: No space left"):
        save_model(large, SPEC, path)
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == ["m.keras"]


@pytest.mark.parametrize("left", [0, 30, 5000, -1])
def test_a_file_cut_short_is_told(left: int, tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    save_model(small(), SPEC, path)
    data = path.read_bytes()
    path.write_bytes(data[:left])
    with pytest.raises(ModelFileError, match=r"cut short|is empty"):
        modelfile.check(path)


def test_an_archive_of_something_else_is_no_keras_model(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(ModelFileError, match=r"config\.json is not in it"):
        modelfile.check(path)
