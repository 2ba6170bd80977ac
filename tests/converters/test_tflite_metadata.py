from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
import tiny_ssd
import tiny_uint8
from edgecv.converters.classifier_softmax import add_softmax
from edgecv.converters.flattables import flatbuffer
from edgecv.converters.ssd_postprocess import add_postprocess
from edgecv.converters.tflite_metadata import add_metadata
from flatbuffers.number_types import Float32Flags, Int8Flags, Uint8Flags
from flatbuffers.table import Table

from edgecv import modelfile
from edgecv.errors import ModelFileError, SpecError
from edgecv.spec import InputSpec, ModelSpec
from edgecv.tflitegraph import OPERATOR, Graph, archived, schema

LABELS = ("a cat", "a dog", "owl\nor so", "", "hen")
CLASSIFIER = ModelSpec(
    name="five",
    task="classification",
    decoder="classifier",
    input=InputSpec(mean=(128,) * 3, std=(128,) * 3),
    labels=LABELS,
    score=0.25,
    license="Apache-2.0",
)


class Read:
    """A table of a FlatBuffer, field by field, by the package's own reader."""

    def __init__(self, data: bytes, at: int) -> None:
        self.table = Table(data, at)

    def _at(self, number: int) -> int:
        return self.table.Offset(4 + 2 * number)

    def text(self, number: int) -> str:
        at = self._at(number)
        return self.table.String(at + self.table.Pos).decode() if at else ""

    def number(self, number: int, kind: Any) -> Any:
        at = self._at(number)
        return self.table.Get(kind, at + self.table.Pos) if at else 0

    def one(self, number: int) -> Read:
        return Read(self.table.Bytes, self.table.Indirect(self._at(number) + self.table.Pos))

    def floats(self, number: int) -> list[float]:
        at = self._at(number)
        if not at:
            return []
        return list(self.table.GetVectorAsNumpy(Float32Flags, at))

    def many(self, number: int) -> list[Read]:
        at = self._at(number)
        if not at:
            return []
        start, count = self.table.Vector(at), self.table.VectorLen(at)
        return [Read(self.table.Bytes, self.table.Indirect(start + 4 * i)) for i in range(count)]


def metadata(data: bytes) -> Read:
    """Return the root of a file's metadata."""
    model = schema.ModelT.InitFromPackedBuf(data, 0)
    (entry,) = (e for e in model.metadata if e.name == b"TFLITE_METADATA")
    content = bytes(model.buffers[entry.buffer].data)
    assert content[4:8] == b"M001"
    return Read(content, flatbuffers.encode.Get(flatbuffers.packer.uoffset, content, 0))


def subgraph(data: bytes) -> Read:
    (graph,) = metadata(data).many(3)
    return graph


def test_a_table_is_what_the_schema_would_read() -> None:
    data = flatbuffer({0: "name", 2: np.float32(0.5), 3: None, 4: [{0: np.int8(3)}, {}]}, b"TEST")
    root = Read(data, flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0))
    assert (data[4:8], root.text(0), root.text(1), root.text(3)) == (b"TEST", "name", "", "")
    assert root.number(2, Float32Flags) == 0.5
    assert [table.number(0, Int8Flags) for table in root.many(4)] == [3, 0]


def test_bytes_within_a_table_begin_at_a_multiple_of_sixteen() -> None:
    for name in ("a", "ab" * 9):
        data = flatbuffer({0: name, 1: b"\x07nested!"}, b"TEST")
        assert data.index(b"\x07nested!") % 16 == 0


def test_the_model_is_described() -> None:
    root = metadata(add_metadata(tiny_uint8.classifier(), CLASSIFIER.with_changes(notes="Good.")))
    assert [root.text(i) for i in (0, 1, 5, 7)] == [
        "five", "A model for classification. Good.", "Apache-2.0", "1.0.0",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("color", "fit", "said", "space"),
    [
        ("rgb", "stretch", "A picture, RGB, stretched to this size.", 1),
        ("rgb", "letterbox", "RGB, fitted into this size, its aspect kept, bars of 9 on both", 1),
        ("bgr", "crop", "A picture, BGR, cut to its centre", 0),
        ("grey", "letterbox_topleft", "bars of 9 right and below.", 2),
    ],
)
def test_the_input_is_a_picture_with_its_normalisation(color, fit, said, space) -> None:
    channels = 1 if color == "grey" else 3
    mean, std = (100.0, 110.0, 120.0)[:channels], (50.0, 60.0, 70.0)[:channels]
    given = InputSpec(color=color, mean=mean, std=std, fit=fit, pad=9)
    made = add_metadata(tiny_ssd.ssd(), tiny_ssd.spec().with_changes(input=given))
    (picture,) = subgraph(made).many(2)
    content = picture.one(3)
    assert (picture.text(0), said in picture.text(1)) == ("image", True)
    assert (content.number(0, Uint8Flags), content.one(1).number(0, Int8Flags)) == (2, space)
    (unit,) = picture.many(4)
    assert unit.number(0, Uint8Flags) == 1
    assert (unit.one(1).floats(0), unit.one(1).floats(1)) == (list(mean), list(std))
    high, low = picture.one(5).floats(0), picture.one(5).floats(1)
    np.testing.assert_allclose(low, [-m / s for m, s in zip(mean, std, strict=True)])
    np.testing.assert_allclose(high, [(255 - m) / s for m, s in zip(mean, std, strict=True)])


