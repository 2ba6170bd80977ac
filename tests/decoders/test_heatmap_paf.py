import contextlib
import io
import json

import numpy as np
import pytest

import edgecv
from edgecv.decoders.heatmap_paf import (
    LIMBS,
    PARTS,
    TO_COCO_17,
    assemble,
    connect,
    decode,
    find_peaks,
)
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.labels import COCO_17
from edgecv.spec import ModelSpec
from edgecv.types import Size

ROWS, COLUMNS = 32, 57
SPEC = ModelSpec(name="m", task="pose", decoder="heatmap_paf", keypoints=COCO_17, score=0.0)
# The input's cells are 8 pixels; the frame is half as large as the input.
PLACEMENT = Placement(0.5, 0.5, 0.0, 0.0, Size(128, 228), Size(256, 456))
# A standing person seen from the front, in cells from the neck: OpenPose's 18 keypoints.
STANDING = np.array(
    [
        *((0, -3), (0, 0), (-2.5, 0.2), (-3.5, 3.6), (-3.2, 6.4), (2.5, 0.3), (3.4, 3.5)),
        *((3.3, 6.7), (-1.5, 7), (-1.7, 11.4), (-1.6, 15.2), (1.5, 7.1), (1.6, 11.3), (1.8, 15.1)),
        *((-0.8, -3.8), (0.8, -3.9), (-1.7, -3.4), (1.7, -3.3)),
    ],
    np.float32,
)
LEFT, RIGHT = STANDING + np.float32([14.3, 7.2]), STANDING + np.float32([34.6, 9.4])


def maps_of(*bodies, score=0.8, without=()):
    """Draw what the model is trained to give: bumps at the keypoints, directions along limbs."""
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    heatmaps = np.zeros((1, PARTS + 1, ROWS, COLUMNS), np.float32)
    fields = np.zeros((1, 2 * len(LIMBS), ROWS, COLUMNS), np.float32)
    for body in bodies:
        for part in set(range(PARTS)) - set(without):
            distance = (x - body[part, 0]) ** 2 + (y - body[part, 1]) ** 2
            heatmaps[0, part] = np.maximum(heatmaps[0, part], score * np.exp(-distance / 2))
        for start, end, channel in LIMBS:
            way = body[end] - body[start]
            length = np.hypot(*way)
            way = way / length
            along = (x - body[start, 0]) * way[0] + (y - body[start, 1]) * way[1]
            across = (x - body[start, 0]) * way[1] - (y - body[start, 1]) * way[0]
            on = (along >= -1) & (along <= length + 1) & (abs(across) <= 1.5)
            fields[0, channel][on], fields[0, channel + 1][on] = way
    heatmaps[0, -1] = 1 - heatmaps[0, :-1].max(axis=0)
    return {"fields": fields, "heatmaps": heatmaps}


def in_frame(body):
    """Cells to pixels of the frame: a cell's centre is half a cell from its edge."""
    return (body[list(TO_COCO_17)] + 0.5) * 8 / 2


def test_everybody_is_put_together_from_heatmaps_and_fields():
    result = decode(maps_of(LEFT, RIGHT), SPEC, PLACEMENT)
    assert len(result) == 2
    order = np.argsort(result.keypoints[:, 0, 0])
    for found, body in zip(result.keypoints[order], (LEFT, RIGHT), strict=True):
        np.testing.assert_allclose(found, in_frame(body), atol=0.12 * 4)  # 0.12 of a cell
    np.testing.assert_allclose(result.scores, 0.8, atol=0.1)
    np.testing.assert_allclose(result.boxes[order[0], :2], in_frame(LEFT).min(axis=0), atol=0.5)
    np.testing.assert_allclose(result.boxes[order[0], 2:], in_frame(LEFT).max(axis=0), atol=0.5)
    assert result.names == COCO_17


def test_left_and_right_are_the_persons_own():
    found = decode(maps_of(LEFT), SPEC, PLACEMENT)
    points = dict(zip(found.names, found.keypoints[0], strict=True))
    for name in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
        assert points[f"left_{name}"][0] > points[f"right_{name}"][0], name
    assert points["left_ankle"][1] > points["left_knee"][1] > points["left_hip"][1]


