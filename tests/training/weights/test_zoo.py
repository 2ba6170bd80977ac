"""Public weights in our networks: the same answers on photographs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import edgecv
from edgecv import zoo as listed
from edgecv.errors import ModelFileError
from edgecv.model import complete_spec
from edgecv.spec import ModelSpec
from edgecv.types import Image

pytest.importorskip("keras")
pytest.importorskip("onnx")

from edgecv.training.weights.take import Imported, import_weights
from edgecv.training.weights.verify import compare

# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.zoo,
    pytest.mark.data,
    pytest.mark.slow,
]

FACE = {"activation": "relu6", "separable": True, "padding": "symmetric"}
SSD = {"alpha": 0.75, "include_top": False}
REAL = {
    "mobilenet_v1_0.25_224_fp32": ("mobilenet_v1", {"alpha": 0.25}, 28),
    "squeezenet1.1_fp16": ("squeezenet", {}, 26),
    "mobilefacenet_fp32": ("mobilefacenet", FACE, 51),
}
INTEGER = {
    "mobilenet_v1_0.25_224_int8": ("mobilenet_v1", {"alpha": 0.25}, 28),
    "mobilenet_v1_0.5_160_int8": ("mobilenet_v1", {"alpha": 0.5}, 28),
    "mobilenet_v2_1.0_224_int8": ("mobilenet_v2", {}, 53),
    "tf2_mobilenet_v2_1.0_224_ptq": ("mobilenet_v2", {}, 53),
    "mobilefacenet_int8": ("mobilefacenet", {"padding": "symmetric"}, 50),
    "ssd_mobilenet_v1_coco_int8": ("mobilenet_v1", SSD, 27),
}
DARK_BORDERS = "vww_mobilenet_v1_0.25_96_fp32"


def pictures(data: Path, name: str) -> list[Image]:
    folder = data / ("lfw_train_aligned" if "face" in name else "coco_eval/images")
    return [edgecv.read_image(path) for path in sorted(folder.rglob("*.jpg"))[:100]]


def imported(name: str, into: str, options: Mapping[str, Any]) -> tuple[Path, ModelSpec, Imported]:
    path = listed.fetch(name)
    spec = complete_spec(path, listed.spec(name), None)
    return path, spec, import_weights(path, spec, into, options=options)


@pytest.mark.parametrize("name", REAL)
def test_real_weights_give_the_same_numbers(name: str, zoo: Path, data: Path) -> None:
    into, options, count = REAL[name]
    path, spec, made = imported(name, into, options)
    assert (len(made.pairs), made.left_out, made.differences) == (count, (), ())
    parity = compare(path, spec, made, pictures(data, name)[:20])
    assert parity.holds
    assert parity.largest < 1e-4


@pytest.mark.parametrize("name", INTEGER)
def test_integer_weights_give_the_same_classes(name: str, zoo: Path, data: Path) -> None:
    into, options, count = INTEGER[name]
    path, spec, made = imported(name, into, options)
    assert len(made.pairs) == count
    assert made.quantized
    parity = compare(path, spec, made, pictures(data, name))
    assert parity.holds, str(parity)


def test_the_background_is_no_class_of_the_imported_model(zoo: Path) -> None:
    _, spec, made = imported("mobilenet_v1_0.25_224_fp32", "mobilenet_v1", {"alpha": 0.25})
    assert made.model.output.shape[-1] == 1000
    assert made.spec is not None
    assert made.spec.labels == spec.labels[1:]
    assert dict(made.spec.options) == {"softmax": True}


def test_other_activations_are_told(zoo: Path, data: Path) -> None:
    path, spec, made = imported(DARK_BORDERS, "mobilenet_v1", {"alpha": 0.25})
    assert made.differences[0] == "stem has relu6, the file relu"
    assert not compare(path, spec, made, pictures(data, DARK_BORDERS)[:10]).holds


def test_a_detectors_heads_are_left_out(zoo: Path) -> None:
    _, _, made = imported("ssd_mobilenet_v1_coco_int8", "mobilenet_v1", SSD)
    assert len(made.left_out) == 20
    assert made.spec is None


def test_a_detector_is_no_classifier(zoo: Path) -> None:
    with pytest.raises(ModelFileError, match=r"is for detection|is not a mobilenet_v1"):
        imported("ssd_mobilenet_v1_coco_int8", "mobilenet_v1", {"alpha": 0.75})
