from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from edgecv.quantize.openvino import quantize, read, run_model
from edgecv.quantize.recipe import QuantRecipe
from tiny_float import network, pictures

from edgecv.errors import DataError, ModelFileError
from edgecv.training.errors import RecipeError

CALIBRATION = pictures(12)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import openvino as ov

    folder = tmp_path_factory.mktemp("openvino")
    (folder / "float.tflite").write_bytes(network(last=""))
    model = ov.convert_model(folder / "float.tflite")
    model.set_rt_info("kept", "mine")
    ov.save_model(model, folder / "float.xml", compress_to_fp16=False)
    return folder / "float.xml"


def outputs(path: Path) -> np.ndarray:
    run = run_model(read(path, quantized=True))
    return np.array([run(x)[0] for x in pictures(20, 7)])


RECIPES = {
    "min-max": {},
    "percentile": {"ranges": "percentile"},
    "mse": {"ranges": "mse"},
    "kept": {"keep_float": ("logits", "Conv*")},
    "one scale, as it comes": {"per_channel": False, "bias_correction": False},
    "7 bits": {"weight_bits": 7},
}


@pytest.mark.parametrize("changes", RECIPES.values(), ids=RECIPES.keys())
def test_the_outputs_stay_near_by_every_recipe(changes, source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "int8.xml", CALIBRATION, QuantRecipe(**changes))
    wanted = outputs(source)
    error = ((outputs(tmp_path / "int8.xml") - wanted) ** 2).mean()
    assert 0 < error < 0.02 * (wanted**2).mean()


def test_the_same_gives_the_same_files_and_what_it_carries_is_kept(
    source: Path, tmp_path: Path, capfd
) -> None:
    for name in ("a", "b"):
        quantize(source, tmp_path / f"{name}.xml", CALIBRATION, QuantRecipe())
    for suffix in (".bin", ".xml"):
        assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.bin", "a.xml", "b.bin", "b.xml"]
    assert read(tmp_path / "a.xml", quantized=True).rt_info["mine"].value == "kept"
    assert capfd.readouterr().out == ""


BAD = {
    "few": (CALIBRATION[:9], {}, DataError, "9 calibration pictures are too few"),
    "size": ([x[:, :8] for x in CALIBRATION], {}, DataError, r"takes \[1, 16, 16, 3\]"),
    "int16": (CALIBRATION, {"activations": "int16"}, RecipeError, "no activations of int16"),
    "entropy": (CALIBRATION, {"ranges": "entropy"}, RecipeError, "NNCF has no ranges by entropy"),
    "kept": (CALIBRATION, {"keep_float": ("logit",)}, ModelFileError, "did you mean 'logits'"),
}


@pytest.mark.parametrize(("tensors", "changes", "error", "message"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_quantized_is_refused(
    tensors, changes, error, message, source: Path, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        quantize(source, tmp_path / "int8.xml", tensors, QuantRecipe(**changes))
    assert list(tmp_path.iterdir()) == []


def test_what_is_quantized_or_not_there_is_refused(source: Path, tmp_path: Path) -> None:
    quantize(source, tmp_path / "int8.xml", CALIBRATION, QuantRecipe(bias_correction=False))
    with pytest.raises(ModelFileError, match="quantized already"):
        quantize(tmp_path / "int8.xml", tmp_path / "o.xml", CALIBRATION, QuantRecipe())
    with pytest.raises(ModelFileError, match=r"cannot read .*none\.xml"):
        quantize(tmp_path / "none.xml", tmp_path / "o.xml", CALIBRATION, QuantRecipe())
