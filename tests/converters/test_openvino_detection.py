"""The decoding of an SSD inside its IR."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tiny_keras
from edgecv.converters.agreement import answers, compare

import edgecv
from edgecv import modelfile
from edgecv.errors import SpecError

pytest.importorskip("openvino")
# Keras 3.15 makes numpy arrays of TensorFlow's variables in a way that numpy 2.4 warns of.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture
def raw(converted, tmp_path) -> Path:
    whole = converted("detector", "openvino")
    for suffix in (".xml", ".bin"):
        shutil.copy(whole.with_suffix(suffix), tmp_path / f"raw{suffix}")
    return tmp_path / "raw.xml"


def test_the_file_finds_what_the_decoder_finds(raw, converted, photos) -> None:
    from edgecv.converters.openvino_detection import add_detection_output

    spec = add_detection_output(raw, modelfile.embedded_spec(raw))
    assert (spec.decoder, dict(spec.options)) == ("detection_output", {"background": True})
    # an anchor of two classes may give two boxes: from one half on a class is the only one
    least = 0.5
    with edgecv.load(converted("detector", "openvino"), device="cpu", score=least) as model:
        was = answers(model, photos)
    with edgecv.load(raw, device="cpu", spec=spec.with_changes(score=least)) as model:
        assert [tensor.name for tensor in model.session.outputs] == ["detections"]
        agreement = compare(was, answers(model, photos))
    assert agreement.things >= 3
    assert agreement.results["IoU >= 0.95"] == 1.0


def without_class_wise(spec):
    return spec.with_changes(options={**spec.options, "class_wise": False})


def other_anchors(spec):
    return spec.with_changes(options={**spec.options, "anchors": {"layers": 3}})


WRONG = {
    "another decoder": (lambda s: tiny_keras.classifier()[1], "wanted the raw heads of an SSD"),
    "one suppression": (without_class_wise, "class by class only"),
    "other anchors": (other_anchors, r"the file has \d+ boxes, but its input wants \d+"),
    "another output": (lambda s: s.with_changes(outputs={"boxes": "x"}), "has no output x"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_spec_that_does_not_fit_is_refused(change, message, raw) -> None:
    from edgecv.converters.openvino_detection import add_detection_output

    before = raw.read_bytes()
    with pytest.raises(SpecError, match=message):
        add_detection_output(raw, change(modelfile.embedded_spec(raw)))
    assert raw.read_bytes() == before