def test_people_who_stand_close_are_kept_apart():
    near = STANDING + np.float32([18.8, 7.9])
    result = decode(maps_of(LEFT, near), SPEC, PLACEMENT)
    assert len(result) == 2
    assert (result.keypoint_scores > 0).all()


def test_a_hidden_keypoint_has_score_0_and_lowers_the_persons():
    result = decode(maps_of(LEFT, without=(4, 10)), SPEC, PLACEMENT)
    hidden = [COCO_17.index("right_wrist"), COCO_17.index("right_ankle")]
    assert np.flatnonzero(result.keypoint_scores[0] == 0).tolist() == hidden
    np.testing.assert_array_equal(result.keypoints[0, hidden], 0)
    np.testing.assert_allclose(result.scores, result.keypoint_scores.sum() / 17, rtol=1e-6)


def test_a_hidden_neck_leaves_two_arms_and_the_head():
    result = decode(maps_of(LEFT, without=(1,)), SPEC, PLACEMENT)
    assert (result.keypoint_scores > 0).sum() >= 15


@pytest.mark.parametrize("fill", [0.0, np.nan], ids=["zeros", "no numbers"])
def test_empty_maps_give_nobody(fill):
    outputs = {name: np.full_like(values, fill) for name, values in maps_of().items()}
    assert len(decode(outputs, SPEC, PLACEMENT)) == 0


def test_keypoints_without_fields_belong_to_nobody():
    outputs = maps_of(LEFT)
    outputs["fields"][:] = 0
    assert len(decode(outputs, SPEC, PLACEMENT)) == 0


def test_people_below_the_threshold_are_left_out():
    outputs = maps_of(LEFT, score=0.4)
    assert len(decode(outputs, SPEC.with_changes(score=0.45), PLACEMENT)) == 0
    assert len(decode(outputs, SPEC.with_changes(score=0.3), PLACEMENT)) == 1


def test_outputs_of_another_shape_are_refused():
    outputs = maps_of(LEFT)
    swapped = {"fields": outputs["heatmaps"], "heatmaps": outputs["fields"]}
    with pytest.raises(SpecError, match=r"wanted fields \(1, 38, h, w\)"):
        decode(swapped, SPEC, PLACEMENT)


@pytest.mark.parametrize(
    ("x", "y"), [(10.0, 5.0), (10.3, 5.4), (9.6, 4.8), (0.0, 0.0), (19.0, 9.0)], ids=str
)
def test_a_peaks_place_is_found_between_the_cells(x, y):
    rows, columns = np.mgrid[:10, :20]
    bump = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2)[None]
    (found,) = find_peaks(bump.astype(np.float32), threshold=0.1)
    assert len(found) == 1
    np.testing.assert_allclose(found[0, :2], (x, y), atol=0.08)
    np.testing.assert_allclose(found[0, 2], bump.max(), rtol=1e-6)


def test_equal_neighbours_are_one_peak():
    plateau = np.zeros((2, 6, 8), np.float32)
    plateau[0, 2, 3:6] = 0.5
    plateau[1, 1:3, 4:6] = 0.5
    found = find_peaks(plateau, threshold=0.1)
    assert [len(peaks) for peaks in found] == [1, 1]


def test_values_at_the_threshold_are_no_peaks():
    maps = np.zeros((1, 5, 5), np.float32)
    maps[0, 2, 2] = 0.25
    assert len(find_peaks(maps, threshold=0.25)[0]) == 0
    assert len(find_peaks(maps, threshold=0.2)[0]) == 1


def test_each_peak_is_connected_once_to_the_one_its_field_leads_to():
    field = np.zeros((2, 20, 20), np.float32)
    field[0, 4:7] = 1.0  # along row 5, to the right
    field[0, 11:14] = 0.8  # along row 12
    starts = np.array([(2, 12, 1), (2, 5, 1)], np.float32)
    ends = np.array([(9, 5, 1), (9, 12, 1), (9, 18, 1)], np.float32)
    assert connect(starts, ends, field, affinity=0.05, agreement=0.8) == [(1, 0), (0, 1)]
    assert connect(ends, starts, field, affinity=0.05, agreement=0.8) == []  # against the field
    assert connect(starts[:0], ends, field, affinity=0.05, agreement=0.8) == []


