import numpy as np
import pytest

from edgecv.boxes import (
    area,
    cxcywh_to_xyxy,
    grid_anchors,
    grid_centres,
    growth,
    iou,
    nms,
    nms_weights,
    ssd_anchors,
    ssd_to_xyxy,
    xywh_to_xyxy,
    xyxy_to_xywh,
)
from edgecv.types import Size


def boxes_of(*rows):
    return np.array(rows, np.float32).reshape(-1, 4)


def random_boxes(count, classes=4):
    rng = np.random.default_rng(count)
    low = rng.uniform(0, 80, (count, 2))
    boxes = np.concatenate((low, low + rng.uniform(5, 40, (count, 2))), 1).astype(np.float32)
    scores = rng.permutation(np.linspace(0.01, 0.99, count)).astype(np.float32)
    return boxes, scores, rng.integers(0, classes, count)


def slow_nms(boxes, scores, overlap, class_ids):
    """The definition: go by falling score, keep what overlaps nothing kept before."""
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        rivals = [k for k in kept if class_ids[k] == class_ids[i]]
        if not rivals or iou(boxes[i : i + 1], boxes[rivals]).max() <= overlap:
            kept.append(i)
    return kept


def test_conversions_undo_each_other():
    boxes = boxes_of((2, 4, 10, 8), (0, 0, 1, 3))
    np.testing.assert_allclose(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes)
    np.testing.assert_allclose(xyxy_to_xywh(boxes)[0], (2, 4, 8, 4))
    np.testing.assert_allclose(cxcywh_to_xyxy(boxes_of((6, 6, 8, 4))), boxes_of((2, 4, 10, 8)))


@pytest.mark.parametrize(
    ("a", "b", "wanted"),
    [
        pytest.param((0, 0, 2, 2), (0, 0, 2, 2), 1, id="same"),
        pytest.param((0, 0, 2, 2), (1, 0, 3, 2), 1 / 3, id="half"),
        pytest.param((0, 0, 4, 4), (1, 1, 3, 3), 1 / 4, id="inside"),
        pytest.param((0, 0, 2, 2), (2, 0, 4, 2), 0, id="touching"),
        pytest.param((0, 0, 2, 2), (5, 5, 6, 6), 0, id="apart"),
        pytest.param((1, 1, 1, 1), (1, 1, 1, 1), 0, id="both-empty"),
        pytest.param((2, 2, 0, 0), (0, 0, 2, 2), 0, id="inside-out"),
    ],
)
def test_iou_is_shared_area_over_joint_area(a, b, wanted):
    assert iou(boxes_of(a), boxes_of(b))[0, 0] == pytest.approx(wanted)
    assert iou(boxes_of(b), boxes_of(a))[0, 0] == pytest.approx(wanted)


def test_iou_of_no_boxes_has_no_rows():
    assert iou(boxes_of(), boxes_of((0, 0, 1, 1))).shape == (0, 1)


def test_area_of_an_inside_out_box_is_zero():
    np.testing.assert_array_equal(area(boxes_of((0, 0, 2, 3), (2, 3, 0, 0))), (6, 0))


@pytest.mark.parametrize("count", [1, 2, 30, 300])
@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.7, 1.0])
@pytest.mark.parametrize("class_wise", [False, True])
def test_nms_keeps_what_the_definition_keeps(count, overlap, class_wise):
    boxes, scores, ids = random_boxes(count)
    given = ids if class_wise else None
    wanted = slow_nms(boxes, scores, overlap, ids if class_wise else np.zeros(count))
    np.testing.assert_array_equal(nms(boxes, scores, overlap=overlap, class_ids=given), wanted)


def test_nms_of_nothing_is_nothing():
    assert nms(boxes_of(), np.zeros(0, np.float32), overlap=0.5).shape == (0,)


def test_nms_keeps_the_limit_of_best_boxes():
    boxes = boxes_of(*((i * 10, 0, i * 10 + 5, 5) for i in range(4)))
    scores = np.array([0.1, 0.4, 0.3, 0.2], np.float32)
    np.testing.assert_array_equal(nms(boxes, scores, overlap=0.5, limit=2), (1, 2))


