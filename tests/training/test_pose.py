import shutil

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("pycocotools")
from coco_folder import write

import edgecv
from edgecv.datasets import read_keypoints
from edgecv.errors import UnknownNameError
from edgecv.evaluation import pose as evaluation
from edgecv.labels import COCO_17
from edgecv.training.data.geometry import fit as placed
from edgecv.training.data.samples import Sample, SampleList
from edgecv.training.errors import RecipeError
from edgecv.training.fit import fit
from edgecv.training.kerasfile import save_model
from edgecv.training.recipe import read_recipe, recipe_from_dict
from edgecv.training.tasks.pose import People, make
from edgecv.types import Size

# Keras' own, when it writes a file
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("pose") / "coco", people=3)


def recipe_of(folder, kind="heatmap", head=None, **tables):
    values = {
        "task": "pose",
        "model": {"name": "mobilenet_v2", "alpha": 0.35, "input_size": 96, "momentum": 0.8},
        "head": {"kind": kind, "stride": 16, "momentum": 0.8, **(head or {})},
        "data": {"train": str(folder), "val": str(folder)},
        "run": {"epochs": 1, "batch": 3},
        "name": "tiny",
    }
    return recipe_from_dict({**values, **tables})


def test_heatmaps_are_learned_from_one_person_at_a_time(folder):
    task = make(recipe_of(folder))
    assert len(task.train) == 12  # two people in each of six pictures; the ball is none
    assert task.spec.keypoints == COCO_17
    assert task.model.output["heatmaps"].shape == (None, 6, 6, 17)
    assert task.headline == "mean_oks"


def test_proposals_are_learned_from_whole_pictures(folder):
    task = make(recipe_of(folder, "ppn"))
    assert len(task.train) == 6
    assert task.model.output["parts"].shape == (None, 6, 6, 108)
    assert task.headline == "oks_ap"
    targets = task.encode([placed(task.train[0], Size(96, 96), task.spec.input)])
    assert (targets["parts"][0, ..., 0, 0] == 1).sum() == 2


@pytest.mark.parametrize("kind", ["heatmap", "ppn"])
def test_a_picture_that_was_skipped_is_not_measured(folder, tmp_path, kind):
    bad = shutil.copytree(folder, tmp_path / "bad")
    image = next((bad / "images").iterdir())
    image.write_bytes(image.read_bytes()[:200])
    data = {"train": str(folder), "val": str(bad), "max_bad": 0.5}
    task = make(recipe_of(folder, kind, data=data))
    assert "mean_oks" in task.measure(task.model)


@pytest.mark.parametrize(
    ("loss", "activation"), [("mse", "none"), ("focal", "sigmoid"), ("", "sigmoid")]
)
def test_the_loss_decides_what_the_heatmaps_are(folder, loss, activation):
    task = make(recipe_of(folder, loss={"name": loss}))
    assert task.spec.options["activation"] == activation


@pytest.mark.slow
def test_figures_are_those_of_edgecv_eval(folder, tmp_path):
    """Of the network in memory, and of the file that it is written into."""
    task = make(recipe_of(folder))
    found = task.measure(task.model)
    save_model(task.model, task.spec, tmp_path / "m.keras")
    with edgecv.load(tmp_path / "m.keras") as model:
        wanted = evaluation.evaluate(model, read_keypoints(folder)).figures
    assert 0 < found["mean_oks"] < 0.9
    for name, value in found.items():
        assert value == pytest.approx(wanted[name], abs=1e-5), name


def test_an_untrained_proposal_network_finds_nobody(folder):
    task = make(recipe_of(folder, "ppn"))
    assert task.measure(task.model)["mean_oks"] == 0


def picture(*boxes):
    """A picture of 60x40 whose pixels tell where they are; each person's first point is marked."""
    y, x = np.mgrid[:40, :60]
    image = np.stack((x, y, 0 * x), axis=-1).astype(np.uint8)
    corners = np.array(boxes, np.float32)
    keypoints = np.zeros((len(corners), 2, 3), np.float32)
    keypoints[:, :, :2] = corners[:, None, :2]
    keypoints[:, 0, 2] = 2
    return Sample(
        image, boxes=corners, classes=np.zeros(len(corners), np.int64), keypoints=keypoints
    )


def test_a_person_is_cut_out_square_with_everything_moved_along():
    samples = SampleList([picture((10, 10, 20, 30), (40, 5, 59, 15))], ("person",), ("a", "b"))
    people = People(samples, margin=0.0, least=1)
    assert len(people) == 2
    assert (people.names, people.keypoints) == (("person",), ("a", "b"))
    one = people[0]
    assert one.image.shape == (20, 20, 3)
    assert one.image[0, 0].tolist() == [5, 10, 0]
    assert one.boxes.tolist() == [[5, 0, 15, 20]]
    assert one.keypoints[0, 0].tolist() == [5, 0, 2]


def test_what_lies_beyond_the_picture_is_grey():
    samples = SampleList([picture((0, 0, 10, 40))], ("person",), ("a", "b"))
    one = People(samples, margin=0.1, least=1)[0]
    assert one.image.shape == (48, 48, 3)
    assert (one.image[0] == 127).all()
    assert (one.image[:, 0] == 127).all()
    assert one.image[4, 19].tolist() == [0, 0, 0]
    assert one.boxes.tolist() == [[19, 4, 29, 44]]


@pytest.mark.parametrize(
    ("head", "tables", "error", "message"),
    [
        ({"kind": "heatmaps"}, {}, RecipeError, "head.kind is one of heatmap, ppn"),
        ({"stride": 5}, {}, RecipeError, r"\[head\]: stride is 4, 8 or 16, got 5"),
        ({"kind": "ppn", "window": 4}, {}, RecipeError, r"\[head\]: window is an odd number"),
        ({}, {"loss": {"name": "ppn"}}, UnknownNameError, "focal"),
        ({"kind": "ppn"}, {"loss": {"name": "mse"}}, UnknownNameError, "ppn"),
        ({"min_keypoints": 18}, {}, RecipeError, "nobody has 18 marked keypoints"),
        ({}, {"augment": {"mosaic": 0.5}}, RecipeError, "augment.mosaic is not for this pose"),
    ],
    ids=["kind", "stride", "window", "loss", "loss of many", "nobody", "blend"],
)
def test_recipes_that_cannot_be_meant_are_refused(folder, head, tables, error, message):
    with pytest.raises(error, match=message):
        make(recipe_of(folder, head=head, **tables))


@pytest.mark.slow
def test_a_training_finds_the_figures_keypoints(folder, tmp_path):
    recipe = recipe_of(
        folder,
        head={"stride": 8, "sigma": 1.0, "margin": 0.0},
        optimizer={"lr": 3e-3, "clip_norm": 10.0},
        run={"epochs": 60, "batch": 4, "measure_every": 60},
    )
    outcome = fit(recipe, tmp_path / "run")
    assert outcome.figures["mean_oks"] > 0.5


@pytest.mark.parametrize("name", ["pose_heatmap_coco", "ppn_coco"])
def test_the_shipped_recipes_build_what_they_say(folder, name):
    recipe = read_recipe(name, [f"data.train={folder}", f"data.val={folder}", "model.alpha=0.35"])
    task = make(recipe)
    grid = next(iter(task.model.output.values())).shape[1:3]
    assert grid == {"pose_heatmap_coco": (48, 48), "ppn_coco": (16, 16)}[name]
    assert task.pictures["poses"](task.model).shape[2] == 3
