from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny_uint8
from edgecv.quantize.recipe import QuantRecipe
from edgecv.quantize.tflite import quantize
from edgecv.quantize.tflite_run import Taps
from tiny_float import SIDE, FloatBuilder, network, pictures

from edgecv.errors import DataError, ModelFileError
from edgecv.session import open_session
from edgecv.tflitegraph import OPERATOR, TYPE, Graph, name_of
from edgecv.training.errors import RecipeError

CALIBRATION = pictures(20)
KINDS = {number: name for name, number in vars(TYPE).items() if isinstance(number, int)}


def made(folder: Path, data: bytes, **changes) -> bytes:
    source, target = folder / "float.tflite", folder / "int8.tflite"
    source.write_bytes(data)
    quantize(source, target, CALIBRATION, QuantRecipe(**changes))
    return target.read_bytes()


def kinds(data: bytes) -> set[str]:
    return {KINDS[tensor.type] for tensor in Graph(data).tensors}


def outputs(data: bytes, seed: int = 9) -> np.ndarray:
    run = Taps(data)
    return np.array([next(iter(run(x).values())) for x in pictures(20, seed)])


def sqnr(data: bytes, other: bytes) -> float:
    wanted, got = outputs(data), outputs(other)
    return float(10 * np.log10((wanted**2).mean() / ((wanted - got) ** 2).mean()))


def tensor(graph: Graph, name: str):
    return next(t for t in graph.tensors if name_of(t) == name)


def quant(graph: Graph, name: str) -> tuple[float, int]:
    found = tensor(graph, name).quantization
    return float(found.scale[0]), int(found.zeroPoint[0])


RECIPES = {
    "min-max": ({}, 25),
    "percentile": ({"ranges": "percentile"}, 25),
    "mse": ({"ranges": "mse"}, 25),
    "entropy": ({"ranges": "entropy"}, 10),
    "one scale": ({"per_channel": False}, 15),
    "int16": ({"activations": "int16", "outputs": "float32"}, 25),
    "equalised": ({"equalize": True}, 25),
    "as it comes": ({"bias_correction": False}, 20),
}


@pytest.mark.parametrize(("changes", "least"), RECIPES.values(), ids=RECIPES.keys())
def test_the_outputs_stay_near_by_every_recipe(changes, least, tmp_path: Path) -> None:
    data = network(last="")
    assert sqnr(data, made(tmp_path, data, **changes)) > least


def test_no_tensor_is_left_in_float(tmp_path: Path) -> None:
    assert kinds(made(tmp_path, network())) == {"INT8", "INT32"}


ENDS = {
    "bytes": ("uint8", "uint8", "int8"),
    "floats": ("float32", "float32", "int8"),
    "mixed": ("uint8", "float32", "int8"),
    "signed": ("int8", "int8", "int8"),
    "floats around int16": ("float32", "float32", "int16"),
    "signed around int16": ("int8", "int8", "int16"),
}
"""TFLite has no kernel between uint8 and int16."""


@pytest.mark.parametrize(("given", "taken", "activations"), ENDS.values(), ids=ENDS.keys())
def test_inputs_and_outputs_are_as_the_recipe_says(
    given, taken, activations, tmp_path: Path
) -> None:
    data = network(last="")
    new = made(tmp_path, data, inputs=given, outputs=taken, activations=activations)
    session = open_session(tmp_path / "int8.tflite", device="cpu").session
    assert [str(s.dtype) for s in (*session.inputs, *session.outputs)] == [given, taken]
    assert [s.name for s in (*session.inputs, *session.outputs)] == ["image", "logits"]
    assert sqnr(data, new) > 20


def test_what_is_joined_has_one_scale_and_a_sigmoid_its_own(tmp_path: Path) -> None:
    graph = Graph(made(tmp_path, network()))
    assert quant(graph, "both") == quant(graph, "third") == quant(graph, "gate")
    assert quant(graph, "gate_made") == (1 / 256, -128)
    assert quant(graph, "softmax") == (1 / 256, -128)


def test_weights_have_a_scale_for_each_channel_or_one(tmp_path: Path) -> None:
    counts = {"first/weights": 8, "third/weights": 8, "logits/weights": 5}
    whole = Graph(made(tmp_path, network(), per_channel=False))
    each = Graph(made(tmp_path, network()))
    for name, count in counts.items():
        assert len(tensor(each, name).quantization.scale) == count
        assert len(tensor(whole, name).quantization.scale) == 1


@pytest.mark.parametrize("pattern", ["second", "sec*", "third", "logits", "*"])
def test_layers_that_are_kept_stay_in_float(pattern: str, tmp_path: Path) -> None:
    data = network(last="")
    new = made(tmp_path, data, keep_float=(pattern,))
    graph = Graph(new)
    kept = [o for o in graph.operators if graph.tensors[o.inputs[0]].type == TYPE.FLOAT32]
    names = {name_of(graph.tensors[i]) for o in kept for i in o.outputs}
    assert {"sec*": "second", "*": "gate"}.get(pattern, pattern) in names
    assert sqnr(data, new) > 20


def test_a_kept_layer_that_is_not_there_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="keep_float: no layer 'secnd'; did you mean 'second'"):
        made(tmp_path, network(), keep_float=("secnd",))


def test_operators_without_a_rule_are_all_named_at_once(tmp_path: Path) -> None:
    data = network(extra=("COS", "FLOOR"))
    with pytest.raises(ModelFileError, match=r"2 operators: COS \(cos\), FLOOR \(floor\); keep"):
        made(tmp_path, data)
    new = made(tmp_path, data, keep_float=("cos", "floor"))
    assert "FLOAT32" in kinds(new)
    assert sqnr(data, new) > 20


