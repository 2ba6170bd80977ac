from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import tiny_models
from edgecv.quantize.onnx import quantize
from edgecv.quantize.onnx_run import Taps
from edgecv.quantize.recipe import QuantRecipe
from onnx import TensorProto, helper, numpy_helper

from edgecv.errors import DataError, ModelFileError
from edgecv.training.errors import RecipeError

SIDE = 16


def pictures(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    coarse = [rng.uniform(-1, 1, (1, 3, 4, 4)) * rng.uniform(0.3, 1) for _ in range(count)]
    return [np.kron(c, np.ones((1, 1, 4, 4))).astype(np.float32) for c in coarse]


CALIBRATION = pictures(20)


def write(path: Path, *, batch: int | str = 1, side: int | str = SIDE) -> Path:
    """Write convolutions with strides and groups, an upsampling, a pool and a dense layer."""
    rng = np.random.default_rng(3)
    weights: dict[str, np.ndarray] = {}

    def constant(name: str, *shape: int) -> str:
        fan = np.prod(shape[1:])
        weights[name] = rng.normal(0.2, 1, shape) / np.sqrt(fan)
        return name

    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node(
            "Conv", ["x", constant("w1", 8, 3, 3, 3), constant("b1", 8)], ["c1"],
            strides=[2, 2], **window,
        ),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", constant("w2", 8, 1, 3, 3)], ["c2"], group=8, **window),
        helper.make_node("Relu", ["c2"], ["r2"]),
        helper.make_node(
            "ConvTranspose", ["r2", constant("w3", 8, 6, 4, 4), constant("b3", 6)], ["c3"],
            kernel_shape=[4, 4], strides=[2, 2], pads=[1, 1, 1, 1],
        ),
        helper.make_node("GlobalAveragePool", ["c3"], ["p"]),
        helper.make_node("Flatten", ["p"], ["flat"]),
        helper.make_node(
            "Gemm", ["flat", constant("w4", 5, 6), constant("b4", 5)], ["y"], transB=1,
        ),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, side, side])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 5])],
        [numpy_helper.from_array(v.astype(np.float32), n) for n, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    entry = model.metadata_props.add()
    entry.key, entry.value = "mine", "kept"
    onnx.save(model, str(path))
    return path


def outputs(path: Path) -> np.ndarray:
    run = Taps(onnx.load(str(path)))
    return np.array([run(x)["y"] for x in pictures(20, 7)])


def noise(folder: Path, **changes) -> float:
    """Return the squared error of a quantized file, in parts of its outputs' mean square."""
    source, target = write(folder / "float.onnx"), folder / "int8.onnx"
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
    assert noise(tmp_path / "b", per_channel=False) < 0.8 * before


def test_activations_are_uint8_and_weights_int8_by_channel(tmp_path: Path) -> None:
    noise(tmp_path)
    model = onnx.load(str(tmp_path / "int8.onnx"))
    values = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    assert values["w1_quantized"].dtype == np.int8
    assert values["w1_scale"].shape == (8,)
    assert values["x_zero_point"].dtype == np.uint8


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
