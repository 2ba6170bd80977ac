import cv2
import numpy as np
import pytest

pytest.importorskip("keras")

import edgecv
from edgecv.errors import UnknownNameError
from edgecv.training.errors import RecipeError
from edgecv.training.fit import fit
from edgecv.training.recipe import read_recipe, recipe_from_dict
from edgecv.training.tasks.segment import confusion, figures, make

# Keras' own, when it writes a file
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six pictures of noise with a bright box and a dark disk, and their masks."""
    root = tmp_path_factory.mktemp("segment")
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (root / name).mkdir()
    for number in range(6):
        image = rng.integers(90, 160, (80, 96, 3), np.uint8)
        mask = np.zeros((80, 96), np.uint8)
        x, y = rng.integers(4, 24, 2).tolist()
        mask[y : y + 36, x : x + 36] = 1
        cv2.circle(mask, (76, int(rng.integers(20, 60))), 14, 2, -1)
        image[mask == 1], image[mask == 2] = 250, 5
        cv2.imwrite(str(root / "images" / f"{number}.png"), image)
        cv2.imwrite(str(root / "masks" / f"{number}.png"), mask)
    (root / "names.txt").write_text("ground\nbox\ndisk\n")
    return root


def recipe_of(folder, **tables):
    values = {
        "task": "segment",
        "model": {"name": "mobilenet_v2", "alpha": 0.35, "input_size": 96, "momentum": 0.8},
        "head": {"momentum": 0.8},
        "data": {"train": str(folder), "val": str(folder)},
        "run": {"epochs": 1, "batch": 3},
        "name": "tiny",
    }
    return recipe_from_dict({**values, **tables})


@pytest.mark.parametrize(
    ("head", "side"), [({}, 48), ({"stride": 4}, 24), ({"kind": "fcn"}, 12)], ids=str
)
def test_the_map_is_as_fine_as_the_recipe_says(folder, head, side):
    task = make(recipe_of(folder, head=head))
    assert task.model.output["mask"].shape == (None, side, side, 3)
    assert task.spec.labels == ("ground", "box", "disk")
    assert task.headline == "mean_iou"


def test_figures_of_a_worked_example():
    truth = np.array([[0, 0, 1, 255], [1, 1, 2, 2]])
    found = np.array([[0, 1, 1, 2], [1, 0, 0, 0]])
    table = confusion(truth, found, 4)
    assert table.tolist() == [[1, 1, 0, 0], [1, 2, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]]
    # IoU 1 of 5, 2 of 4, 0 of 2; class 3 does not occur
    assert figures(table) == pytest.approx({"mean_iou": (0.2 + 0.5) / 3, "pixel_accuracy": 3 / 7})


def test_nothing_marked_has_no_figures():
    assert figures(np.zeros((2, 2), np.int64)) == {"mean_iou": 0.0, "pixel_accuracy": 0.0}


@pytest.mark.parametrize(
    ("tables", "error", "message"),
    [
        ({"head": {"kind": "u-net"}}, RecipeError, "head.kind is one of unet, fcn"),
        ({"head": {"stride": 3}}, RecipeError, r"\[head\]: stride is 1, 2, 4 or 8"),
        ({"head": {"channels": [8]}}, RecipeError, r"\[head\]: wanted channels for 4 steps"),
        ({"loss": {"name": "dise"}}, UnknownNameError, "dice"),
    ],
    ids=["kind", "stride", "channels", "loss"],
)
def test_recipes_that_cannot_be_meant_are_refused(folder, tables, error, message):
    with pytest.raises(error, match=message):
        make(recipe_of(folder, **tables))


@pytest.mark.slow
def test_a_training_finds_the_classes(folder, tmp_path):
    recipe = recipe_of(
        folder,
        augment={"mirror": True},
        optimizer={"lr": 3e-3, "clip_norm": 10.0},
        run={"epochs": 40, "batch": 6, "measure_every": 20},
    )
    outcome = fit(recipe, tmp_path / "run")
    assert outcome.figures["mean_iou"] > 0.85
    with edgecv.load(outcome.model) as model:
        result = model(edgecv.read_image(folder / "images" / "0.png"))
    truth = cv2.imread(str(folder / "masks" / "0.png"), cv2.IMREAD_GRAYSCALE)
    assert (result.class_map == truth).mean() > 0.95


def test_the_shipped_recipe_builds_what_it_says(folder):
    task = make(read_recipe("unet_masks", [f"data.train={folder}", f"data.val={folder}"]))
    assert task.model.output["mask"].shape == (None, 112, 112, 3)
    assert task.pictures["masks"](task.model).shape == (512, 1024, 3)
