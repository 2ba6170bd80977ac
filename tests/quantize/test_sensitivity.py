from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_onnx
from edgecv.quantize import onnx as onnx_quantizer
from edgecv.quantize import openvino as openvino_quantizer
from edgecv.quantize import tflite as tflite_quantizer
from edgecv.quantize.recipe import QuantRecipe
from edgecv.quantize.sensitivity import layer_noise
from tiny_float import SIDE, FloatBuilder, network, pictures

from edgecv.errors import DataError, ModelFileError

AS_IT_COMES = QuantRecipe(bias_correction=False)
LAYERS = {"first", "second", "third", "sum", "gate", "both", "pooled", "logits"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tflite")
    source, target = folder / "float.tflite", folder / "int8.tflite"
    source.write_bytes(network(last="", unequal=6))
    tflite_quantizer.quantize(source, target, pictures(12), AS_IT_COMES)
    return source, target


def test_every_layer_has_its_noise_the_worst_first(files) -> None:
    found = layer_noise(*files, pictures(4))
    assert {layer.name for layer in found} == LAYERS
    ratios = [layer.sqnr_db for layer in found]
    assert ratios == sorted(ratios)
    assert 0 < ratios[0] < ratios[-1] < 70


def test_a_layer_after_channels_of_unlike_ranges_is_worse_than_they(files) -> None:
    by_name = {layer.name: layer for layer in layer_noise(*files, pictures(4))}
    assert by_name["second"].sqnr_db < by_name["first"].sqnr_db - 10
    assert by_name["first"].kind == "CONV_2D"
    assert by_name["gate"].float_range[0] > 0
    assert by_name["gate"].float_range[1] < 1


def test_a_file_differs_by_nothing_from_itself(files) -> None:
    found = layer_noise(files[0], files[0], pictures(2))
    assert {layer.sqnr_db for layer in found} == {100.0}


def test_a_layer_whose_relu_was_an_operator_is_compared_after_it(tmp_path: Path) -> None:
    net, shape = FloatBuilder(), [1, SIDE, SIDE, 4]
    x = net.inputs[0]
    for number, kind in enumerate(("RELU", "RELU6", "RELU")):
        made = net.layer("CONV_2D", f"sums{number}", x, shape)
        x = net.floats(f"cut{number}", shape)
        net.add(kind, [made], [x])
    source, target = tmp_path / "float.tflite", tmp_path / "int8.tflite"
    source.write_bytes(net.packed(net.inputs, [x]))
    tflite_quantizer.quantize(source, target, pictures(12), AS_IT_COMES)
    by_name = {layer.name: layer for layer in layer_noise(source, target, pictures(4))}
    assert by_name.keys() == {"cut0", "cut1", "cut2"}
    assert by_name["cut1"].float_range[0] >= 0


def test_onnx_layers_are_compared_after_their_integers(tmp_path: Path) -> None:
    source, target = tiny_onnx.write(tmp_path / "float.onnx"), tmp_path / "int8.onnx"
    onnx_quantizer.quantize(source, target, tiny_onnx.pictures(20), AS_IT_COMES)
    found = layer_noise(source, target, tiny_onnx.pictures(3, 5))
    assert {"r1", "r2", "c3", "y"} <= {layer.name for layer in found}
    assert all(15 < layer.sqnr_db < 70 for layer in found)


def test_openvino_layers_are_compared_by_their_names(files, tmp_path: Path) -> None:
    import openvino as ov

    source, target = tmp_path / "float.xml", tmp_path / "int8.xml"
    ov.save_model(ov.convert_model(files[0]), source, compress_to_fp16=False)
    openvino_quantizer.quantize(source, target, pictures(12), AS_IT_COMES)
    found = layer_noise(source, target, pictures(3))
    assert {"Convolution", "GroupConvolution", "Sigmoid"} <= {layer.kind for layer in found}
    assert len({layer.name for layer in found}) == len(found) > 8
    assert all(np.isfinite(layer.sqnr_db) for layer in found)


def test_bad_input_is_refused(files, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="are of different formats"):
        layer_noise(files[0], tmp_path / "x.onnx", pictures(1))
    with pytest.raises(DataError, match="at least one tensor"):
        layer_noise(*files, [])
    with pytest.raises(DataError, match=r"shape \[1, 8, 16, 3\], float.tflite takes"):
        layer_noise(*files, [pictures(1)[0][:, :8]])
    with pytest.raises(ModelFileError, match=r"cannot read .*none\.tflite"):
        layer_noise(files[0], tmp_path / "none.tflite", pictures(1))
