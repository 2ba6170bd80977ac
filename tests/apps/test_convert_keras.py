"""`edgecv convert` from Keras: several files at once, or none."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import tiny_training

import edgecv as sdk
from edgecv import modelfile
from edgecv.spec import InputSpec, ModelSpec

pytest.importorskip("tensorflow")
# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SPEC = ModelSpec(
    name="colours", task="classification", decoder="classifier",
    input=InputSpec(mean=(127.5,) * 3, std=(127.5,) * 3), outputs={"logits": "logits"},
    labels=("blue", "green", "red"), score=0.0, options={"softmax": True}, license="CC0-1.0",
)  # fmt: skip
FILES = {
    f"best_{precision}{suffix}"
    for precision in ("fp32", "fp16", "int8")
    for suffix in (".tflite", ".onnx", ".xml", ".bin")
}


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory) -> Path:
    import tensorflow as tf

    from edgecv.training.kerasfile import save_model

    model = tiny_training.network()
    rng = np.random.default_rng(0)
    for _ in range(30):
        model(tf.constant(rng.uniform(-1, 1, (4, 16, 16, 3)).astype(np.float32)), training=True)
    path = tmp_path_factory.mktemp("run") / "best.keras"
    save_model(model, SPEC, path, {"recipe": {"name": "tiny"}})
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    return tiny_training.write_pictures(tmp_path_factory.mktemp("photos") / "all", 8)


def test_one_command_makes_all_files_and_compares_them(
    edgecv, keras_file, photos, tmp_path
) -> None:
    out = tmp_path / "export"
    words = ("--to", "tflite,openvino,onnx", "--precision", "fp32,fp16,int8", "--out", out)
    ran = edgecv("convert", keras_file, *words, "--calibration", photos, "--report", out / "p.json")
    assert ran.code == 0, ran.err
    assert {file.name for file in out.iterdir()} == FILES | {"p.json"}
    assert not [f for f in tmp_path.iterdir() if f != out]  # nothing is left beside it
    rows = json.loads((out / "p.json").read_text())["files"]
    assert len(rows) == 9
    for row in rows:
        path = out / row["file"]
        assert row["file"] in ran.out
        (gap,) = row["agreement"]["outputs"]
        least = {"fp32": 0, "fp16": 1e-6, "int8": 1e-4}[row["precision"]]
        most = {"fp32": 1e-4, "fp16": 0.02, "int8": 0.3}[row["precision"]]
        assert least <= gap["largest"] <= most * max(gap["spread"], 1.0)
        # an untrained network is sure of nothing, and kernels without VNNI saturate
        assert row["agreement"]["results"]["same class"] >= (0.5 if "int8" in path.name else 1.0)
        check_inside(path, row, keras_file)


def check_inside(path: Path, row: dict, keras_file: Path) -> None:
    assert modelfile.embedded_spec(path).to_dict() == SPEC.with_changes(name=path.stem).to_dict()
    card = modelfile.embedded_card(path)
    assert card["recipe"] == {"name": "tiny"}
    assert card["conversion"]["sha256"] == hashlib.sha256(keras_file.read_bytes()).hexdigest()
    assert card["conversion"]["precision"] == row["precision"]
    assert ("quantization" in card) == (row["precision"] == "int8")
    if row["precision"] == "int8":
        assert card["quantization"]["calibration"]["files"] == 24


def test_postprocessing_is_put_in(edgecv, keras_file, photos, tmp_path) -> None:
    words = ("--to", "tflite", "--postprocess", "--photos", photos, "--out", tmp_path)
    ran = edgecv("convert", keras_file, *words)
    assert ran.code == 0, ran.err
    assert "same class 100.0%" in ran.out
    with sdk.load(tmp_path / "best_fp32.tflite") as model:
        tensor = np.zeros((1, 16, 16, 3), np.float32)
        assert model.infer(tensor)["logits"].sum() == pytest.approx(1, abs=1e-3)
        assert "softmax" not in model.spec.options


def test_a_saved_model_is_told_what_it_is_by_the_command_line(edgecv, keras_file, tmp_path) -> None:
    import keras

    folder = tmp_path / "saved"
    keras.saving.load_model(keras_file).export(folder, verbose=False)
    words = ("--to", "openvino", "--out", tmp_path / "out", "--mean", "127.5", "--std", "127.5")
    ran = edgecv("convert", folder, *words, "--task", "classification", "--decoder", "classifier")
    assert ran.code == 0, ran.err
    spec = modelfile.embedded_spec(tmp_path / "out" / "saved_fp32.xml")
    assert (spec.task, spec.input.mean) == ("classification", (127.5,) * 3)
    plain = edgecv("convert", folder, "--to", "openvino", "--out", tmp_path / "plain")
    assert plain.code == 0
    assert "gets no spec" in plain.err
    assert "numbers alone" in plain.out
    assert "on 8 tensors of random numbers" in plain.out


@pytest.mark.parametrize(
    "fault", [RuntimeError("broken"), KeyboardInterrupt()], ids=["error", "^C"]
)
def test_what_goes_wrong_late_leaves_nothing_and_keeps_what_was_there(
    edgecv, keras_file, tmp_path, monkeypatch, fault
) -> None:
    from edgecv.apps import convert_run

    def fail(*_: object, **__: object) -> None:
        raise fault

    out = tmp_path / "out"
    out.mkdir()
    (out / "best_fp32.tflite").write_bytes(b"mine")
    words = ("convert", keras_file, "--to", "tflite", "--out", out)
    ran = edgecv(*words)
    assert (ran.code, ran.out) == (1, "")
    assert "best_fp32.tflite is there already: --force replaces" in ran.err
    monkeypatch.setattr(convert_run.convert_proof, "prove", fail)
    if isinstance(fault, KeyboardInterrupt):
        assert edgecv(*words, "--force").code == 130
    else:
        with pytest.raises(RuntimeError):
            edgecv(*words, "--force")
    assert [f.name for f in tmp_path.rglob("*")] == ["out", "best_fp32.tflite"]
    assert (out / "best_fp32.tflite").read_bytes() == b"mine"
    monkeypatch.undo()
    assert edgecv(*words, "--force").code == 0
    assert (out / "best_fp32.tflite").read_bytes() != b"mine"


def test_floats_that_say_something_else_are_refused(
    edgecv, keras_file, tmp_path, monkeypatch
) -> None:
    from edgecv.apps import convert_run

    from edgecv.tflitegraph import Graph

    real = convert_run.keras_tflite.tflite_bytes

    def spoiled(*args: object, **options: object) -> bytes:
        graph = Graph(real(*args, **options))
        index = next(i for i, t in enumerate(graph.tensors) if len(t.shape) == 4 and
                     graph.values(i) is not None)  # fmt: skip
        graph.set_values(index, -graph.values(index))
        return graph.packed()

    monkeypatch.setattr(convert_run.keras_tflite, "tflite_bytes", spoiled)
    ran = edgecv("convert", keras_file, "--to", "tflite", "--out", tmp_path / "out")
    assert ran.code == 1
    assert "best_fp32.tflite does not say what the model says: logits differs by" in ran.err
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def rounded_file(keras_file, photos, tmp_path_factory) -> Path:
    """The same network with INT8's rounding inside, as a training with [qat] leaves it."""
    from edgecv.models.loading import load_network
    from edgecv.training.kerasfile import save_model
    from edgecv.training.qat import network as qat

    model = qat.prepare(load_network(keras_file))
    images = [sdk.read_image(file) for file in sorted(photos.rglob("*.png"))]
    qat.calibrate(model, [np.stack(images)[..., ::-1].astype(np.float32) / 127.5 - 1])
    path = tmp_path_factory.mktemp("rounded") / "best.keras"
    save_model(model, SPEC, path)
    return path


