"""All converters on one network of each task: names, numbers, results, what travels along."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import tiny_keras
from edgecv.converters import CONVERTERS, PRECISIONS, SUFFIXES
from edgecv.converters.agreement import answers, compare

import edgecv
from edgecv import modelfile
from edgecv.errors import ModelFileError, OutputError
from edgecv.session import open_session

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

FORMATS = tuple(SUFFIXES)
CASES = [(name, target) for name in tiny_keras.NETWORKS for target in FORMATS]


@pytest.fixture(scope="session")
def said(network, photos):
    """What the Keras files say of the photos."""
    kept = {}

    def ask(name: str):
        if name not in kept:
            with edgecv.load(network(name), device="cpu") as model:
                kept[name] = answers(model, photos)
        return kept[name]

    return ask


@pytest.mark.parametrize(("name", "target"), CASES)
def test_floats_say_what_keras_says(name, target, converted, said, photos) -> None:
    was = said(name)
    with edgecv.load(converted(name, target), device="cpu", runtime=target) as model:
        agreement = compare(was, answers(model, photos))
    assert {gap.name for gap in agreement.gaps} == set(was.outputs[0])
    assert max(gap.largest for gap in agreement.gaps) <= 1e-4
    assert min(gap.spread for gap in agreement.gaps) > 0.1  # there is something to get wrong
    assert agreement.things >= len(photos)
    assert set(agreement.results.values()) == {1.0}


@pytest.mark.parametrize(("name", "target"), CASES)
def test_names_spec_and_card_travel_along(name, target, converted, network) -> None:
    path, source = converted(name, target), network(name)
    spec = modelfile.embedded_spec(source)
    assert modelfile.embedded_spec(path) == spec
    assert modelfile.embedded_card(path) == modelfile.embedded_card(source) == tiny_keras.CARD
    session = open_session(path, device="cpu", runtime=target).session
    assert [tensor.name for tensor in session.inputs] == ["image"]
    assert session.inputs[0].shape == (1, tiny_keras.SIDE, tiny_keras.SIDE, 3)
    assert {tensor.name for tensor in session.outputs} == set(spec.outputs.values())
    assert all(None not in tensor.shape for tensor in session.outputs)


SMALLER = {"fp16": 0.62, "dynamic": 0.45}  # of files that hold little but weights


@pytest.mark.parametrize(
    ("target", "precision"),
    [(target, p) for target in FORMATS for p in PRECISIONS[target] if p != "fp32"],
)
def test_smaller_floats_are_smaller_and_close(target, precision, converted, said, photos) -> None:
    path, whole = converted("detector", target, precision), converted("detector", target)
    sizes = [sum(f.stat().st_size for f in weights(file)) for file in (path, whole)]
    assert sizes[0] < SMALLER[precision] * sizes[1] + 40_000
    with edgecv.load(path, device="cpu", runtime=target) as model:
        agreement = compare(said("detector"), answers(model, photos))
    for gap in agreement.gaps:
        assert 0 < gap.largest < (0.005 if precision == "fp16" else 0.1) * gap.spread
    assert agreement.results["IoU >= 0.5"] > 0.9


def weights(file: Path) -> list[Path]:
    return [file.with_suffix(".bin")] if file.suffix == ".xml" else [file]


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_the_same_file_gives_the_same_bytes(target, converted, tmp_path) -> None:
    first = converted("detector", target)
    sums = []
    for number in range(2):
        path = tmp_path / str(number) / first.name
        CONVERTERS.load(f"tflite>{target}")(converted("detector", "tflite"), path, precision="fp32")
        sums.append(
            [hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(path.parent.iterdir())]
        )
    assert sums[0] == sums[1]


@pytest.mark.parametrize("target", ["tflite", "onnx", "openvino"])
def test_keras_to_each_format_is_the_same_as_through_tflite(
    target, network, converted, tmp_path
) -> None:
    path = tmp_path / f"made{SUFFIXES[target]}"
    CONVERTERS.load(f"keras>{target}")(network("detector"), path, precision="fp32")
    again = tmp_path / f"again{SUFFIXES[target]}"
    if target == "tflite":
        CONVERTERS.load("keras>tflite")(network("detector"), again, precision="fp32")
    else:
        CONVERTERS.load(f"tflite>{target}")(
            converted("detector", "tflite"), again, precision="fp32"
        )
    assert path.read_bytes() == again.read_bytes()


def test_onnx_becomes_openvino(converted, said, photos, tmp_path) -> None:
    path = tmp_path / "made.xml"
    CONVERTERS.load("onnx>openvino")(converted("pose", "onnx"), path, precision="fp32")
    spec = modelfile.embedded_spec(converted("pose", "onnx"))
    with edgecv.load(path, device="cpu", spec=spec) as model:
        agreement = compare(said("pose"), answers(model, photos))
    assert max(gap.largest for gap in agreement.gaps) <= 1e-4
    assert set(agreement.results.values()) == {1.0}


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_a_full_disk_leaves_nothing_behind(target, converted, tmp_path, broken_disk) -> None:
    out = tmp_path / "out"
    with pytest.raises(OutputError, match="No space left on device"):
        CONVERTERS.load(f"tflite>{target}")(
            converted("detector", "tflite"), out / f"a{SUFFIXES[target]}", precision="fp32"
        )
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("key", [key for key in CONVERTERS if not key.startswith("keras")])
def test_a_damaged_file_is_told_and_nothing_written(key, converted, tmp_path) -> None:
    kind, target = key.split(">")
    whole = converted("classifier", kind).read_bytes()
    cut = tmp_path / f"cut{SUFFIXES[kind]}"
    cut.write_bytes(whole[: len(whole) // 2])
    out = tmp_path / "out"
    with pytest.raises(ModelFileError, match="cut"):
        CONVERTERS.load(key)(cut, out / f"a{SUFFIXES[target]}", precision="fp32")
    assert not out.exists() or list(out.iterdir()) == []


def test_halved_weights_of_onnx_stay_within_their_range(tmp_path) -> None:
    from edgecv.converters.tflite_onnx import _halve
    from onnx import TensorProto, helper, numpy_helper

    values = np.linspace(-1e6, 1e6, 100, dtype=np.float32)
    small = np.ones(3, np.float32)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"]), helper.make_node("Mul", ["y", "s"], ["z"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [100])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, "w"), numpy_helper.from_array(small, "s")],
    )
    _halve(graph)
    kept = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    assert {name: v.dtype.name for name, v in kept.items()} == {"w/fp16": "float16", "s": "float32"}
    assert np.isfinite(kept["w/fp16"]).all()
    assert [node.op_type for node in graph.node] == ["Cast", "Add", "Mul"]
