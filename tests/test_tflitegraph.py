from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny_uint8
from tiny_models import compiled_tflite

from edgecv.errors import ModelFileError
from edgecv.session import open_session
from edgecv.tflitegraph import OPERATOR, TYPE, Graph, name_of


def names(graph: Graph, indices: list[int]) -> list[str]:
    return [name_of(graph.tensors[index]) for index in indices]


def test_a_file_is_taken_apart() -> None:
    graph = Graph(tiny_uint8.classifier())
    assert (names(graph, graph.inputs), names(graph, graph.outputs)) == (["x"], ["scores"])
    assert [graph.name(operator) for operator in graph.operators] == [
        "CONV_2D", "DEPTHWISE_CONV_2D", "CONCATENATION", "AVERAGE_POOL_2D", "RESHAPE",
        "FULLY_CONNECTED", "SOFTMAX",
    ]  # fmt: skip
    assert graph.code(graph.operators[0]) == OPERATOR.CONV_2D
    assert names(graph, graph.operators[0].inputs) == ["x", "conv", "conv_bias"]


def test_a_custom_operator_has_the_name_that_its_author_gave_it(tmp_path: Path) -> None:
    graph = Graph(compiled_tflite(tmp_path / "a.tflite").read_bytes())
    assert graph.name(graph.operators[0]) == "edgetpu-custom-op"


def test_constants_have_values_and_what_is_computed_has_none() -> None:
    graph = Graph(tiny_uint8.classifier())
    _, weights, bias = graph.operators[0].inputs
    assert (graph.values(weights).dtype, graph.values(weights).shape) == (np.uint8, (8, 3, 3, 3))
    assert (graph.values(bias).dtype, graph.values(bias).shape) == (np.int32, (8,))
    assert graph.values(graph.outputs[0]) is None


def test_a_file_put_together_again_runs_as_before(tmp_path: Path) -> None:
    source = tiny_uint8.classifier()
    given = np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)
    outputs = []
    for name, data in {"a": source, "b": Graph(source).packed()}.items():
        file = tmp_path / f"{name}.tflite"
        file.write_bytes(data)
        session = open_session(file, device="cpu", runtime="tflite").session
        outputs.append(session.run({"x": given})["scores"])
    np.testing.assert_array_equal(*outputs)


def test_changed_values_are_those_of_the_new_file_and_the_old_ones_are_gone() -> None:
    source = tiny_uint8.classifier()
    graph = Graph(source)
    weights = graph.operators[0].inputs[1]
    graph.set_values(weights, np.full((8, 3, 3, 3), 7, np.uint8))
    again = Graph(graph.packed())
    assert (again.values(weights) == 7).all()
    assert len(graph.packed()) < len(source) + 200


def test_a_new_operator_stands_where_it_is_put() -> None:
    graph = Graph(tiny_uint8.classifier())
    new = graph.add_like(graph.outputs[0], "_floats")
    graph.tensors[new].type = TYPE.FLOAT32
    graph.operators.append(graph.operator(OPERATOR.DEQUANTIZE, 2, graph.outputs[0], new))
    graph.outputs = [new]
    again = Graph(graph.packed())
    assert names(again, again.outputs) == ["scores_floats"]
    assert again.name(again.operators[-1]) == "DEQUANTIZE"


def test_a_new_file_in_the_archive_replaces_one_of_its_name() -> None:
    source = io.BytesIO(tiny_uint8.classifier())
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("labels.txt", "a")
        archive.writestr("spec.json", "old")
    made = Graph(source.getvalue()).packed({"spec.json": b"new"})
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    assert found == {"labels.txt": b"a", "spec.json": b"new"}


def test_a_file_without_an_archive_gets_none() -> None:
    assert not zipfile.is_zipfile(io.BytesIO(Graph(tiny_uint8.classifier()).packed()))


def damaged(field: str) -> bytes:
    """Return a file that refers to what is not there."""
    net = tiny_uint8.Builder()
    x, y = (net.tensor(name, [1, 4], tiny_uint8.PICTURE) for name in "xy")
    net.add("LOGISTIC", [x], [y])
    operator = net.graph.operators[0]
    if field == "tensor":
        operator.inputs = [7]
    elif field == "operator":
        operator.opcodeIndex = 7
    elif field == "buffer":
        net.graph.tensors[0].buffer = 7
    elif field == "no input":
        operator.inputs = []
    elif field == "subgraphs":
        net.model.subgraphs = [net.graph, net.graph]
    return net.packed([x], [y])


BAD = {
    "tensor": (damaged("tensor"), "refers to what is not there"),
    "operator": (damaged("operator"), "refers to what is not there"),
    "buffer": (damaged("buffer"), "refers to what is not there"),
    "no input": (damaged("no input"), "refers to what is not there"),
    "subgraphs": (damaged("subgraphs"), "wanted a TFLite model of one subgraph, this one has 2"),
    "empty": (b"", "not a TFLite model"),
    "head alone": (b"\x1c\0\0\0TFL3", "damaged or cut short"),
}


@pytest.mark.parametrize(("data", "message"), BAD.values(), ids=BAD.keys())
def test_a_damaged_file_is_refused(data, message) -> None:
    with pytest.raises(ModelFileError, match=message):
        Graph(data)
