import json
import shutil

import cv2
import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("pycocotools")
from coco_folder import write

import edgecv
from edgecv.datasets import read_objects
from edgecv.errors import UnknownNameError
from edgecv.evaluation import detection
from edgecv.labels import FACE_5
from edgecv.training.errors import RecipeError
from edgecv.training.fit import fit
from edgecv.training.kerasfile import save_model
from edgecv.training.measuring import Inference
from edgecv.training.recipe import read_recipe, recipe_from_dict
from edgecv.training.tasks.detect import make, measurer, truth
from edgecv.training.teachers.labels import Found, merged

# Keras' own, when it writes a file
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("detect") / "coco")


def recipe_of(folder, **tables):
    values = {
        "task": "detect",
        "model": {"name": "mobilenet_v2", "alpha": 0.35, "input_size": 96, "momentum": 0.8},
        "head": {"anchors": {"layers": 3, "scale_min": 0.3}, "momentum": 0.8},
        "data": {"train": str(folder), "val": str(folder)},
        "run": {"epochs": 1, "batch": 3},
        "name": "tiny",
    }
    return recipe_from_dict({**values, **tables})


def data_of(folder, **more):
    return {"train": str(folder), "val": str(folder), **more}


@pytest.mark.parametrize(
    ("loss", "width", "activation"), [("multibox", 3, "softmax"), ("focal", 2, "sigmoid")]
)
def test_the_loss_decides_whether_there_is_a_background(folder, loss, width, activation):
    task = make(recipe_of(folder, loss={"name": loss}))
    assert task.model.output["scores"].shape[-1] == width
    assert task.spec.options["activation"] == activation
    assert task.spec.labels == ("person", "ball")
    assert task.backbone < {layer.name for layer in task.model.layers}


def test_a_training_goes_on_from_a_whole_trained_detector(folder, tmp_path):
    first = make(recipe_of(folder))
    before = {layer.name: layer.get_weights() for layer in first.model.layers}
    save_model(first.model, first.spec, tmp_path / "first.keras")
    model = {"name": "mobilenet_v2", "alpha": 0.35, "input_size": 96, "momentum": 0.8}
    model["weights"] = str(tmp_path / "first.keras")
    task = make(recipe_of(folder, model=model))
    for layer in task.model.layers:  # the random numbers that they would begin with differ
        for ours, theirs in zip(layer.get_weights(), before[layer.name], strict=True):
            np.testing.assert_array_equal(ours, theirs)
    other = make(recipe_of(folder, model=model, data=data_of(folder, only=["ball"])))
    boxes, scores = (
        other.model.get_layer(name).get_weights()[0] for name in ("boxes0_conv", "scores0_conv")
    )
    np.testing.assert_array_equal(boxes, before["boxes0_conv"][0])
    assert scores.shape != before["scores0_conv"][0].shape, "another number of classes"


def test_only_the_named_classes_are_learned_and_measured(folder):
    task = make(recipe_of(folder, data=data_of(folder, only=["ball"])))
    assert task.spec.labels == ("ball",)
    assert len(task.train) == 6  # pictures without one stay: background is a lesson too
    assert set(task.measure(task.model)) >= {"AP", "AP50"}


@pytest.mark.slow
def test_figures_are_those_of_edgecv_eval(folder, tmp_path):
    """Of the network in memory, and of the file that it is written into."""
    task = make(recipe_of(folder))
    for layer in task.model.layers:  # not all boxes alike
        if layer.name.startswith("scores") and layer.name.endswith("_conv"):
            layer.set_weights(
                [np.random.default_rng(0).normal(size=w.shape) for w in layer.weights]
            )
    found = task.measure(task.model)
    save_model(task.model, task.spec, tmp_path / "m.keras")
    with edgecv.load(tmp_path / "m.keras") as model:
        wanted = detection.evaluate(model, read_objects(folder)).figures
    assert found["AR100"] > 0
    for name, value in found.items():
        assert value == pytest.approx(wanted[name], abs=1e-6), name


def test_samples_of_any_format_are_measured(folder, tmp_path):
    """Taken from memory, the same pictures have the same figures."""
    task = make(recipe_of(folder))
    worker = Inference(task.spec, score=detection.SCORE)
    by_files = measurer(worker, str(folder), task.val)(task.model)
    by_samples = measurer(worker, str(tmp_path), task.val)(task.model)
    assert by_samples == pytest.approx(by_files, abs=1e-6)
    assert len(truth(task.val).images) == 6