def test_post_processing_gets_floats(tmp_path: Path) -> None:
    source = Graph(tiny_uint8.detector())
    for index, found in enumerate(source.tensors):
        values = source.values(index)
        if values is not None:
            scale, zero = float(found.quantization.scale[0]), int(found.quantization.zeroPoint[0])
            source.set_values(index, ((values.astype(np.float32) - zero) * np.float32(scale)))
        found.type, found.quantization = TYPE.FLOAT32, None
    (tmp_path / "float.tflite").write_bytes(source.packed())
    rng = np.random.default_rng(0)
    tensors = [rng.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32) for _ in range(10)]
    target = tmp_path / "int8.tflite"
    quantize(tmp_path / "float.tflite", target, tensors, QuantRecipe())
    graph = Graph(target.read_bytes())
    assert [graph.name(o) for o in graph.operators][-1] == "TFLite_Detection_PostProcess"
    assert [graph.tensors[i].type for i in graph.outputs] == [TYPE.FLOAT32] * 4
    assert graph.tensors[graph.inputs[0]].type == TYPE.INT8


def test_the_same_gives_the_same_bytes(tmp_path: Path) -> None:
    assert made(tmp_path, network(), equalize=True) == made(tmp_path, network(), equalize=True)


def test_the_archive_with_the_spec_and_labels_is_kept(tmp_path: Path) -> None:
    out = io.BytesIO(network())
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    with zipfile.ZipFile(io.BytesIO(made(tmp_path, out.getvalue()))) as archive:
        assert archive.read("labels.txt") == b"cat\ndog\n"


def test_an_open_batch_becomes_one(tmp_path: Path) -> None:
    graph = Graph(network())
    for found in graph.tensors:
        if name_of(found) in ("image", "first", "softmax"):
            found.shapeSignature = [-1, *found.shape[1:]]
    data = graph.packed()
    assert made(tmp_path, data) == made(tmp_path, network())


def test_a_relu_goes_into_the_layer_before_it(tmp_path: Path) -> None:
    graph = Graph(made(tmp_path, network(last="RELU")))
    assert "RELU" not in {graph.name(o) for o in graph.operators}
    assert quant(graph, "relu")[1] == -128


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_paddings_are_integers_of_either_length(dtype: str, tmp_path: Path) -> None:
    net = FloatBuilder()
    paddings = np.array([[0, 0], [0, 1], [0, 1], [0, 0]])
    ends = [net.inputs[0], net.constant("paddings", paddings, dtype)]
    wide = net.floats("wide", [1, SIDE + 1, SIDE + 1, 3])
    net.add("PAD", ends, [wide], kind="PadOptions")
    x = net.layer("CONV_2D", "last", wide, [1, SIDE + 1, SIDE + 1, 4])
    data = net.packed(net.inputs, [x])
    assert sqnr(data, made(tmp_path, data)) > 25


def test_channels_of_zeros_and_of_tiny_weights_keep_their_bias(tmp_path: Path) -> None:
    graph = Graph(network(last=""))
    place = next(o for o in graph.operators if graph.code(o) == OPERATOR.CONV_2D)
    weights = graph.values(place.inputs[1]).copy()
    weights[0], weights[1] = 0, weights[1] * 1e-12
    graph.set_values(place.inputs[1], weights)
    data = graph.packed()
    assert sqnr(data, made(tmp_path, data, bias_correction=False)) > 20


def opened_side(data: bytes) -> bytes:
    graph = Graph(data)
    graph.tensors[graph.inputs[0]].shapeSignature = [1, -1, -1, 3]
    return graph.packed()


BAD = {
    "int8": (tiny_uint8.classifier, "float.tflite cannot be quantized: it is quantized already"),
    "shape": (lambda: opened_side(network()), r"input image \[1, -1, -1, 3\] has an open shape"),
    "cut": (lambda: network()[:900], "damaged or cut short"),
    "other": (lambda: b"PK" * 20, "not a TFLite model"),
}


@pytest.mark.parametrize(("make", "message"), BAD.values(), ids=BAD.keys())
def test_files_that_cannot_be_quantized_are_refused(make, message, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=message):
        made(tmp_path, make())
    assert [file.name for file in tmp_path.iterdir()] == ["float.tflite"]


TENSORS = {
    "few": (CALIBRATION[:9], "9 calibration pictures are too few"),
    "size": ([x[:, :8] for x in CALIBRATION], r"shape \[1, 8, 16, 3\], float.tflite takes"),
}


@pytest.mark.parametrize(("tensors", "message"), TENSORS.values(), ids=TENSORS.keys())
def test_wrong_calibration_is_refused(tensors, message, tmp_path: Path) -> None:
    (tmp_path / "float.tflite").write_bytes(network())
    with pytest.raises(DataError, match=message):
        quantize(tmp_path / "float.tflite", tmp_path / "out.tflite", tensors, QuantRecipe())
    assert not (tmp_path / "out.tflite").exists()


def test_progress_is_told_to_its_end(tmp_path: Path) -> None:
    said = []
    (tmp_path / "float.tflite").write_bytes(network())
    quantize(
        tmp_path / "float.tflite", tmp_path / "o.tflite", CALIBRATION, QuantRecipe(),
        report=lambda done, total: said.append((done, total)),
    )  # fmt: skip
    assert (20, 20) in said
    assert said[-1][0] == said[-1][1]


def test_weights_of_7_bits_are_not_for_tflite(tmp_path: Path) -> None:
    source = tmp_path / "float.tflite"
    source.write_bytes(network())
    with pytest.raises(RecipeError, match="sums do not overflow"):
        quantize(source, tmp_path / "o.tflite", CALIBRATION, QuantRecipe(weight_bits=7))
    assert not (tmp_path / "o.tflite").exists()
