from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tiny_ssd
from edgecv.converters.ssd_postprocess import add_postprocess
from flatbuffers import flexbuffers
from tiny_ssd import opened, pictures, same

import edgecv
from edgecv import zoo as models
from edgecv.errors import ModelFileError, SpecError, UnknownNameError
from edgecv.rewritten import SWITCH
from edgecv.tflitegraph import TYPE, Graph, archived

LIMIT = tiny_ssd.ROWS // 8
KINDS = {"softmax": True, "sigmoid": False, "none": True}  # each with a background or without


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize(("activation", "background"), KINDS.items(), ids=KINDS)
def test_the_file_finds_what_the_decoder_finds(activation, background, dtype, tmp_path) -> None:
    source = tiny_ssd.ssd(dtype, background=background, activation=activation)
    spec = tiny_ssd.spec(
        background=background, activation=activation, class_wise=False, limit=LIMIT
    )
    made, new_spec = add_postprocess(source, spec)
    closest = 1e-4 if dtype == "float32" else 0.006  # one step of 1/256 and a half
    found = missed = 0
    with (
        opened(tmp_path / "raw.tflite", source, spec) as raw,
        opened(
            tmp_path / "made.tflite", made, new_spec.with_changes(score=0.4 - closest)
        ) as inside,
    ):
        for picture in pictures(12):
            was, now = raw(picture), inside(picture)
            pairs = same(was, now)
            found, missed = found + len(was), missed + int((pairs < 0).sum())
            np.testing.assert_allclose(
                now.scores[pairs[pairs >= 0]], was.scores[pairs >= 0], atol=closest
            )
            assert dtype != "float32" or len(now) >= len(was)
    assert found > 60
    assert missed <= (0 if dtype == "float32" else found * 0.05)


def test_boxes_of_other_classes_are_suppressed_too(tmp_path: Path) -> None:
    """With its default class_wise the decoder finds more, and nearly all that the file finds."""
    source, spec = tiny_ssd.ssd(), tiny_ssd.spec()
    with (
        opened(tmp_path / "raw.tflite", source, spec) as raw,
        opened(tmp_path / "made.tflite", *add_postprocess(source, spec)) as inside,
    ):
        found = [(raw(picture), inside(picture)) for picture in pictures(12)]
    assert sum(int((same(was[:LIMIT], now) < 0).sum()) for was, now in found) > 1
    assert sum(int((same(now, was) < 0).sum()) for was, now in found) <= 3


def operator(data: bytes):
    graph = Graph(data)
    last = graph.operators[-1]
    return graph, last, flexbuffers.Loads(bytes(last.customOptions))


def test_the_operator_has_the_options_of_the_spec_and_a_name_that_runtimes_know() -> None:
    spec = tiny_ssd.spec(variances=(0.2, 0.25), overlap=0.45, limit=7)
    made, new_spec = add_postprocess(tiny_ssd.ssd(), spec)
    graph, last, options = operator(made)
    assert graph.name(last) == "TFLite_Detection_PostProcess"
    assert options == {
        "max_detections": 7, "max_classes_per_detection": 1, "detections_per_class": 7,
        "use_regular_nms": False, "nms_score_threshold": 0,
        "nms_iou_threshold": pytest.approx(0.45), "num_classes": 3,
        "y_scale": 5, "x_scale": 5, "h_scale": 4, "w_scale": 4,
    }  # fmt: skip
    assert [list(graph.tensors[i].shape) for i in graph.outputs] == [[1, 7, 4], [1, 7], [1, 7], [1]]
    assert list(graph.output_names()) == list(new_spec.outputs.values())


def test_anchors_are_a_constant_of_y_x_height_width() -> None:
    graph, last, _ = operator(add_postprocess(tiny_ssd.ssd(), tiny_ssd.spec())[0])
    anchors = graph.values(last.inputs[2])
    assert (anchors.shape, anchors.dtype) == ((tiny_ssd.ROWS, 4), np.float32)
    np.testing.assert_allclose(anchors[1], [1 / 8, 1 / 8, 0.3 / 2**0.5, 0.3 * 2**0.5], atol=1e-6)


def test_integers_are_scored_as_integers_and_only_then_made_floats() -> None:
    graph, last, _ = operator(add_postprocess(tiny_ssd.ssd("int8"), tiny_ssd.spec())[0])
    assert [graph.name(o) for o in graph.operators[-4:-1]] == [
        "DEQUANTIZE",
        "SOFTMAX",
        "DEQUANTIZE",
    ]
    (scored,) = graph.operators[-3].outputs
    assert graph.tensors[scored].type == TYPE.INT8
    assert {graph.tensors[i].type for i in (*last.inputs, *last.outputs)} == {TYPE.FLOAT32}


def test_the_new_spec_says_how_the_file_is_read() -> None:
    old = tiny_ssd.spec()
    _, spec = add_postprocess(tiny_ssd.ssd(), old)
    name = "TFLite_Detection_PostProcess"
    assert spec == old.with_changes(
        decoder="ssd_postprocess",
        outputs={
            "boxes": name, "classes": f"{name}:1", "scores": f"{name}:2", "count": f"{name}:3",
        },
        options={},
    )  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_as_many_as_may_be_come_out_of_every_picture(dtype, tmp_path: Path) -> None:
    made, spec = add_postprocess(tiny_ssd.ssd(dtype), tiny_ssd.spec())
    black = np.zeros((tiny_ssd.SIDE, tiny_ssd.SIDE, 3), np.uint8)
    with opened(tmp_path / "made.tflite", made, spec) as model:
        for picture in (black, black + 255, *pictures(4)):
            outputs = model.infer(model.preprocess(picture)[0])
            assert outputs["count"] == outputs["scores"].shape[1] == LIMIT