def test_bytes_that_go_in_are_bytes() -> None:
    (picture,) = subgraph(add_metadata(tiny_uint8.classifier(), CLASSIFIER)).many(2)
    assert (picture.one(5).floats(1), picture.one(5).floats(0)) == ([0] * 3, [255] * 3)


def test_probabilities_have_labels_and_the_threshold() -> None:
    made = add_metadata(tiny_uint8.classifier(), CLASSIFIER)
    (output,) = subgraph(made).many(3)
    (unit,), (labels,) = output.many(4), output.many(6)
    assert output.text(0) == "score"
    assert (output.one(5).floats(1), output.one(5).floats(0)) == ([0], [1])
    assert (unit.number(0, Uint8Flags), unit.one(1).number(0, Float32Flags)) == (3, 0.25)
    assert (labels.text(0), labels.number(2, Int8Flags)) == ("labels.txt", 2)
    assert archived(made)["labels.txt"] == b"a cat\na dog\nowl or so\n\nhen\n"


def test_logits_are_called_so_and_have_no_threshold() -> None:
    spec = CLASSIFIER.with_changes(options={"softmax": True})
    (output,) = subgraph(add_metadata(tiny_uint8.classifier(), spec)).many(3)
    assert (output.text(0), output.many(4)) == ("logits", [])
    assert len(output.many(6)) == 1


def test_outputs_of_a_detector_are_named_and_grouped_as_phones_look_for_them() -> None:
    data, spec = add_postprocess(tiny_ssd.ssd(), tiny_ssd.spec())
    graph = Graph(data)
    graph.set_outputs(dict(reversed(graph.output_names().items())))  # another order
    made = add_metadata(graph.packed(), spec)
    outputs = subgraph(made).many(3)
    assert [output.text(0) for output in outputs] == [
        "number of detections", "score", "category", "location",
    ]  # fmt: skip
    assert [len(output.many(6)) for output in outputs] == [0, 0, 1, 0]
    (labels,) = outputs[2].many(6)
    assert labels.number(2, Int8Flags) == 3
    (group,) = subgraph(made).many(8)
    assert group.text(0) == "detection_result"
    assert metadata(made).text(7) == "1.2.0"


def test_raw_heads_are_named_by_their_roles() -> None:
    made = add_metadata(tiny_ssd.ssd(), tiny_ssd.spec())
    outputs = subgraph(made).many(3)
    assert [output.text(0) for output in outputs] == ["boxes", "scores"]
    assert outputs[0].text(1) == "What the decoder ssd calls boxes."
    assert subgraph(made).many(8) == []
    assert archived(made) == {}


def test_the_classes_of_pixels_have_labels() -> None:
    spec = CLASSIFIER.with_changes(task="segmentation", decoder="segmentation")
    made = add_metadata(tiny_uint8.classifier(), spec)
    (output,), (custom,) = subgraph(made).many(3), subgraph(made).many(9)
    assert (output.text(0), len(output.many(6))) == ("segmentation_masks", 1)
    assert custom.text(0) == "SEGMENTER_METADATA"
    assert metadata(made).text(7) == "1.5.0"


def test_files_that_were_there_stay_uncompressed(tmp_path: Path) -> None:
    out = io.BytesIO(tiny_uint8.classifier())
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("edgecv.json", "{}" * 50)
        archive.writestr("labels.txt", "others\n")
        archive.writestr("edgecv_card.json", '{"top1": 1}')
    made = add_metadata(out.getvalue(), CLASSIFIER)
    assert archived(made) == {
        "edgecv.json": b"{}" * 50,
        "labels.txt": b"a cat\na dog\nowl or so\n\nhen\n",
        "edgecv_card.json": b'{"top1": 1}',
    }
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
    file = tmp_path / "made.tflite"
    file.write_bytes(made)
    modelfile.check(file)
    assert modelfile.embedded_labels(file) == ("a cat", "a dog", "owl or so", "", "hen")


def test_twice_is_as_good_as_once_and_a_new_spec_replaces_the_old_one() -> None:
    once = add_metadata(tiny_uint8.classifier(), CLASSIFIER)
    assert add_metadata(once, CLASSIFIER) == once
    other = CLASSIFIER.with_changes(name="other", labels=tuple("vwxyz"))
    renamed = add_metadata(once, other)
    assert metadata(renamed).text(0) == "other"
    assert archived(renamed) == {"labels.txt": b"v\nw\nx\ny\nz\n"}
    assert renamed == add_metadata(tiny_uint8.classifier(), other)


