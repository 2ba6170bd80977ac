import math

import cv2
import numpy as np
import pytest

import edgecv
from edgecv.boxes import iou
from edgecv.decoders.yunet import decode
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.labels import FACE_5
from edgecv.results import Faces
from edgecv.spec import ModelSpec
from edgecv.types import Size

SIZE = Size(64, 96)
PLACEMENT = Placement(1.0, 1.0, 0.0, 0.0, SIZE, SIZE)
SPEC = ModelSpec(name="m", task="face_detection", decoder="yunet", score=0.6)
WIDTHS = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
POINTS = (-1, -1, 1, -1, 0, 0, -1, 1, 1, 1)


def outputs_of(*cells):
    """Nothing anywhere, but in the cells given: (stride, row, column, class, object, box, kps)."""
    outputs = {
        f"{head}_{s}": np.zeros((1, SIZE.height // s * (SIZE.width // s), width), np.float32)
        for head, width in WIDTHS.items()
        for s in (8, 16, 32)
    }
    for stride, row, column, *values in cells:
        at = row * (SIZE.width // stride) + column
        for head, value in zip(WIDTHS, values, strict=True):
            outputs[f"{head}_{stride}"][0, at] = value
    return outputs


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_boxes_and_landmarks_are_offsets_from_their_cell(stride):
    cell = (stride, 1, 2, 0.9, 0.8, (-0.5, 0.25, math.log(1.5), 0), POINTS)
    faces = decode(outputs_of(cell), SPEC, PLACEMENT)
    assert isinstance(faces, Faces)
    x, y, w, h = 1.5 * stride, 1.25 * stride, 1.5 * stride, stride
    wanted = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    np.testing.assert_allclose(faces.boxes, [wanted], rtol=1e-5)
    assert faces.scores[0] == pytest.approx(math.sqrt(0.72))
    points = (np.array(POINTS).reshape(5, 2) + np.array((2, 1))) * stride
    np.testing.assert_allclose(faces.landmarks[0], points)
    assert faces.points == FACE_5


@pytest.mark.parametrize(
    ("class_", "object_", "found"),
    [(0.6, 0.59, False), (0.6, 0.61, True), (1.5, 0.35, False), (-1, -1, False), (2, 2, True)],
)
def test_the_geometric_mean_of_class_and_object_held_to_one_has_to_reach_the_threshold(
    class_, object_, found
):
    faces = decode(outputs_of((8, 1, 1, class_, object_, (0, 0, 0, 0), POINTS)), SPEC, PLACEMENT)
    assert len(faces) == found
    assert (faces.scores <= 1).all()


def test_the_best_of_faces_that_overlap_across_grids_is_kept():
    small = (8, 2, 2, 0.9, 0.9, (0, 0, math.log(2), math.log(2)), POINTS)
    large = (16, 1, 1, 1.0, 0.9, (0, 0, 0, 0), POINTS)
    apart = (32, 1, 2, 0.8, 0.8, (0, 0, 0, 0), POINTS)
    faces = decode(outputs_of(small, large, apart), SPEC, PLACEMENT)
    np.testing.assert_allclose(faces.scores, (math.sqrt(0.9), 0.8), rtol=1e-6)
    np.testing.assert_allclose(faces.landmarks[0, 2], (16, 16))


@pytest.mark.parametrize("head", WIDTHS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_hide_only_their_own_cell(head, bad):
    cells = [
        (32, 0, 1, 0.9, 0.9, (0, 0.5, 0, 0), POINTS),
        (32, 1, 2, 0.9, 0.9, (0, 0, 0, 0), POINTS),
    ]
    outputs = outputs_of(*cells)
    outputs[f"{head}_32"][0, 1] = bad
    faces = decode(outputs, SPEC, PLACEMENT)
    assert np.isfinite(faces.boxes).all()
    assert [64, 32] in faces.landmarks[:, 2].tolist()


def test_nothing_found_is_an_empty_result():
    faces = decode(outputs_of(), SPEC, PLACEMENT)
    assert len(faces) == 0
    assert faces.landmarks.shape == (0, 5, 2)


def test_outputs_without_names_go_by_their_order():
    cell = (16, 1, 2, 0.9, 0.8, (0, 0, 0, 0), POINTS)
    unnamed = {f"x{i}": value for i, value in enumerate(outputs_of(cell).values())}
    assert len(decode(unnamed, SPEC, PLACEMENT)) == 1


def test_strides_that_do_not_fit_are_refused():
    renamed = {f"{h}_{s}": v for (h, s), v in zip(
        [(h, s) for h in WIDTHS for s in (16, 32, 64)], outputs_of().values(), strict=True
    )}  # fmt: skip
    with pytest.raises(SpecError, match="96 rows, but an input of 64x96 wants 24"):
        decode(renamed, SPEC, PLACEMENT, strides=(16, 32, 64))


@pytest.mark.zoo
@pytest.mark.data
def test_faces_are_those_of_opencvs_own_decoder(zoo, data):
    """Both see the same pixels: 320x320, letterboxed beforehand."""
    model = edgecv.load("yunet_n_320", score=0.6)
    theirs = cv2.FaceDetectorYN.create(str(zoo / "yunet_n_320.onnx"), "", (320, 320), 0.6, 0.3, 750)
    compared = 0
    for file in sorted((data / "fddb_eval" / "images").iterdir())[:12]:
        image = edgecv.read_image(file)
        ratio = 320 / max(image.shape[:2])
        small = cv2.resize(image, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA)
        square = np.zeros((320, 320, 3), np.uint8)
        square[: small.shape[0], : small.shape[1]] = small[:320, :320]
        faces, (_, rows) = model(square), theirs.detect(square)
        rows = np.zeros((0, 15)) if rows is None else rows
        assert len(faces) == len(rows), file.name
        if not len(rows):
            continue
        boxes = np.concatenate((rows[:, :2], rows[:, :2] + rows[:, 2:4]), axis=1).clip(0, 320)
        match = iou(boxes.astype(np.float32), faces.boxes).argmax(axis=1)
        np.testing.assert_allclose(faces.boxes[match], boxes, atol=2)
        np.testing.assert_allclose(faces.landmarks[match], rows[:, 4:14].reshape(-1, 5, 2), atol=2)
        np.testing.assert_allclose(faces.scores[match], rows[:, 14], atol=0.01)
        compared += len(rows)
    assert compared >= 12
