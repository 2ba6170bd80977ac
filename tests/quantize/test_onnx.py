from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_models
from edgecv.quantize.onnx import quantize
from edgecv.quantize.onnx_equalize import equalize
from edgecv.quantize.onnx_run import Taps, load
from edgecv.quantize.recipe import QuantRecipe
from onnx import numpy_helper
from tiny_onnx import SIDE, pictures, write

from edgecv.errors import DataError, ModelFileError
from edgecv.training.errors import RecipeError

CALIBRATION = pictures(20)


def outputs(path: Path) -> np.ndarray:
    run = Taps(onnx.load(str(path)))
    return np.array([run(x)["y"] for x in pictures(20, 7)])


def noise(folder: Path, unequal: float = 0, **changes) -> float:
    """Return the squared error of a quantized file, in parts of its outputs' mean square."""
    source, target = write(folder / "float.onnx", unequal=unequal), folder / "int8.onnx"
    quantize(source, target, CALIBRATION, QuantRecipe(**changes))
    wanted = outputs(source)
    return float(((outputs(target) - wanted) ** 2).mean() / (wanted**2).mean())


RECIPES = {
    "min-max": {},
    "percentile": {"ranges": "percentile"},
    "mse": {"ranges": "mse"},
    "as it comes": {"bias_correction": False},
    "one scale": {"per_channel": False},
    "kept": {"keep_float": ("c3", "y")},
}


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES.keys())
def test_the_outputs_stay_near_by_every_recipe(changes, tmp_path: Path) -> None:
    assert noise(tmp_path, **changes) < 0.01