def test_other_metadata_stays() -> None:
    graph = Graph(tiny_uint8.classifier())
    graph.set_metadata("min_runtime_version", b"2.1.0")
    model = schema.ModelT.InitFromPackedBuf(add_metadata(graph.packed(), CLASSIFIER), 0)
    found = {bytes(e.name): bytes(model.buffers[e.buffer].data) for e in model.metadata}
    assert found.keys() == {b"min_runtime_version", b"TFLITE_METADATA"}
    assert found[b"min_runtime_version"] == b"2.1.0"


def test_the_file_runs_as_before(tmp_path: Path) -> None:
    source = tiny_ssd.ssd()
    made = add_metadata(source, tiny_ssd.spec())
    (picture,) = tiny_ssd.pictures(1)
    with (
        tiny_ssd.opened(tmp_path / "a.tflite", source, tiny_ssd.spec()) as old,
        tiny_ssd.opened(tmp_path / "b.tflite", made, tiny_ssd.spec()) as new,
    ):
        assert len(old(picture)) > 5
        np.testing.assert_array_equal(new(picture).boxes, old(picture).boxes)


def test_outputs_that_are_not_there_are_told() -> None:
    spec = CLASSIFIER.with_changes(outputs={"scores": "probabilities"})
    with pytest.raises(
        SpecError, match="five: the file has no output probabilities; it has scores"
    ):
        add_metadata(tiny_uint8.classifier(), spec)


def test_a_damaged_file_is_told() -> None:
    with pytest.raises(ModelFileError, match="damaged or cut short"):
        add_metadata(tiny_uint8.classifier()[:500], CLASSIFIER)


def logits(dtype: str) -> bytes:
    """Return the mean colours of a picture and two of their sums as five logits."""
    if dtype == "uint8":
        graph = Graph(tiny_uint8.classifier())
        last = graph.operators.pop()
        graph.set_outputs({"logits": last.inputs[0]})
        return graph.packed()
    net = tiny_uint8.Builder()
    x = net.tensor("x", [1, 8, 8, 3], dtype="float32")
    mean = net.tensor("mean", [1, 3], dtype="float32")
    axes = net.tensor("axes", [2], values=np.array([1, 2]), dtype="int32")
    net.add("MEAN", [x, axes], [mean], kind="ReducerOptions", keepDims=False)
    weights = np.random.default_rng(2).normal(0, 3, (5, 3))
    matrix = net.tensor("matrix", [5, 3], values=weights, dtype="float32")
    out = net.tensor("logits", [1, 5], dtype="float32")
    net.add("FULLY_CONNECTED", [mean, matrix, -1], [out], kind="FullyConnectedOptions")
    return net.packed([x], [out])


SOFT = CLASSIFIER.with_changes(options={"softmax": True, "top": 3}, score=0.0)


@pytest.mark.parametrize(("dtype", "closest"), [("float32", 1e-6), ("uint8", 0.004)])
def test_a_softmax_inside_gives_what_the_decoder_gives(dtype, closest, tmp_path: Path) -> None:
    made, spec = add_softmax(logits(dtype), SOFT)
    assert dict(spec.options) == {"top": 3}
    graph = Graph(made)
    assert graph.code(graph.operators[-1]) == OPERATOR.SOFTMAX
    assert list(graph.output_names()) == list(spec.outputs.values())
    with (
        tiny_ssd.opened(tmp_path / "a.tflite", logits(dtype), SOFT) as old,
        tiny_ssd.opened(tmp_path / "b.tflite", made, spec) as new,
    ):
        for picture in tiny_ssd.pictures(4, 8):
            was, now = old(picture), new(picture)
            assert was.class_ids[0] == now.class_ids[0]
            np.testing.assert_allclose(now.scores, was.scores, atol=closest)
    outputs = subgraph(add_metadata(made, spec)).many(3)
    assert [output.text(0) for output in outputs] == ["score"]


def test_probabilities_get_no_second_softmax() -> None:
    data = tiny_uint8.classifier()
    assert add_softmax(data, CLASSIFIER) == (data, CLASSIFIER)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decoder": "ssd"}, "five: wanted a classifier to put a softmax behind, got the decoder"),
        ({"outputs": {"scores": "y"}}, "five: the file has no output y; it has logits: name it"),
        ({"labels": ("a", "b")}, r"five: wanted scores of 2 classes, the output is \[1, 5\]"),
    ],
    ids=["decoder", "outputs", "labels"],
)
def test_a_softmax_that_fits_nothing_is_refused_with_the_reason(changes, message) -> None:
    with pytest.raises(SpecError, match=message):
        add_softmax(logits("float32"), SOFT.with_changes(**changes))
