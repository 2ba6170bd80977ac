import math

import numpy as np
import pytest

from edgecv.boxes import cxcywh_to_xyxy, iou, ssd_anchors
from edgecv.decoders import ssd_postprocess
from edgecv.decoders.ssd import decode
from edgecv.errors import SpecError
from edgecv.image import Placement, Plan, read_image
from edgecv.results import Faces
from edgecv.spec import InputSpec, ModelSpec
from edgecv.types import Size, TensorSpec

SIZE = Size(300, 300)
PLACEMENT = Placement(1.0, 1.0, 0.0, 0.0, SIZE, SIZE)
SPEC = ModelSpec(name="m", task="detection", decoder="ssd", score=0.5)
ANCHORS = ssd_anchors(SIZE)
ROW = 19 * 19 * 3 + 5  # the squarish anchor of the second map's first cell


def outputs_of(**cells):
    """Nothing anywhere, but in the rows that are given: {row: (class, logit, offset)}."""
    offsets = np.zeros((1, len(ANCHORS), 4), np.float32)
    logits = np.full((1, len(ANCHORS), 4), -9, np.float32)
    for name, (class_id, value, offset) in cells.items():
        row = int(name.removeprefix("row"))
        logits[0, row, class_id], offsets[0, row] = value, offset
    return {"boxes": offsets, "scores": logits}


def at(row, class_id=1, value=2.0, offset=(0, 0, 0, 0)):
    return {f"row{row}": (class_id, value, offset)}


def test_an_anchor_without_offsets_is_the_box():
    result = decode(outputs_of(**at(ROW, class_id=2)), SPEC, PLACEMENT)
    wanted = cxcywh_to_xyxy(ANCHORS[[ROW]] * 300).clip(0)
    np.testing.assert_allclose(result.boxes, wanted, rtol=1e-5)
    assert result.class_ids.tolist() == [1]
    assert result.scores[0] == pytest.approx(1 / (1 + math.exp(-2)))


@pytest.mark.parametrize(
    ("order", "offset"),
    [("yxhw", (1, 2, 0, 5 * math.log(1.5))), ("xywh", (2, 1, 5 * math.log(1.5), 0))],
)
def test_offsets_come_in_either_order(order, offset):
    middle = 19 * 19 * 3 + 6 * (5 * 10 + 5) + 5
    x, y, w, h = (ANCHORS[middle] * 300).tolist()
    result = decode(outputs_of(**at(middle, offset=offset)), SPEC, PLACEMENT, order=order)
    wanted = cxcywh_to_xyxy(np.array([(x + 0.2 * w, y + 0.1 * h, 1.5 * w, h)], np.float32))
    np.testing.assert_allclose(result.boxes, wanted, rtol=1e-4)


@pytest.mark.parametrize(("background", "name"), [(True, "0"), (False, "1")])
def test_class_zero_may_be_the_background(background, name):
    outputs = outputs_of(**at(ROW, class_id=1))
    assert decode(outputs, SPEC, PLACEMENT, background=background).names == [name]
    outputs = outputs_of(**at(ROW, class_id=0))
    assert len(decode(outputs, SPEC, PLACEMENT, background=background)) == (not background)


@pytest.mark.parametrize(("class_wise", "wanted"), [(True, 2), (False, 1)])
def test_boxes_of_two_classes_suppress_each_other_only_when_told(class_wise, wanted):
    onto = (0, 0, 5 * math.log(ANCHORS[ROW, 3] / ANCHORS[ROW - 5, 3]), 5 * math.log(
        ANCHORS[ROW, 2] / ANCHORS[ROW - 5, 2]
    ))  # fmt: skip
    outputs = outputs_of(**at(ROW, 1, 2.0), **at(ROW - 5, 2, 1.0, onto))
    assert len(decode(outputs, SPEC, PLACEMENT, class_wise=class_wise)) == wanted
    outputs = outputs_of(**at(ROW, 1, 2.0), **at(ROW - 5, 1, 1.0, onto))
    assert len(decode(outputs, SPEC, PLACEMENT, class_wise=class_wise)) == 1


def softmax(logits):
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


PROBABILITIES = {
    "sigmoid": lambda logits: 1 / (1 + np.exp(-logits)),
    "softmax": softmax,
    "none": lambda logits: logits,
}


