from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

keras = pytest.importorskip("keras")

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:tensorflow"),
]

SIZE = 32
SPEC = {
    "name": "theirs", "task": "classification", "decoder": "classifier", "score": 0,
    "options": {"softmax": True, "background": True}, "labels": ["none", "cat", "dog"],
    "input": {"mean": [127.5], "std": [127.5]}, "license": "MIT",
}  # fmt: skip


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MobileNetV1 of three classes, the first of them the background, as a TFLite file."""
    import tensorflow as tf

    from edgecv import models

    model = models.build("mobilenet_v1", alpha=0.25, input_size=SIZE, classes=3)
    model.get_layer("logits").kernel.assign(np.random.default_rng(0).normal(size=(256, 3)))
    image = keras.Input(batch_shape=(1, SIZE, SIZE, 3), name="image")
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(image, model(image)))
    path = tmp_path_factory.mktemp("theirs") / "theirs.tflite"
    path.write_bytes(converter.convert())
    Path(f"{path}.json").write_text(json.dumps(SPEC))
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(6):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (40, 50, 3), np.uint8))
    return folder


def words(source: Path, out: Path, *more: object) -> tuple[object, ...]:
    return (
        "weights", "import", "--from", source, "--into", "mobilenet_v1", "--alpha", "0.25",
        "--out", out, *more,
    )  # fmt: skip


def test_weights_are_imported_settled_and_verified(edgecv, theirs, photos, tmp_path) -> None:
    from edgecv.training.kerasfile import read_card

    out = tmp_path / "start.keras"
    ran = edgecv(*words(theirs, out, "--settle", photos, "--verify", photos))
    assert (ran.code, ran.err) == (0, "")
    assert "28 layers of theirs.tflite are in mobilenet_v1_0.25 now" in ran.out
    assert "on 6 pictures the same largest output in 100.0%" in ran.out
    card = read_card(out)
    assert (card["imported_from"], card["license"]) == ("theirs", "MIT")
    assert len(card["layers"]) == 28
    assert card["parity"].startswith("on 6 pictures")


def test_the_imported_file_classifies(edgecv, theirs, photos, tmp_path) -> None:
    out = tmp_path / "start.keras"
    assert edgecv(*words(theirs, out)).code == 0
    there = edgecv("classify", photos, "--model", theirs, "--json", "-")
    here = edgecv("classify", photos, "--model", out, "--json", "-")
    assert here.code == there.code == 0
    best = [
        [json.loads(line)["classes"][0]["label"] for line in ran.out.splitlines()]
        for ran in (here, there)
    ]
    assert best[0] == best[1]
    shown = edgecv("info", out)
    assert "opened by keras on cpu" in shown.out
    assert '"labels": ["cat", "dog"]' in shown.out


def test_a_backbone_has_no_task(edgecv, theirs, tmp_path) -> None:
    out = tmp_path / "backbone.keras"
    ran = edgecv(*words(theirs, out, "--no-top"))
    assert ran.code == 0
    assert "1 layers of the file are left out" in ran.out
    assert "not verified" in ran.out
    assert "spec: none" in edgecv("info", out).out


def test_an_import_that_does_not_hold_is_not_written(
    edgecv, theirs, photos, tmp_path, monkeypatch
) -> None:
    from edgecv.training.weights import verify

    monkeypatch.setattr(verify, "LARGEST", -1.0)
    out = tmp_path / "start.keras"
    ran = edgecv(*words(theirs, out, "--verify", photos))
    assert ran.code == 1
    assert "theirs.tflite is not quite mobilenet_v1_0.25: on 6 pictures" in ran.err
    assert not out.exists()


def test_a_file_is_not_replaced_unless_forced(edgecv, theirs, tmp_path) -> None:
    out = tmp_path / "start.keras"
    out.write_bytes(b"mine")
    ran = edgecv(*words(theirs, out))
    assert (ran.code, out.read_bytes()) == (1, b"mine")
    assert "start.keras is there already: --force replaces it" in ran.err
    assert edgecv(*words(theirs, out, "--force")).code == 0
    assert out.read_bytes() != b"mine"


BAD = {
    "another network": (
        lambda p: words(p.theirs, p.out, "--alpha", "0.5"), 1,
        "theirs.tflite is not a mobilenet_v1_0.5: stem wants a kernel of 3x3x3x16, and at its "
        "place the file has",
    ),
    "more classes": (
        lambda p: words(p.theirs, p.out, "--set", "classes=7"), 1,
        "logits wants a kernel of 1x1x256x7, and at its place the file has",
    ),
    "another ending": (
        lambda p: words(p.theirs, p.out.with_suffix(".h5")), 2, "ends in .keras, got",
    ),
    "no such network": (
        lambda p: words(p.theirs, p.out, "--into", "mobilenet_v9"), 2, "did you mean 'mobilenet_v",
    ),
    "no such option": (
        lambda p: words(p.theirs, p.out, "--set", "alfa=1"), 2, "did you mean 'alpha'?",
    ),
    "a wrong value": (
        lambda p: words(p.theirs, p.out, "--set", "dropout=7"), 2, "dropout is a fraction",
    ),
    "no value": (
        lambda p: words(p.theirs, p.out, "--set", "dropout"), 2, "wanted OPTION=VALUE",
    ),
    "no such file": (
        lambda p: words(p.theirs.with_name("none.tflite"), p.out), 1, "none.tflite: No such file",
    ),
    "no such name": (lambda p: words("mobilenet_v1_0.25_224_fp23", p.out), 2, "did you mean"),
    "no photographs": (
        lambda p: words(p.theirs, p.out, "--verify", p.out.parent / "empty"), 1, "empty",
    ),
    "no action": (lambda p: ("weights",), 2, "the following arguments are required: action"),
}  # fmt: skip


class Place:
    def __init__(self, theirs: Path, out: Path) -> None:
        self.theirs, self.out = theirs, out


@pytest.mark.parametrize(("line", "code", "message"), BAD.values(), ids=BAD.keys())
def test_wrong_imports_are_told(line, code: int, message: str, edgecv, theirs, tmp_path) -> None:
    out = tmp_path / "start.keras"
    ran = edgecv(*line(Place(theirs, out)))
    assert ran.code == code, ran.err
    assert message in ran.err
    assert not out.exists()


def test_a_sister_keeps_the_size_of_the_input(edgecv, theirs, photos, tmp_path) -> None:
    out = tmp_path / "start.keras"
    sister = ("--no-top", "--settle", photos, "--become", "input_size=64")
    ran = edgecv(*words(theirs, out, *sister))
    assert (ran.code, out.exists()) == (2, False)
    assert "the input keeps the file's size here; a training may have another" in ran.err
