from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny_uint8
from edgecv.converters.int8_rewrite import rewrite
from edgecv.converters.parity import LAST, check_parity, picture, without_last

from edgecv.errors import ModelFileError
from edgecv.tflitegraph import Graph, name_of
from edgecv.types import TensorSpec


def spoiled(data: bytes, *, layer: int = 0) -> bytes:
    """Return the rewritten file with the weights of a layer turned round."""
    graph = Graph(rewrite(data))
    operators = [o for o in graph.operators if len(o.inputs) == 3]
    weights = operators[layer].inputs[1]
    graph.set_values(weights, -graph.values(weights))
    return graph.packed()


def checked(made, tmp_path: Path, source: bytes):
    file = tmp_path / "made.tflite"
    file.write_bytes(made(source))
    return check_parity(source, made, file)


@pytest.mark.parametrize(
    "made", [rewrite, partial(rewrite, int8_inputs=True)], ids=["bytes", "signed bytes"]
)
def test_a_good_rewrite_agrees_and_says_how_well(made, tmp_path: Path) -> None:
    agreement = checked(made, tmp_path, tiny_uint8.classifier())
    assert 0 < agreement.mean <= agreement.most <= 5


def test_a_file_agrees_with_itself_entirely(tmp_path: Path) -> None:
    assert checked(bytes, tmp_path, tiny_uint8.classifier())[:2] == (0, 0)


@pytest.mark.parametrize("layer", [0, 1, 2], ids=["conv", "depthwise", "dense"])
def test_a_wrong_layer_is_found(layer, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"logits differs by [\d.]+ quantization steps"):
        checked(partial(spoiled, layer=layer), tmp_path, tiny_uint8.classifier())


def renamed(data: bytes) -> bytes:
    graph = Graph(rewrite(data))
    graph.tensors[graph.outputs[0]].name = b"other"
    return graph.packed()


def test_another_output_is_found(tmp_path: Path) -> None:
    source, file = tiny_uint8.classifier(), tmp_path / "made.tflite"
    file.write_bytes(renamed(source))
    with pytest.raises(ModelFileError, match="inputs or outputs are no longer what they were"):
        check_parity(source, rewrite, file)


@pytest.mark.parametrize(
    ("data", "left"),
    [(tiny_uint8.classifier(), ["logits"]), (tiny_uint8.detector(), ["felt"])],
    ids=["a softmax", "post-processing and what it takes"],
)
def test_operators_that_hide_differences_are_left_out(data, left) -> None:
    graph = Graph(without_last(data))
    assert [name_of(graph.tensors[index]) for index in graph.outputs] == left
    assert graph.code(graph.operators[-1]) not in LAST


SHAPES = {"a picture": (1, 24, 32, 3), "grey": (1, 8, 8, 1), "a pixel": (1, 1, 1, 3), "row": (1, 9)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_a_made_up_picture_fits_the_input_and_is_the_same_each_time(shape) -> None:
    spec = TensorSpec("x", shape, np.dtype(np.uint8), None)
    first, again, other = picture(spec, 1), picture(spec, 1), picture(spec, 2)
    assert (first.shape, first.dtype) == (shape, np.uint8)
    np.testing.assert_array_equal(first, again)
    if shape[1] > 1:
        assert np.ptp(first) > 150
        assert (first != other).any()