def test_associated_files_are_kept() -> None:
    out = io.BytesIO(tiny_ssd.ssd())
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\nowl\n")
    made, _ = add_postprocess(out.getvalue(), tiny_ssd.spec())
    assert archived(made) == {"labels.txt": b"cat\ndog\nowl\n"}


def of_type(dtype: str) -> bytes:
    graph = Graph(tiny_ssd.ssd())
    graph.tensors[graph.outputs[1]].type = getattr(TYPE, dtype)
    return graph.packed()


def swapped() -> bytes:
    graph = Graph(tiny_ssd.ssd(background=False))
    boxes, scores = graph.outputs
    graph.tensors[boxes].name, graph.tensors[scores].name = b"scores", b"boxes"
    return graph.packed()


SPEC = tiny_ssd.spec()
BAD = {
    "decoder": (
        tiny_ssd.ssd, SPEC.with_changes(decoder="yolox"), SpecError,
        r"tiny: wanted the raw heads of an SSD \(decoder 'ssd'\).* got the decoder 'yolox'",
    ),
    "done already": (
        lambda: add_postprocess(tiny_ssd.ssd(), SPEC)[0],
        SPEC.with_changes(decoder="ssd_postprocess"), SpecError, "got the decoder 'ssd_postproc",
    ),
    "order": (tiny_ssd.ssd, tiny_ssd.spec(order="xywh"), SpecError, "in the order 'yxhw'"),
    "activation": (tiny_ssd.ssd, tiny_ssd.spec(activation="tanh"), SpecError, "'yxhw' and 'tanh'"),
    "option": (tiny_ssd.ssd, tiny_ssd.spec(overlaps=1), UnknownNameError, "did you mean 'overlap'"),
    "anchors": (
        tiny_ssd.ssd, tiny_ssd.spec(anchors={"layers": 3}), SpecError,
        "the file has 72 boxes, but an input of 64x64 wants 78 by the spec: correct its option",
    ),
    "no anchors": (
        tiny_ssd.ssd, tiny_ssd.spec(anchors={"layers": 1}), SpecError, "option anchors: wanted two",
    ),
    "labels": (tiny_ssd.ssd, SPEC.with_changes(labels=("a", "b")), SpecError, "scores 3 classes"),
    "background": (tiny_ssd.ssd, tiny_ssd.spec(background=False), SpecError, "scores 4 classes"),
    "outputs": (
        tiny_ssd.ssd, SPEC.with_changes(outputs={"boxes": "locations"}), SpecError,
        "tiny: the file has no output locations; it has boxes, scores: name them",
    ),
    "shapes": (swapped, tiny_ssd.spec(background=False), SpecError, r"wanted boxes \(1, N, 4\)"),
    "type": (lambda: of_type("INT32"), SPEC, ModelFileError, "scores is neither float32 nor"),
    "no scale": (lambda: of_type("INT8"), SPEC, ModelFileError, "scores is neither float32 nor"),
    "no model": (lambda: b"PK\3\4" * 9, SPEC, ModelFileError, "not a TFLite model: bytes 4 to 8"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "spec", "error", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_done_is_refused_with_the_reason(make, spec, error, message) -> None:
    with pytest.raises(error, match=message):
        add_postprocess(make(), spec)


def beheaded(data: bytes) -> bytes:
    """Return the public detector without its two last operators, a sigmoid and its own decoding."""
    graph = Graph(data)
    sigmoid, decoding = graph.operators[-2:]
    graph.operators = graph.operators[:-2]
    graph.set_outputs({"boxes": decoding.inputs[0], "scores": sigmoid.inputs[0]})
    return graph.packed()


@pytest.mark.zoo
@pytest.mark.data
def test_the_public_detector_gets_back_what_was_cut_off(
    zoo: Path, data: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv(SWITCH, "0")  # neither of the two is rewritten to int8
    name = "ssd_mobilenet_v1_coco_int8"
    shipped = (zoo / f"{name}.tflite").read_bytes()
    raw = models.spec(name).with_changes(
        decoder="ssd",
        outputs={"boxes": "Squeeze", "scores": "concat_1"},
        options={"activation": "sigmoid", "background": True, "limit": 10},
    )
    made, spec = add_postprocess(beheaded(shipped), raw)
    found = kept = 0
    with (
        opened(tmp_path / "old.tflite", shipped, models.spec(name)) as old,
        opened(tmp_path / "new.tflite", made, spec.with_changes(score=0.4)) as new,
    ):
        for file in sorted((data / "coco_eval" / "images").iterdir())[:10]:
            image = edgecv.read_image(file)
            was, now = old(image), new(image)
            # its anchors are in steps of 1/155 of the picture, and ours exact
            pairs = same(was, now, overlap=0.75)
            found, kept = found + len(was), kept + int((pairs >= 0).sum())
            np.testing.assert_allclose(
                now.scores[pairs[pairs >= 0]], was.scores[pairs >= 0], atol=0.01
            )
    assert found >= 20
    assert kept / found > 0.9
