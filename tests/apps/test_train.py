"""`edgecv train`: what it refuses before it costs anybody time, and what it shows."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from tiny_training import recipe_values, write_pictures, write_recipe

TINY = {
    "task": "classify",
    "model": {"name": "mobilenet_v1", "alpha": 0.25, "input_size": 32},
    "data": {"train": "nowhere", "val": "nowhere"},
}
# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path / "tiny.toml", TINY)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe with its pictures and its network."""
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("train")
    return write_recipe(folder / "tiny.toml", recipe_values(folder, run__epochs=2))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "arguments are required: RECIPE"),
        (["{recipe}"], "name the folder of the training: --out DIR"),
        (["{recipe}", "--out", "x", "--set", "optimizer.lrr=1"], "did you mean 'lr'?"),
        (["{recipe}", "--out", "x", "--set", "run.epochs=many"], "wanted a whole number"),
        (["{recipe}", "--out", "x", "--set", "lr"], "wanted KEY=VALUE"),
        (["flowers_mobilnet_v2", "--out", "x"], "did you mean 'flowers_mobilenet_v2'?"),
        (["none.toml", "--out", "x"], "cannot read the recipe none.toml"),
    ],
    ids=["nothing", "no folder", "unknown key", "wrong type", "no value", "no recipe", "no file"],
)
def test_a_wrong_command_line_is_code_2(words, said, recipe, edgecv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = edgecv("train", *(word.format(recipe=recipe) for word in words))
    assert ran.code == 2
    assert said in ran.err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ("data.train=", 2, "data.train is missing: name a folder, as in --set data.train=DIR"),
        ("data.train=nowhere", 1, "nowhere does not exist"),
        ("task=clasify", 2, "no training task 'clasify'; did you mean 'classify'?"),
        ("model.name=mobilnet_v1", 2, "did you mean 'mobilenet_v1'?"),
        ("model.alfa=1", 2, "no option of mobilenet_v1 'alfa'; did you mean 'alpha'?"),
        ("model.alpha=-1", 2, "[model] mobilenet_v1: "),
        ("model.weights=none.keras", 1, "none.keras"),
        ("loss.name=cros_entropy", 2, "did you mean 'cross_entropy'?"),
        ("loss.smothing=.1", 2, "did you mean 'smoothing'?"),
        ("augment.miror=true", 2, "no key in [augment] 'miror'; did you mean 'mirror'?"),
        ("data.format=coco", 2, "no format of datasets 'coco'"),
    ],
    ids=lambda value: value if isinstance(value, str) and "=" in value else "",
)
def test_a_recipe_that_cannot_be_followed_is_one_line(
    change, code, said, recipe, edgecv, tmp_path, monkeypatch
):
    pytest.importorskip("tensorflow")
    monkeypatch.chdir(tmp_path)
    folder = write_pictures(tmp_path / "pictures", 3)
    sets = [f"data.train={folder}", f"data.val={folder}", change]
    words = [word for text in sets for word in ("--set", text)]
    ran = edgecv("train", recipe, *words, "--out", "run")
    assert ran.code == code
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert not (tmp_path / "run" / "best.keras").exists()


def test_the_help_lists_the_recipes(edgecv):
    ran = edgecv("train", "--help")
    assert ran.code == 0
    assert "flowers_mobilenet_v2" in ran.out
    assert "--resume" in ran.out


def test_a_preview_is_a_picture_and_nothing_else(whole, edgecv, tmp_path):
    file = tmp_path / "batch.png"
    ran = edgecv("train", whole, "--preview", file)
    assert (ran.code, ran.out) == (0, f"{file}\n")
    assert cv2.imread(str(file)).shape[2] == 3
    assert edgecv("train", whole, "--preview", tmp_path / "batch.xyz").code == 2


def test_a_dry_run_says_what_would_be_and_writes_nothing(whole, edgecv, tmp_path):
    ran = edgecv("train", whole, "--dry-run", "--out", tmp_path / "run")
    assert ran.code == 0
    for said in ("48 to learn, 24 to measure", "blue, green, red", "6 an epoch, 12 in all"):
        assert said in ran.out
    assert not (tmp_path / "run").exists()


def test_a_training_is_measured_by_eval_as_it_measured_itself(whole, edgecv, tmp_path):
    out = tmp_path / "run"
    ran = edgecv("train", whole, "--out", out)
    assert ran.code == 0, ran.err
    first, second, best, files = ran.out.splitlines()
    assert first.startswith("epoch 1/2")
    assert second.startswith("epoch 2/2")
    assert files == f"{out / 'best.keras'}  {out / 'report.html'}"
    said = edgecv("eval", "classify", "--model", out / "best.keras", "--data", whole.parent / "val")
    assert said.code == 0, said.err
    top1 = next(line.split()[1] for line in said.out.splitlines() if line.startswith("top1"))
    assert f"top1 {top1}" in best
    refused = edgecv("train", whole, "--out", out)
    assert refused.code == 2
    assert "--resume goes on with it" in refused.err
    again = edgecv("train", whole, "--out", out, "--resume")
    assert (again.code, again.out.splitlines()) == (0, [best, files])
