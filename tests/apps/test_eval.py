from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from edgecv.apps.cli import main
from tiny_models import relu_tflite

import edgecv
from edgecv import zoo as models


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A real classifier: the class is the place of the brightest byte of an 8x8 picture."""
    file = relu_tflite(tmp_path / "place.tflite")
    labels = ["cat", "dog", *(f"place {i}" for i in range(2, 192))]
    spec = {
        "name": "place", "task": "classification", "decoder": "classifier", "labels": labels,
        "input": {"color": "bgr", "std": 255},
    }  # fmt: skip
    file.with_name("place.tflite.json").write_text(json.dumps(spec))
    return file


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Two cats and two dogs, one of which looks like a cat."""
    folder = tmp_path / "animals"
    for name, place in (("cat/1", 0), ("cat/2", 0), ("dog/1", 1), ("dog/2", 0)):
        image = np.zeros(192, np.uint8)
        image[place] = 255
        file = folder / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(file), image.reshape(8, 8, 3))
    return folder


def test_figures_are_printed_and_written_with_their_origin(
    model: Path, animals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "figures.json"
    code = main(
        ["eval", "classify", "--model", str(model), "--data", str(animals), "--json", str(out)]
    )
    assert code == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("place on tflite cpu: 4 pictures in")
    assert printed[1].split() == ["top1", "0.7500"]
    values = json.loads(out.read_text())
    assert values.pop("seconds") > 0
    assert values == {
        "measure": "classify", "top1": 0.75, "top5": 1.0, "images": 4,
        "per_class": {"cat": 1.0, "dog": 0.5}, "model": "place",
        "sha256": hashlib.sha256(model.read_bytes()).hexdigest(), "runtime": "tflite",
        "device": "cpu", "fallback": "", "edgecv": edgecv.__version__,
        "rewritten": False, "rewritten_sha256": "",
    }  # fmt: skip


def test_classes_are_printed_and_the_table_drawn_where_asked_for(
    model: Path, animals: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = tmp_path / "table.png"
    words = ["eval", "classify", "--model", str(model), "--data", str(animals), "--per-class"]
    assert main([*words, "--plot", str(plot)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["dog", "0.5000"] in rows
    assert cv2.imread(str(plot)) is not None


def test_a_limit_takes_fewer_pictures(
    model: Path, animals: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["eval", "classify", "--model", str(model), "--data", str(animals), "--limit", "2"])
    assert "cpu: 2 pictures" in capsys.readouterr().out


def test_a_model_of_another_task_is_a_mistake_of_the_command_line(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    for name in ("a", "b"):
        (tmp_path / "images" / name).write_bytes(b"")
    (tmp_path / "pairs.csv").write_text("img1,img2,same\na,b,1\n")
    assert main(["eval", "face-verify", "--model", str(model), "--data", str(tmp_path)]) == 2
    assert "place is a model for classification" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("measure", "wanted"),
    [
        ("detect", "holds no instances.json. Wanted COCO objects"),
        ("pose", "holds no person_keypoints.json. Wanted COCO keypoints"),
        ("face-detect", "holds no boxes.json. Wanted boxes"),
        ("face-verify", "holds no pairs.csv. Wanted pairs of faces"),
        ("classify", "holds no class folders with pictures. Wanted classes"),
    ],
)
def test_a_wrong_folder_is_told_before_the_model_is_opened(
    tmp_path: Path, measure: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", measure, "--model", "no_such_model", "--data", str(tmp_path)]
    assert main(words) == 1
    assert wanted in capsys.readouterr().err


@pytest.mark.zoo
@pytest.mark.data
def test_a_detector_without_five_points_is_a_mistake_of_the_command_line(
    zoo: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["eval", "face-verify", "--model", "mobilefacenet_int8", "--limit", "4"]
    detector = ["--detector", "face-detection-retail-0004_int8"]
    assert main([*words, *detector, "--data", str(data / "lfw_eval")]) == 2
    assert "faces are aligned by the five points" in capsys.readouterr().err


def test_an_interruption_leaves_nothing_behind(
    model: Path, animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("edgecv.evaluation.loop.read_image", interrupted)
    out = tmp_path / "out"
    out.mkdir()
    words = ["eval", "classify", "--model", str(model), "--data", str(animals)]
    assert main([*words, "--json", str(out / "f.json"), "--plot", str(out / "t.png")]) == 130
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["eval"],
        ["eval", "detect", "--model", "m"],
        ["eval", "detect", "--model", "m", "--data", "d", "--limit", "0"],
        ["eval", "pose", "--model", "m", "--data", "d", "--margin", "-1"],
    ],
    ids=["no measure", "no data", "no pictures", "a negative margin"],
)
def test_a_wrong_command_line_is_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(words)
    assert exit_.value.code == 2
    assert "usage: edgecv eval" in capsys.readouterr().err


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["detect", "ssd_mobilenet_v1_coco_int8", "coco_eval", "--classes", "person", "car"],
         {"AP", "AP50", "APs", "AR100", "unknown_classes"}),
        (["pose", "movenet_lightning_int8", "coco_eval"], {"mean_oks", "oks_ap", "oks_ap50"}),
        (["face-detect", "yunet_n_320", "fddb_eval"], {"ap", "recall", "recall@1fppi"}),
        (["face-verify", "mobilefacenet_int8", "lfw_eval"],
         {"accuracy", "tar@1e-2", "tar@1e-3", "eer", "threshold", "failed"}),
    ],
    ids=["detect", "pose", "face-detect", "face-verify"],
)  # fmt: skip
def test_public_models_are_measured_by_the_command(
    zoo: Path, data: Path, tmp_path: Path, words: list[str], keys: set[str]
) -> None:
    measure, model, folder, *rest = words
    out = tmp_path / "out.json"
    common = ["--model", model, "--data", str(data / folder), "--limit", "12", "--json", str(out)]
    assert main(["eval", measure, *common, *rest]) == 0
    values = json.loads(out.read_text())
    assert keys <= set(values)
    assert (values["model"], values["device"]) == (model, "cpu")
    entry = models.entry(model)
    assert values["sha256"] == entry.files[0].sha256
    assert values["rewritten"] is entry.int8_rewrite
    assert bool(values["rewritten_sha256"]) is entry.int8_rewrite