@pytest.mark.parametrize("activation", PROBABILITIES)
@pytest.mark.parametrize("background", [True, False])
@pytest.mark.parametrize("score", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_thresholds_before_the_activation_choose_what_thresholds_after_it_would(
    activation, background, score
):
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, (len(ANCHORS), 5)).astype(np.float32)
    if activation == "none":
        logits = np.clip(logits / 9 + 0.3, 0, 1)
    probabilities = PROBABILITIES[activation](logits.astype(np.float64))[:, int(background) :]
    best = probabilities.max(axis=1)
    outputs = {"boxes": np.zeros((1, len(ANCHORS), 4), np.float32), "scores": logits[None]}
    result = decode(
        outputs, SPEC.with_changes(score=score), PLACEMENT,
        activation=activation, background=background, overlap=1.0, limit=0,
    )  # fmt: skip
    wanted = np.sort(best[best >= score])[::-1]
    np.testing.assert_allclose(result.scores, wanted, rtol=1e-5)
    counts = np.bincount(probabilities.argmax(axis=1)[best >= score], minlength=5)
    np.testing.assert_array_equal(np.bincount(result.class_ids, minlength=5), counts)


def test_the_limit_keeps_the_best():
    outputs = outputs_of(**at(0, value=1.0), **at(900, value=3.0), **at(ROW, value=2.0))
    result = decode(outputs, SPEC, PLACEMENT, limit=2)
    np.testing.assert_allclose(result.scores, 1 / (1 + np.exp([-3.0, -2.0])), rtol=1e-6)


@pytest.mark.parametrize("name", ["boxes", "scores"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("activation", PROBABILITIES)
def test_numbers_that_are_none_hide_only_their_own_anchor(name, bad, activation):
    value = 0.9 if activation == "none" else 9.0
    outputs = outputs_of(**at(0, value=value), **at(900, value=value))
    outputs[name][0, 0] = bad
    result = decode(outputs, SPEC, PLACEMENT, activation=activation)
    assert np.isfinite(result.boxes).all()
    assert iou(result.boxes, cxcywh_to_xyxy(ANCHORS[[900]] * 300)).max() == pytest.approx(
        1, abs=1e-4
    )


def test_nothing_found_is_an_empty_result():
    assert len(decode(outputs_of(), SPEC, PLACEMENT)) == 0


def test_a_face_detector_gives_faces():
    spec = SPEC.with_changes(task="face_detection")
    assert isinstance(decode(outputs_of(**at(ROW)), spec, PLACEMENT), Faces)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": "hwyx"}, "order is one of yxhw, xywh"),
        ({"activation": "relu"}, "activation one of sigmoid, softmax, none, got 'yxhw' and 'relu'"),
        ({"anchors": {"layers": 5}}, "1917 rows, but an input of 300x300 wants 1911"),
        ({"anchors": {"strides": (8, 16)}}, "option anchors: wanted two layers or more"),
        ({"anchors": {"scale": 1}}, "option anchors: .*scale"),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(SpecError, match=message):
        decode(outputs_of(), SPEC, PLACEMENT, **options)


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.parametrize(
    ("activation", "scores"), [("none", "convert_scores"), ("sigmoid", "concat_1")]
)
def test_raw_heads_give_what_the_operation_inside_the_file_gives(zoo, data, activation, scores):
    """The file's own anchors are rounded to bytes, which moves a side by a pixel or two."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(
        str(zoo / "ssd_mobilenet_v1_coco_int8.tflite"),
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    tensors = {tensor["name"]: tensor for tensor in interpreter.get_tensor_details()}
    roles = [d["name"] for d in interpreter.get_output_details()]

    def real(name):
        scale, zero_point = tensors[name]["quantization"]
        values = interpreter.get_tensor(tensors[name]["index"]).astype(np.float32)
        return (values - zero_point) * scale if scale else values

    plan = Plan(InputSpec(), TensorSpec("x", (1, 300, 300, 3), np.dtype(np.uint8)))
    spec = SPEC.with_changes(score=0.4)
    found, large, sure = [], [], []
    for file in sorted((data / "coco_eval" / "images").iterdir())[:10]:
        tensor, placement = plan(read_image(file))
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], tensor)
        interpreter.invoke()
        named = dict(zip(("boxes", "classes", "scores", "count"), map(real, roles), strict=True))
        inside = ssd_postprocess.decode(named, spec, placement)
        ours = decode(
            {"boxes": real("Squeeze"), "scores": real(scores)}, spec, placement,
            activation=activation, class_wise=False, limit=10,
        )  # fmt: skip
        assert len(ours)
        overlaps = iou(inside.boxes, ours.boxes)
        match = overlaps.argmax(axis=1)
        pixels = np.abs(ours.boxes[match] - inside.boxes) / (
            [placement.scale_x, placement.scale_y] * 2
        )
        same = (pixels.max(axis=1) < 2.5) & (ours.class_ids[match] == inside.class_ids)
        sides = (inside.boxes[:, 2:] - inside.boxes[:, :2]) / (placement.scale_x, placement.scale_y)
        found += same.tolist()
        large += overlaps.max(axis=1)[same & (sides.min(axis=1) > 80)].tolist()
        sure += np.abs(ours.scores[match] - inside.scores)[same].tolist()
    assert np.mean(found) > 0.95
    assert len(large) > 10
    assert min(large) > 0.95
    assert max(sure) < 0.004  # a step of the file's scores is 1/256