def test_a_network_trained_for_int8_wants_no_calibration(
    edgecv, rounded_file, photos, tmp_path
) -> None:
    words = ("--to", "tflite", "--int8", "--photos", photos, "--out", tmp_path)
    code, said, err = edgecv("convert", rounded_file, *words)
    assert code == 0, err
    assert "best_int8.tflite" in said
    file = tmp_path / "best_int8.tflite"
    assert modelfile.embedded_card(file)["quantization"]["calibration"] == "in training"
    with sdk.load(rounded_file) as keras, sdk.load(file) as made:
        assert made.session.inputs[0].dtype == np.int8
        for picture in sorted(photos.rglob("*.png"))[:6]:
            image = sdk.read_image(picture)
            assert made(image).class_ids[0] == keras(image).class_ids[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--to", "tflite", "--calibration", "photos"), "leave --calibration out"),
        (("--to", "tflite,onnx"), "no INT8 form of it can be made for onnx"),
    ],
    ids=["with calibration", "for onnx"],
)
def test_what_a_network_trained_for_int8_cannot_be_is_told(
    edgecv, rounded_file, tmp_path, more, said
) -> None:
    code, _, err = edgecv("convert", rounded_file, *more, "--int8", "--out", tmp_path)
    assert code == 2
    assert said in err