def test_bias_correction_brings_the_outputs_nearer(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    before = noise(tmp_path / "a", per_channel=False, bias_correction=False)
    assert noise(tmp_path / "b", per_channel=False) < before


@pytest.mark.parametrize("per_channel", [True, False])
def test_a_network_that_collapses_is_rescued_by_equalisation(per_channel, tmp_path: Path) -> None:
    options = {"unequal": 7, "per_channel": per_channel, "bias_correction": False}
    before = noise(tmp_path, **options)
    after = noise(tmp_path, equalize=True, **options)
    assert after < before / 5
    assert after < 0.01


@pytest.mark.parametrize("per_channel", [True, False])
def test_equalised_the_floats_compute_the_same(per_channel, tmp_path: Path) -> None:
    model = load(write(tmp_path / "float.onnx", unequal=5))
    was = model.SerializeToString()
    equalize(model, QuantRecipe(per_channel=per_channel), CALIBRATION)
    assert model.SerializeToString() != was
    old, new = Taps(onnx.load_from_string(was)), Taps(model)
    for x in CALIBRATION:
        np.testing.assert_allclose(new(x)["y"], old(x)["y"], rtol=1e-4, atol=1e-5)


def test_activations_are_uint8_and_weights_int8_by_channel(tmp_path: Path) -> None:
    noise(tmp_path)
    model = onnx.load(str(tmp_path / "int8.onnx"))
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert values["w1_quantized"].dtype == np.int8
    assert values["w1_scale"].shape == (8,)
    assert values["x_zero_point"].dtype == np.uint8


def test_an_old_operator_set_gets_a_scale_a_channel_too(tmp_path: Path) -> None:
    source = write(tmp_path / "old.onnx", opset=11)
    quantize(source, tmp_path / "int8.onnx", CALIBRATION, QuantRecipe())
    model = onnx.load(str(tmp_path / "int8.onnx"))
    assert [entry.value for entry in model.metadata_props if entry.key == "mine"] == ["kept"]
    scales = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert scales["w1_scale"].shape == (8,)
    wanted = outputs(source)
    assert ((outputs(tmp_path / "int8.onnx") - wanted) ** 2).mean() < 0.02 * (wanted**2).mean()


def test_layers_that_are_kept_have_float_weights(tmp_path: Path) -> None:
    noise(tmp_path, keep_float=("c3",))
    names = {t.name for t in onnx.load(str(tmp_path / "int8.onnx")).graph.initializer}
    assert {"w3", "w1_quantized"} <= names


def test_the_same_gives_the_same_bytes_and_metadata_are_kept(tmp_path: Path) -> None:
    noise(tmp_path)
    first = (tmp_path / "int8.onnx").read_bytes()
    noise(tmp_path)
    assert (tmp_path / "int8.onnx").read_bytes() == first
    props = onnx.load_from_string(first).metadata_props
    assert [(p.key, p.value) for p in props] == [("mine", "kept")]


def test_an_open_batch_becomes_one(tmp_path: Path) -> None:
    source, target = write(tmp_path / "float.onnx", batch="N"), tmp_path / "int8.onnx"
    quantize(source, target, CALIBRATION, QuantRecipe())
    sides = onnx.load(str(target)).graph.input[0].type.tensor_type.shape.dim
    assert [side.dim_value for side in sides] == [1, 3, SIDE, SIDE]


BAD = {
    "shape": ({"side": "S"}, CALIBRATION, {}, ModelFileError, "its input x has the open shape"),
    "few": ({}, CALIBRATION[:9], {}, DataError, "9 calibration pictures are too few"),
    "size": ({}, [x[..., :8] for x in CALIBRATION], {}, DataError, r"takes \[1, 3, 16, 16\]"),
    "int16": ({}, CALIBRATION, {"activations": "int16"}, RecipeError, "activations = 'int8'"),
    "kept": ({}, CALIBRATION, {"keep_float": ("c9",)}, ModelFileError, "no layer 'c9'"),
}


@pytest.mark.parametrize(
    ("options", "tensors", "changes", "error", "message"), BAD.values(), ids=BAD.keys()
)
def test_what_cannot_be_quantized_is_refused(
    options, tensors, changes, error, message, tmp_path: Path
) -> None:
    source = write(tmp_path / "float.onnx", **options)
    with pytest.raises(error, match=message):
        quantize(source, tmp_path / "int8.onnx", tensors, QuantRecipe(**changes))
    assert [file.name for file in tmp_path.iterdir()] == ["float.onnx"]


def test_what_is_quantized_or_no_model_is_refused(tmp_path: Path) -> None:
    noise(tmp_path)
    with pytest.raises(ModelFileError, match="it is quantized already"):
        quantize(tmp_path / "int8.onnx", tmp_path / "o.onnx", CALIBRATION, QuantRecipe())
    (tmp_path / "bad.onnx").write_bytes(b"nothing of the kind")
    with pytest.raises(ModelFileError, match=r"bad\.onnx"):
        quantize(tmp_path / "bad.onnx", tmp_path / "o.onnx", CALIBRATION, QuantRecipe())


def test_a_model_without_layers_is_quantized_too(tmp_path: Path) -> None:
    source = tiny_models.relu_onnx(tmp_path / "relu.onnx")
    rng = np.random.default_rng(0)
    tensors = [rng.uniform(-1, 1, (1, 3, 8, 8)).astype(np.float32) for _ in range(10)]
    quantize(source, tmp_path / "o.onnx", tensors, QuantRecipe())
    (got,) = Taps(onnx.load(str(tmp_path / "o.onnx")))(tensors[0]).values()
    np.testing.assert_allclose(got, np.maximum(tensors[0], 0), atol=0.02)


def test_weights_of_7_bits_use_half_of_the_range(tmp_path: Path) -> None:
    source = write(tmp_path / "float.onnx")
    for bits, most in ((8, 127), (7, 64)):
        quantize(source, tmp_path / "int8.onnx", CALIBRATION, QuantRecipe(weight_bits=bits))
        model = onnx.load(tmp_path / "int8.onnx")
        arrays = [onnx.numpy_helper.to_array(value) for value in model.graph.initializer]
        weights = [array for array in arrays if array.dtype == np.int8 and array.ndim > 1]
        assert weights
        assert max(int(np.abs(array.astype(int)).max()) for array in weights) == most