def test_a_picture_that_was_skipped_is_not_measured(folder, tmp_path):
    bad = shutil.copytree(folder, tmp_path / "bad")
    image = next((bad / "images").iterdir())
    image.write_bytes(image.read_bytes()[:200])
    task = make(recipe_of(folder, data=data_of(folder, val=str(bad), max_bad=0.5)))
    assert len(task.val) == 5
    assert set(task.measure(task.model)) >= {"AP", "AP50"}


def test_the_report_shows_what_is_found(folder):
    task = make(recipe_of(folder))
    assert task.pictures["detections"](task.model).shape == (512, 1024, 3)


@pytest.mark.parametrize(
    ("tables", "error", "message"),
    [
        ({"head": {"anchor": {}}}, RecipeError, "anchors"),
        ({"head": {"anchors": {"layers": 1}}}, RecipeError, r"\[head\]: wanted two layers"),
        ({"head": {"anchors": {"stride": [16]}}}, RecipeError, r"\[head\]: anchors: .*strides"),
        ({"head": {"match": 2}}, RecipeError, "head.match is 2: wanted 0 to 1"),
        ({"loss": {"name": "multibx"}}, UnknownNameError, "multibox"),
        ({"augment": {"mixup": 0.5}}, RecipeError, "augment.mixup is not for this detect"),
        ({"loss": {"name": "focal", "gama": 1}}, UnknownNameError, "gamma"),
    ],
    ids=["key", "layers", "anchors", "match", "loss", "blend", "option"],
)
def test_recipes_that_cannot_be_meant_are_refused(folder, tables, error, message):
    with pytest.raises(error, match=message):
        make(recipe_of(folder, **tables))


@pytest.mark.slow
def test_a_training_finds_the_figures(folder, tmp_path):
    recipe = recipe_of(
        folder,
        augment={"mirror": True},
        optimizer={"lr": 3e-3, "clip_norm": 10.0},
        run={"epochs": 60, "batch": 6, "measure_every": 60},
    )
    outcome = fit(recipe, tmp_path / "run")
    assert outcome.figures["AP50"] > 0.8
    with edgecv.load(outcome.model) as model:
        assert model.spec.labels == ("person", "ball")


def test_the_shipped_recipe_builds_what_it_says(folder):
    recipe = read_recipe(
        "ssd_mobilenet_v2_coco", [f"data.train={folder}", f"data.val={folder}", "model.alpha=0.35"]
    )
    task = make(recipe)
    assert task.model.input_shape == (None, 224, 224, 3)
    assert task.spec.labels == ("person",)
    assert task.model.output["boxes"].shape[1] == 28 * 28 * 3 + (14 * 14 + 7 * 7 + 4 * 4) * 5


def test_faces_have_points_from_a_teacher_and_are_measured_as_faces(tmp_path):
    """Boxes alone are marked; the points are added to each sample by what found them."""
    folder = tmp_path / "faces"
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(2):
        image = np.full((96, 96, 3), 90 + number, np.uint8)
        cv2.imwrite(str(folder / "images" / f"{number}.png"), image)
        box = [20, 20, 60, 70] if number else []
        rows.append({"file": f"{number}.png", "width": 96, "height": 96,
                     "boxes_xyxy": [box] if box else []})  # fmt: skip
    (folder / "boxes.json").write_text(json.dumps(rows))
    head = {"anchors": {"layers": 3, "scale_min": 0.3}, "landmarks": True}
    task = make(recipe_of(folder, head=head))
    assert task.spec.task == "face_detection"
    assert task.train.keypoints == task.spec.keypoints == FACE_5
    assert task.model.output["landmarks"].shape[-1] == 10
    empty, marked = sorted((task.train[i] for i in range(2)), key=lambda s: len(s.boxes))
    assert empty.keypoints.shape == (0, 5, 3)
    assert not marked.keypoints[..., 2].any()
    found = Found(marked.boxes, np.array([0]), np.ones(1), np.full((1, 5, 3), 2, np.float32))
    taught = merged(marked, found, 0.5)
    targets = task.encode([taught, empty])
    assert targets["known"].any()
    assert task.headline in task.measure(task.model)
