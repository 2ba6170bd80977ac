import pytest

from edgecv.errors import UnknownNameError
from edgecv.training.data.augment import Augment
from edgecv.training.errors import RecipeError
from edgecv.training.recipe import read_recipe, recipe_from_dict, recipe_names
from edgecv.training.settings import build

TEXT = """
task = "classify"
[model]
name = "mobilenet_v2"
input_size = 96
alpha = 0.35
[data]
train = "a"
[augment]
mirror = true
[optimizer]
lr = 0.01
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    return path


def test_what_a_recipe_leaves_out_has_a_default(file):
    recipe = read_recipe(file)
    assert recipe.model.size == (96, 96)
    assert recipe.model.options == {"alpha": 0.35}
    assert recipe.optimizer.lr == 0.01
    assert recipe.optimizer.name == "adamw"
    assert recipe.run.epochs == 30
    assert recipe.name == "mine"


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_that_comes_along_can_be_read_and_built_on(name):
    recipe = read_recipe(name)
    assert recipe.name == name
    build(Augment, recipe.augment, "augment")
    assert recipe_from_dict(recipe.to_dict()) == recipe


def test_json_and_back_is_the_same_recipe(file):
    changes = ["model.input_size=[96, 128]", "data.only=person,dog", "model.activation=relu"]
    recipe = read_recipe(file, changes)
    assert recipe_from_dict(recipe.to_dict()) == recipe


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("optimizer.lr=.5", lambda r: r.optimizer.lr == 0.5),
        ("optimizer.lr=1", lambda r: r.optimizer.lr == 1.0),
        ("data.train=7", lambda r: r.data.train == "7"),
        ("data.train=a = b", lambda r: r.data.train == "a = b"),
        ("data.only=person, dog", lambda r: r.data.only == ("person", "dog")),
        ('data.only=["person"]', lambda r: r.data.only == ("person",)),
        ("data.min_pictures=3", lambda r: r.data.options == {"min_pictures": 3}),
        ("model.input_size=[96,128]", lambda r: r.model.size == (96, 128)),
        ("model.groups=3", lambda r: r.model.options["groups"] == 3),
        ("augment.mirror=false", lambda r: r.augment["mirror"] is False),
        ("name=other", lambda r: r.name == "other"),
        ("head.strides=[8, 16]", lambda r: r.head["strides"] == (8, 16)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_is_read_as_the_type_that_is_wanted(change, found, file):
    assert found(read_recipe(file, [change]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("optimizer.lrr=1", "no key in [optimizer] 'lrr'; did you mean 'lr'?"),
        ("optimizr.lr=1", "no key 'optimizr'; did you mean 'optimizer'?"),
        ("model.input_sise=1", "no key in [model] 'input_sise'; did you mean 'input_size'?"),
        ("data.max_bed=1", "no key in [data] 'max_bed'; did you mean 'max_bad'?"),
        ("optimizer.lr=fast", "optimizer.lr is 'fast': wanted a number"),
        ("optimizer.lr=nan", "optimizer.lr is nan: wanted a number"),
        ("optimizer.lr=0", "optimizer.lr is 0: wanted above 0"),
        ("optimizer.ema=1", "optimizer.ema is 1: wanted 0 or more, and below 1"),
        ("optimizer.mixed_precision=1", "optimizer.mixed_precision is 1: wanted true or false"),
        ("optimizer.name=adamx", "no optimizer 'adamx'; did you mean 'adam'?"),
        ("optimizer.schedule=xyz", "no schedule 'xyz'; there are: constant, cosine, step"),
        ("run.epochs=1.5", "run.epochs is 1.5: wanted a whole number"),
        ("run.epochs=0", "run.epochs is 0: wanted 1 or more"),
        ("run.epochs=true", "run.epochs is True: wanted a whole number"),
        ("model.input_size=[1,2,3]", "model.input_size is [1, 2, 3]: wanted a list of 2"),
        ("model.input_size=big", "model.input_size is 'big': wanted a whole number or a list"),
        ("data.only=3", "data.only is 3: wanted a list, each item text"),
        ("run=5", "run is 5: wanted a table"),
        ("task.x=1", "'task.x=1': task is a value and has no keys of its own"),
        ("epochs", "wanted KEY=VALUE such as optimizer.lr=0.01, got 'epochs'"),
        ("=3", "wanted KEY=VALUE"),
        ("distill.weight=2", "distill.weight is 2: wanted 0 to 1"),
    ],
    ids=lambda value: value if "=" in value else "",
)
def test_a_wrong_change_is_refused_with_what_was_wanted(change, said, file):
    with pytest.raises(RecipeError) as caught:
        read_recipe(file, [change])
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "task is missing: wanted text"),
        ("task = 'x'", "model is missing: wanted a table"),
        ("task = 'x'\n[model]\nalpha = 1", "model.name is missing: wanted text"),
        ("task = ", "cannot read the recipe"),
        ("\udcff", "cannot read the recipe"),
    ],
    ids=["empty", "no model", "no name", "no TOML", "no text"],
)
def test_a_broken_file_is_refused(text, said, tmp_path):
    path = tmp_path / "broken.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RecipeError, match=said):
        read_recipe(path)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'flowers_mobilenet_v2'"):
        read_recipe("flower_mobilenet_v2")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none\.toml: .*No such file"):
        read_recipe(tmp_path / "none.toml")


def test_a_wrong_augmentation_is_a_wrong_recipe():
    with pytest.raises(RecipeError, match=r"no key in \[augment\] 'miror'; did you mean 'mirror'"):
        build(Augment, {"miror": True}, "augment")
    with pytest.raises(RecipeError, match=r"augment.crop"):
        build(Augment, {"crop": 2.0}, "augment")
