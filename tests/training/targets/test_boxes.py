import numpy as np
import pytest

from edgecv.boxes import cxcywh_to_xyxy, iou, ssd_anchors, ssd_to_xyxy
from edgecv.decoders.ssd import decode
from edgecv.image import Placement
from edgecv.spec import ModelSpec
from edgecv.training.data.samples import Sample
from edgecv.training.targets.boxes import (
    IGNORED,
    encode_boxes,
    encode_points,
    match_anchors,
    ssd_encoder,
    xyxy_to_ssd,
)
from edgecv.types import Size

SIZE = Size(128, 160)
OPTIONS = {"layers": 4, "scale_min": 0.15}
SPEC = ModelSpec(
    name="m", task="detection", decoder="ssd", score=0.5, labels=("person", "cat"),
    options={"anchors": OPTIONS},
)  # fmt: skip
# Three anchors of a tenth, two fifths and a fifth of the picture, cxcywh.
ANCHORS = np.array([(0.5, 0.5, 0.1, 0.1), (0.5, 0.5, 0.4, 0.4), (0.2, 0.2, 0.2, 0.2)], np.float32)


def boxes_of(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("boxes", "wanted"),
    [
        ((), (-1, -1, -1)),
        (((0.3, 0.3, 0.7, 0.7),), (-1, 0, -1)),
        # too small for any anchor: the best one takes it all the same
        (((0.48, 0.48, 0.52, 0.52),), (0, -1, -1)),
        # two boxes that want the same anchor: the better fit has it, the other the next best
        (((0.3, 0.3, 0.7, 0.7), (0.32, 0.32, 0.68, 0.68)), (1, 0, -1)),
        # nothing overlaps
        (((0.8, 0.8, 0.9, 0.9),), (-1, -1, -1)),
    ],
    ids=["no box", "equal", "small", "rivals", "apart"],
)
def test_every_box_has_its_best_anchor(boxes, wanted):
    assert match_anchors(boxes_of(*boxes), ANCHORS).tolist() == list(wanted)


def test_anchors_that_overlap_enough_share_a_box():
    anchors = np.array([(0.5, 0.5, 0.4, 0.4), (0.5, 0.5, 0.4, 0.3)], np.float32)
    box = boxes_of((0.3, 0.3, 0.7, 0.7))  # IoU 1 and 0.75
    assert match_anchors(box, anchors).tolist() == [0, 0]
    assert match_anchors(box, anchors, overlap=0.8).tolist() == [0, -1]


def test_offsets_of_a_worked_example():
    # moved right by 0.2 of the anchor's width, twice as high
    anchor = np.array([(0.5, 0.5, 0.2, 0.2)], np.float32)
    box = boxes_of((0.44, 0.3, 0.64, 0.7))
    wanted = [(0.2 / 0.1, 0.0, 0.0, np.log(2) / 0.2)]
    np.testing.assert_allclose(xyxy_to_ssd(box, anchor), wanted, atol=1e-5)


def test_offsets_lead_back_to_the_boxes():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 0.6, (200, 2))
    boxes = np.concatenate((low, low + rng.uniform(0.02, 0.4, (200, 2))), 1).astype(np.float32)
    anchors = ssd_anchors(SIZE, **OPTIONS)[rng.integers(0, 100, 200)]
    back = ssd_to_xyxy(xyxy_to_ssd(boxes, anchors), anchors)
    np.testing.assert_allclose(back, boxes, atol=1e-5)


def test_a_box_of_no_class_is_ignored_where_anchors_lie_on_it():
    offsets, labels, owners = encode_boxes(
        boxes_of((0.3, 0.3, 0.7, 0.7), (0.1, 0.1, 0.3, 0.3)), np.array([-1, 0]), ANCHORS
    )
    assert labels.tolist() == [0, IGNORED, 1]
    assert owners.tolist() == [-1, -1, 1]
    assert not offsets[:2].any()


@pytest.mark.parametrize("order", ["yxhw", "xywh"])
def test_targets_go_back_through_the_decoder(order):
    """What a perfect network would say is read as the boxes that were labelled."""
    options = {"anchors": OPTIONS, "order": order, "background": True, "activation": "softmax"}
    spec = SPEC.with_changes(options=options)
    boxes = boxes_of((10, 20, 60, 110), (90, 30, 120, 70), (80, 60, 150, 120))
    sample = Sample(np.zeros((*SIZE, 3), np.uint8), boxes=boxes, classes=np.array([0, 1, 0]))
    targets = ssd_encoder(spec, SIZE)([sample, sample])
    assert targets["boxes"].shape == (2, *targets["classes"].shape[1:], 4)
    assert (targets["boxes"].dtype, targets["classes"].dtype) == (np.float32, np.int32)
    scores = np.eye(3, dtype=np.float32)[targets["classes"][:1]] * 20
    placement = Placement(2.0, 3.0, 5.0, 7.0, Size(1000, 1000), SIZE)
    found = decode({"boxes": targets["boxes"][:1], "scores": scores}, spec, placement, **options)
    order_found = np.argsort(found.boxes[:, 0])
    wanted = placement.boxes_to_frame(boxes)
    by_left = np.argsort(wanted[:, 0])
    np.testing.assert_allclose(found.boxes[order_found], wanted[by_left], atol=0.02)
    assert [found.names[i] for i in order_found] == ["person", "person", "cat"]