def test_nms_takes_scores_of_zero_and_below():
    boxes = boxes_of((0, 0, 5, 5), (10, 0, 15, 5))
    np.testing.assert_array_equal(
        nms(boxes, np.array([-3.0, 0.0], np.float32), overlap=0.5), (1, 0)
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nms_leaves_out_boxes_that_are_not_finite_and_keeps_the_others(bad):
    boxes = boxes_of((bad, 0, 5, 5), (0, 0, 5, 5), (20, 0, 25, 5))
    scores = np.array([0.9, 0.5, 0.6], np.float32)
    np.testing.assert_array_equal(nms(boxes, scores, overlap=0.5), (2, 1))
    ids = np.array([0, 0, 1])
    np.testing.assert_array_equal(nms(boxes, scores, overlap=0.5, class_ids=ids), (2, 1))


def test_nms_leaves_out_scores_that_are_not_numbers():
    boxes = boxes_of((0, 0, 5, 5), (0, 0, 5, 5))
    np.testing.assert_array_equal(nms(boxes, np.array([np.nan, 0.5]), overlap=0.5), (1,))


def test_weights_blend_each_suppressed_box_into_the_best_that_overlaps_it():
    boxes = boxes_of((0, 0, 10, 10), (1, 0, 11, 10), (50, 0, 60, 10), (49, 0, 59, 10))
    scores = np.array([0.6, 0.2, 0.5, 0.5], np.float32)
    chosen = nms(boxes, scores, overlap=0.5)
    weights = nms_weights(boxes, scores, chosen, overlap=0.5)
    np.testing.assert_allclose(weights, [(0.75, 0.25, 0, 0), (0, 0, 0.5, 0.5)], rtol=1e-6)


def test_weights_of_an_empty_box_are_its_own():
    boxes, scores = boxes_of((3, 3, 3, 3)), np.array([0.4], np.float32)
    np.testing.assert_array_equal(nms_weights(boxes, scores, np.array([0]), overlap=0.5), [(1,)])


def test_weights_of_nothing_have_no_rows():
    none = np.zeros(0, np.int64)
    weights = nms_weights(boxes_of(), np.zeros(0, np.float32), none, overlap=0.5)
    assert weights.shape == (0, 0)


def test_offsets_move_and_scale_the_anchor():
    anchors = boxes_of((0.5, 0.5, 0.2, 0.4))
    offsets = boxes_of((1, -2, 5 * np.log(2), 0))
    cxcywh = boxes_of((0.52, 0.42, 0.4, 0.4))
    np.testing.assert_allclose(ssd_to_xyxy(offsets, anchors), cxcywh_to_xyxy(cxcywh), rtol=1e-5)
    offsets = boxes_of((0.1, -0.2, np.log(2), 0))
    same = ssd_to_xyxy(offsets, anchors, (1.0, 1.0))
    np.testing.assert_allclose(same, cxcywh_to_xyxy(cxcywh), rtol=1e-5)


def test_growth_does_not_overflow():
    assert np.isfinite(growth(np.array([1000, 88, -1000], np.float32))).all()
    np.testing.assert_allclose(growth(np.array([0, 1], np.float32)), (1, np.e), rtol=1e-6)


def test_grid_centres_go_row_by_row():
    wanted = [(4, 4), (12, 4), (20, 4), (4, 12), (12, 12), (20, 12)]
    np.testing.assert_array_equal(grid_centres(2, 3, 8, 0.5), wanted)
    np.testing.assert_array_equal(grid_centres(1, 2, 8), [(0, 0), (8, 0)])


def test_cached_grids_cannot_be_overwritten():
    for grid in (grid_centres(2, 2, 8), ssd_anchors(Size(300, 300))):
        with pytest.raises(ValueError, match="read-only"):
            grid[0] = 0


def test_grid_anchors_follow_each_other_in_their_cell():
    anchors = grid_anchors(Size(16, 24), strides=(16, 8), sizes=(((4, 6),), ((1, 2), (3, 5))))
    assert anchors.shape == (1 * 2 + 2 * 3 * 2, 4)
    np.testing.assert_array_equal(anchors[:2], [(8, 8, 6, 4), (24, 8, 6, 4)])
    np.testing.assert_array_equal(anchors[2:5], [(4, 4, 2, 1), (4, 4, 5, 3), (12, 4, 2, 1)])


def test_grid_anchors_want_sizes_for_each_stride():
    with pytest.raises(ValueError, match="sizes of 2 grids"):
        grid_anchors(Size(16, 16), strides=(8, 16), sizes=(((1, 1),),))


@pytest.mark.parametrize(
    ("size", "maps"),
    [
        pytest.param(Size(300, 300), (19, 10, 5, 3, 2, 1), id="300"),
        pytest.param(Size(320, 320), (20, 10, 5, 3, 2, 1), id="320"),
    ],
)
def test_ssd_anchors_are_three_on_the_lowest_map_and_six_on_the_others(size, maps):
    anchors = ssd_anchors(size)
    assert len(anchors) == 3 * maps[0] ** 2 + sum(6 * side**2 for side in maps[1:])
    np.testing.assert_allclose(anchors[0], (0.5 / maps[0], 0.5 / maps[0], 0.1, 0.1), rtol=1e-6)
    np.testing.assert_allclose(anchors[-1], (0.5, 0.5, *[np.sqrt(0.95)] * 2), rtol=1e-6)


@pytest.mark.parametrize("options", [{"ratios": (1.0, 0.0)}, {"scale_min": -0.1}], ids=str)
def test_ssd_anchors_have_an_area(options):
    with pytest.raises(ValueError, match="scales and ratios above 0"):
        ssd_anchors(Size(300, 300), **options)


@pytest.mark.parametrize("options", [{"layers": 1}, {"strides": (16, 32)}], ids=str)
def test_ssd_anchors_want_a_stride_for_each_of_two_layers_or_more(options):
    with pytest.raises(ValueError, match="two layers or more"):
        ssd_anchors(Size(300, 300), **options)


@pytest.mark.zoo
def test_ssd_anchors_equal_those_inside_a_public_model(zoo):
    """The file stores them as bytes, y x h w: they differ by half a step at most."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    interpreter = litert.Interpreter(str(zoo / "ssd_mobilenet_v1_coco_int8.tflite"))
    interpreter.allocate_tensors()
    details = {tensor["name"]: tensor for tensor in interpreter.get_tensor_details()}["anchors"]
    scale, zero_point = details["quantization"]
    stored = (interpreter.get_tensor(details["index"]).astype(np.float32) - zero_point) * scale
    ours = ssd_anchors(Size(300, 300))[:, [1, 0, 3, 2]]
    assert stored.shape == ours.shape == (1917, 4)
    np.testing.assert_allclose(ours, stored, atol=scale / 2 + 1e-6)
