from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tiny_models import relu_keras, relu_tflite

import edgecv
from edgecv.errors import DeviceError, InferenceError, ModelFileError, PackageMissingError
from edgecv.session import RUNTIMES, open_session
from edgecv.spec import InputSpec, ModelSpec

keras = pytest.importorskip("keras")

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def colours(path: Path) -> Path:
    """Write a classifier of mean colours: the largest of red, green and blue."""
    from edgecv.training.kerasfile import save_model

    image = keras.Input((16, 16, 3), name="image")
    pooled = keras.layers.GlobalAveragePooling2D(name="logits")(image)
    spec = ModelSpec(
        name="colours", task="classification", decoder="classifier",
        input=InputSpec(mean=(127.5,), std=(127.5,)), labels=("red", "green", "blue"),
        options={"softmax": True}, score=0,
    )  # fmt: skip
    save_model(keras.Model(image, pooled), spec, path)
    return path


@pytest.mark.parametrize(("channel", "label"), [(2, "red"), (1, "green"), (0, "blue")])
def test_a_trained_file_is_loaded_like_any_other(channel: int, label: str, tmp_path: Path) -> None:
    model = edgecv.load(colours(tmp_path / "best.keras"))
    assert (model.runtime, model.device) == ("keras", "cpu")
    image = np.zeros((20, 30, 3), np.uint8)
    image[..., channel] = 200
    found = model(image)
    assert found.labels[found.class_ids[0]] == label


def test_outputs_go_by_the_keys_of_a_dict(tmp_path: Path) -> None:
    image = keras.Input((4, 4, 3), name="image")
    outputs = {"scores": image * 2, "boxes": image + 1}
    keras.Model(image, outputs).save(tmp_path / "m.keras")
    session = open_session(tmp_path / "m.keras").session
    x = np.ones((1, 4, 4, 3), np.float32)
    made = session.run({"image": 3 * x})
    assert {tensor.name for tensor in session.outputs} == {"scores", "boxes"}
    np.testing.assert_array_equal(made["boxes"], 4 * x)
    np.testing.assert_array_equal(made["scores"], 6 * x)


def test_outputs_of_a_list_go_by_their_layers(tmp_path: Path) -> None:
    image = keras.Input((4, 4, 3), name="image")
    parts = [keras.layers.ReLU(name="b")(image), keras.layers.Rescaling(2, name="a")(image)]
    keras.Model(image, parts).save(tmp_path / "m.keras")
    made = open_session(tmp_path / "m.keras").session.run({"image": -np.ones((1, 4, 4, 3), "f4")})
    assert (made["a"].min(), made["b"].max()) == (-2, 0)


def test_several_inputs_go_by_their_names(tmp_path: Path) -> None:
    first, second = keras.Input((2,), name="first"), keras.Input((2,), name="second")
    keras.Model([first, second], keras.layers.Subtract(name="y")([first, second])).save(
        tmp_path / "m.keras"
    )
    session = open_session(tmp_path / "m.keras").session
    one = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(session.run({"second": one, "first": 3 * one})["y"], 2 * one)


def test_an_open_size_stays_open(tmp_path: Path) -> None:
    image = keras.Input((None, None, 3), name="image")
    keras.Model(image, keras.layers.ReLU(name="y")(image)).save(tmp_path / "m.keras")
    session = open_session(tmp_path / "m.keras").session
    assert session.inputs[0].shape == (1, None, None, 3)
    for side in (4, 6):
        assert session.run({"image": np.ones((1, side, 5, 3), "f4")})["y"].shape == (1, side, 5, 3)


def test_batch_normalization_uses_what_was_learnt(tmp_path: Path) -> None:
    image = keras.Input((4, 4, 3), name="x")
    layer = keras.layers.BatchNormalization(name="y", epsilon=0)
    model = keras.Model(image, layer(image))
    layer.set_weights([np.ones(3), np.zeros(3), np.full(3, 5.0), np.full(3, 4.0)])
    model.save(tmp_path / "m.keras")
    made = open_session(tmp_path / "m.keras").session.run({"x": np.full((1, 4, 4, 3), 9, "f4")})
    np.testing.assert_allclose(made["y"], 2)


def test_layers_of_edgecv_are_known(tmp_path: Path) -> None:
    from edgecv.models.loading import own_modules

    layer = {"module": "edgecv.models.blocks", "registered_name": "edgecv>Shuffle"}
    strange = {"module": "os", "registered_name": "edgecv>system"}
    foreign = {"module": "edgecv.models.blocks", "registered_name": "other>Layer"}
    config = {"config": {"layers": [layer, {"inner": strange}, foreign]}}
    assert own_modules(config) == {"edgecv.models.blocks"}


def test_code_inside_a_file_is_not_run(tmp_path: Path) -> None:
    image = keras.Input((4,), name="image")
    keras.Model(image, keras.layers.Lambda(lambda x: x + 1)(image)).save(tmp_path / "m.keras")
    with pytest.raises(InferenceError, match=r"m\.keras: keras .* refuses it: .*[Ll]ambda"):
        open_session(tmp_path / "m.keras", device="cpu")


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = relu_keras(tmp_path / "m.keras")
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("config.json").header_offset
    data[at + 60 : at + 70] = b"\0" * 10
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"m\.keras is damaged"):
        open_session(path, device="cpu")


def test_unknown_layers_are_told(tmp_path: Path) -> None:
    path = relu_keras(tmp_path / "m.keras")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][1] |= {
        "module": "mine", "class_name": "Mine", "registered_name": "mine>Mine"
    }  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, json.dumps(config) if name == "config.json" else content)
    with pytest.raises(InferenceError, match=r"m\.keras: keras .* refuses it: .*Mine"):
        open_session(path, device="cpu")


def test_it_runs_on_the_cpu_alone(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match="on the cpu, not on 'npu'"):
        RUNTIMES.load("keras").open_session(relu_keras(tmp_path / "m.keras"), "npu", threads=1)


def test_without_tensorflow_the_line_that_installs_it_is_given(tmp_path, monkeypatch) -> None:
    path = relu_keras(tmp_path / "m.keras")
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(PackageMissingError, match=r"pip install 'edgecv\[train\]'"):
        open_session(path)


def python(code: str, *words: str | Path) -> str:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True, text=True, check=True, env=plain,
    )  # fmt: skip
    assert "tensorflow" not in done.stderr.lower().replace("tensorflow lite", "")
    assert "cuda" not in done.stderr.lower()
    return done.stdout


def test_tensorflow_is_not_imported_for_other_files_nor_to_list_devices(tmp_path: Path) -> None:
    code = (
        "import sys, edgecv; from edgecv.session import devices, open_session; from pathlib import "
        "Path; devices(); open_session(Path(sys.argv[1])); print('tensorflow' in sys.modules)"
    )
    assert python(code, relu_tflite(tmp_path / "m.tflite")) == "False\n"


@pytest.mark.slow
def test_a_process_that_only_runs_files_is_quiet_and_takes_no_gpu(tmp_path: Path) -> None:
    code = (
        "import sys; from edgecv.session import open_session; from pathlib import Path; "
        "open_session(Path(sys.argv[1]), threads=1); import tensorflow as tf; "
        "print(tf.config.get_visible_devices('GPU'), "
        "tf.config.threading.get_intra_op_parallelism_threads())"
    )
    assert python(code, relu_keras(tmp_path / "m.keras")) == "[] 1\n"