def test_a_box_without_a_pixel_counts_for_nothing():
    sample = Sample(
        np.zeros((*SIZE, 3), np.uint8), boxes=boxes_of((5, 5, 5.5, 90)), classes=np.array([0])
    )
    assert ssd_encoder(SPEC, SIZE)([sample])["classes"].max() == 0


def test_a_picture_of_another_size_is_refused():
    with pytest.raises(ValueError, match="wanted a picture of 160x128 pixels, got 128x160"):
        ssd_encoder(SPEC, SIZE)([Sample(np.zeros((160, 128, 3), np.uint8))])


def test_every_real_box_has_an_anchor():
    anchors = ssd_anchors(SIZE, **OPTIONS)
    rng = np.random.default_rng(1)
    for count in (1, 5, 30):
        low = rng.uniform(0, 0.9, (count, 2))
        high = np.minimum(low + rng.uniform(0.02, 0.8, (count, 2)), 1)
        boxes = np.concatenate((low, high), 1).astype(np.float32)
        matched = match_anchors(boxes, anchors)
        assert set(range(count)) <= set(matched.tolist())
        assert cxcywh_to_xyxy(anchors).shape == (len(matched), 4)


FACES = SPEC.with_changes(
    task="face_detection", labels=(), keypoints=("left_eye", "right_eye", "nose")
)


def face(known):
    points = np.zeros((1, 3, 3), np.float32)
    points[0, :, :2] = (60, 50), (80, 52), (70, 64)
    points[0, :, 2] = known
    boxes = np.array([(50, 40, 90, 88)], np.float32)
    image = np.zeros((*SIZE, 3), np.uint8)
    return Sample(image, boxes=boxes, classes=np.array([0]), keypoints=points)


def test_landmarks_survive_the_way_to_offsets_and_back():
    sample = face(known=(2, 2, 2))
    targets = ssd_encoder(FACES, SIZE)([sample])
    scores = np.where(targets["classes"][..., None] > 0, [-9.0, 9.0], [9.0, -9.0])
    outputs = {
        "boxes": targets["boxes"],
        "scores": scores.astype(np.float32),
        "landmarks": targets["landmarks"],
    }
    placement = Placement(1.0, 1.0, 0.0, 0.0, SIZE, SIZE)
    found = decode(outputs, FACES, placement, anchors=OPTIONS, activation="softmax")
    np.testing.assert_allclose(found.boxes, sample.boxes, atol=1e-3)
    np.testing.assert_allclose(found.landmarks, sample.keypoints[..., :2], atol=1e-3)
    assert found.points == FACES.keypoints


def test_landmarks_that_nobody_marked_count_for_nothing():
    targets = ssd_encoder(FACES, SIZE)([face(known=(2, 0, 2)), face(known=(0, 0, 0))])
    taken = targets["classes"] > 0
    assert taken.any(axis=1).all()
    assert targets["known"].shape == targets["landmarks"].shape == (*taken.shape, 6)
    np.testing.assert_array_equal(
        targets["known"][0][taken[0]], np.tile((1, 1, 0, 0, 1, 1), (taken[0].sum(), 1))
    )
    assert not targets["known"][1].any()
    assert not targets["known"][~taken].any()
    assert not targets["landmarks"][targets["known"] == 0].any()


def test_an_anchor_learns_the_landmarks_of_the_box_that_it_answers_for():
    """Two faces want one anchor: the other, which overlaps the same face more, has the second."""
    anchors = np.array([(0.5, 0.5, 0.4, 0.4), (0.5, 0.5, 0.4, 0.36)], np.float32)
    boxes = boxes_of((0.34, 0.34, 0.66, 0.66), (0.3, 0.3, 0.7, 0.7))
    points = np.zeros((2, 1, 3), np.float32)
    points[:, 0] = (10, 50, 2), (90, 50, 2)
    sample = Sample(
        np.zeros((100, 100, 3), np.uint8), boxes=boxes * 100, classes=np.zeros(2, np.int64),
        keypoints=points,
    )  # fmt: skip
    _, _, owners = encode_boxes(boxes, sample.classes, anchors)
    assert owners.tolist() == [1, 0]
    assert iou(cxcywh_to_xyxy(anchors), boxes).argmax(axis=1).tolist() == [1, 1]
    offsets, known = encode_points(sample, owners, anchors, 0.1)
    x = offsets[:, 0] * 0.1 * anchors[:, 2] + anchors[:, 0]
    np.testing.assert_allclose(x, [0.9, 0.1], atol=1e-5)
    assert known.all()


def test_a_spec_without_keypoints_has_no_landmarks():
    assert ssd_encoder(SPEC, SIZE)([face(known=(2, 2, 2))]).keys() == {"boxes", "classes"}
