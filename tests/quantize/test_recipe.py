from __future__ import annotations

import json
from pathlib import Path

import pytest
from edgecv.quantize.recipe import QuantRecipe, read_recipe, recipe_from_dict

from edgecv.training.errors import RecipeError

REFUSED = {
    "key": ({"range": "mse"}, "no key 'range'; did you mean 'ranges'"),
    "choice": ({"ranges": "percentil"}, "did you mean 'percentile'"),
    "activations": ({"activations": "int4"}, "activations: no choice 'int4'"),
    "inputs": ({"inputs": "int16"}, "inputs: no choice 'int16'"),
    "percentile": ({"percentile": 20}, "percentile is 20: wanted 50 to 100"),
    "samples": ({"samples": 0}, "samples is 0: wanted 1 or more"),
    "type": ({"equalize": "yes"}, "equalize is 'yes': wanted true or false"),
    "seed": ({"seed": -1}, "seed is -1: wanted 0 or more"),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_wrong_is_refused_with_what_was_wanted(values, message) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe_from_dict(values)


def test_toml_and_json_say_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('ranges = "mse"\nkeep_float = ["head/*"]\nsamples = 50\n')
    (tmp_path / "a.json").write_text('{"ranges": "mse", "keep_float": ["head/*"], "samples": 50}')
    wanted = QuantRecipe(ranges="mse", keep_float=("head/*",), samples=50)
    assert read_recipe(tmp_path / "a.toml") == read_recipe(tmp_path / "a.json") == wanted


def test_a_recipe_survives_json() -> None:
    recipe = QuantRecipe(keep_float=("a", "b"), ranges="percentile", percentile=99.9)
    assert recipe_from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


UNREADABLE = {
    "kind": ("a.yaml", "", "is no recipe: wanted a .toml or .json file"),
    "toml": ("a.toml", "a = ", "cannot read the recipe"),
    "json": ("a.json", "{", "cannot read the recipe"),
    "list": ("a.json", "[]", "wanted a table of keys, got list"),
    "names its file": ("mine.toml", "sample = 3", r"mine\.toml: no key 'sample'"),
}


@pytest.mark.parametrize(("name", "text", "message"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_file_that_is_no_recipe_is_told(name, text, message, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RecipeError, match=message):
        read_recipe(tmp_path / name)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read the recipe"):
        read_recipe(tmp_path / "none.toml")