def test_a_field_with_a_gap_does_not_connect():
    field = np.zeros((2, 20, 20), np.float32)
    field[0, 4:7] = 1.0
    field[0, :, 4:8] = 0.0
    start, end = np.array([(2, 5, 1)], np.float32), np.array([(12, 5, 1)], np.float32)
    assert connect(start, end, field, affinity=0.05, agreement=0.8) == []
    assert connect(start, end, field, affinity=0.05, agreement=0.5) == [(0, 0)]


@pytest.mark.parametrize(
    ("pairs", "wanted"),
    [
        ({}, []),
        ({0: [(0, 0)], 2: [(0, 3)]}, [{1: 0, 2: 0, 3: 3}]),
        ({0: [(0, 0)], 2: [(1, 3)]}, [{1: 0, 2: 0}, {2: 1, 3: 3}]),
        # The head of one body and the arm of another are joined through the ear.
        ({2: [(0, 0)], 14: [(1, 1)], 17: [(0, 1)]}, [{2: 0, 3: 0, 14: 1, 16: 1}]),
        # Ears and shoulders alone make no body; nor do they join two bodies with two noses each.
        ({17: [(0, 0)]}, []),
        (
            {0: [(0, 0)], 12: [(0, 0)], 13: [(1, 1)], 14: [(1, 1)], 17: [(0, 1)]},
            [{1: 0, 2: 0, 0: 0}, {0: 1, 14: 1, 16: 1}],
        ),
    ],
    ids=["nothing", "chain", "two bodies", "joined", "no limb", "not joined"],
)
def test_connected_peaks_become_bodies(pairs, wanted):
    assert assemble([pairs.get(limb, []) for limb in range(len(LIMBS))]) == wanted


@pytest.mark.zoo
@pytest.mark.data
def test_a_squatting_man_is_found_part_by_part(zoo, data):
    image = edgecv.read_image(data / "golden" / "squat.bmp")
    with edgecv.load("human-pose-estimation-0001_int8", device="cpu") as model:
        result = model(image)
    assert len(result) == 1
    found = dict(zip(result.names, result.keypoints[0], strict=True))
    # Read off the picture by eye.
    wanted = {
        "nose": (287, 215), "right_shoulder": (203, 250), "right_elbow": (262, 315),
        "right_knee": (212, 418), "left_knee": (297, 398), "right_ankle": (163, 545),
        "left_ankle": (265, 502),
    }  # fmt: skip
    for name, point in wanted.items():
        assert np.linalg.norm(found[name] - point) < 30, name


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
def test_people_on_photographs_are_found_as_precisely_as_measured(zoo, data):
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    folder = data / "coco_eval"
    table = json.loads((folder / "person_keypoints.json").read_text())
    rows, ids = [], [image["id"] for image in table["images"]]
    with edgecv.load("human-pose-estimation-0001_int8", device="cpu", score=0) as model:
        for image in table["images"]:
            found = model(edgecv.read_image(folder / "images" / image["file_name"]))
            points = np.concatenate((found.keypoints, found.keypoint_scores[..., None]), axis=2)
            rows += [
                {"image_id": image["id"], "category_id": 1, "keypoints": person, "score": score}
                for person, score in zip(
                    points.reshape(-1, 51).tolist(), found.scores.tolist(), strict=True
                )
            ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(str(folder / "person_keypoints.json"))
        figures = cocoeval.COCOeval(truth, truth.loadRes(rows), "keypoints")
        figures.params.imgIds = ids
        figures.evaluate()
        figures.accumulate()
        figures.summarize()
    assert figures.stats[0] >= 0.32  # .336 measured
    assert figures.stats[1] >= 0.54  # .567 measured
