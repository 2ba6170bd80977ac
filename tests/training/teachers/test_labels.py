"""What a teacher finds, added to what is marked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

pytest.importorskip("keras")

import edgecv
from edgecv.errors import SpecError
from edgecv.model import Model
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession
from edgecv.training.data.samples import Sample, SampleList
from edgecv.training.teachers.labels import Found, Taught, merged, taught

F = np.float32
IMAGE = np.zeros((100, 100, 3), np.uint8)
BOX = np.array([[10, 10, 50, 50]], F)
NEAR = np.array([[12, 10, 50, 50]], F)
FAR = np.array([[60, 60, 90, 90]], F)
NO_POINTS = np.zeros((0, 0, 3), F)


def _found(boxes, classes, scores=None, points=None):
    count = len(boxes)
    return Found(
        np.asarray(boxes, F),
        np.asarray(classes, np.int64),
        np.full(count, 0.9, F) if scores is None else np.asarray(scores, F),
        np.zeros((count, 0, 3), F) if points is None else np.asarray(points, F),
    )


def test_a_picture_without_marks_gets_what_was_found():
    got = merged(Sample(IMAGE), _found(np.vstack([BOX, FAR]), [1, 0]), 0.5)
    assert got.boxes.tolist() == [*BOX.tolist(), *FAR.tolist()]
    assert got.classes.tolist() == [1, 0]
    assert (got.boxes.dtype, got.classes.dtype) == (F, np.int64)


@pytest.mark.parametrize(
    ("box", "class_id", "wanted"),
    [(NEAR, 0, 1), (NEAR, 1, 2), (FAR, 0, 2)],
    ids=["the same thing", "another class in its place", "elsewhere"],
)
def test_a_box_is_added_where_none_of_its_class_is_marked(box, class_id, wanted):
    sample = Sample(IMAGE, boxes=BOX, classes=np.zeros(1, np.int64))
    got = merged(sample, _found(box, [class_id]), 0.5)
    assert len(got.boxes) == len(got.classes) == wanted
    assert got.boxes[0].tolist() == BOX[0].tolist()


def test_points_that_are_not_marked_are_filled_in_from_the_same_person():
    own = np.array([[[20, 20, 2], [0, 0, 0], [30, 30, 1]]], F)
    theirs = [[[21, 21, 2], [40, 40, 2], [31, 31, 2]], [[65, 65, 2], [70, 70, 2], [0, 0, 0]]]
    sample = Sample(IMAGE, boxes=BOX, classes=np.zeros(1, np.int64), keypoints=own)
    got = merged(sample, _found(np.vstack([NEAR, FAR]), [0, 0], points=theirs), 0.5)
    assert got.keypoints.tolist() == [[[20, 20, 2], [40, 40, 2], [30, 30, 1]], theirs[1]]
    assert len(got.boxes) == 2


def test_points_marked_without_boxes_belong_to_the_box_round_them():
    own = np.array([[[10, 10, 2], [50, 50, 2], [0, 0, 0]]], F)
    theirs = [[[10, 10, 2], [50, 50, 2], [40, 20, 2]]]
    got = merged(Sample(IMAGE, keypoints=own), _found(NEAR, [0], points=theirs), 0.5)
    assert got.keypoints.tolist() == [[[10, 10, 2], [50, 50, 2], [40, 20, 2]]]
    assert got.boxes.tolist() == BOX.tolist()
    assert got.classes.tolist() == [0]


def test_marks_stay_where_nothing_is_found():
    own = np.array([[[10, 10, 2], [50, 50, 2]]], F)
    sample = Sample(IMAGE, boxes=BOX, classes=np.ones(1, np.int64), keypoints=own)
    got = merged(sample, _found(np.zeros((0, 4)), [], points=np.zeros((0, 2, 3))), 0.5)
    assert got.keypoints.tolist() == own.tolist()
    assert got.boxes.tolist() == BOX.tolist()
    assert got.classes.tolist() == [1]


def test_what_the_teacher_is_not_sure_of_is_left_out():
    points = [[[20, 20, 0.9], [30, 30, 0.2]], [[70, 70, 0.9], [80, 80, 0.9]]]
    found = _found(np.vstack([BOX, FAR]), [0, 0], scores=[0.8, 0.3], points=points)
    samples = SampleList([Sample(IMAGE)], ("person",), ("nose", "tail"))
    got = Taught(samples, (found,), score=0.5)[0]
    assert got.boxes.tolist() == BOX.tolist()
    assert got.keypoints.tolist() == [[[20, 20, 2], [0, 0, 0]]]
    assert found.points[0, 1, 2] == F(0.2)


def _detector(labels=("none", "dog", "cat"), path=None):
    """Finds, in every picture: a dog at .9, a cat at .7."""
    outputs = {
        "boxes": np.array([[[0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]]], F),
        "classes": np.array([[1, 2]], F),
        "scores": np.array([[0.9, 0.7]], F),
        "count": np.array([2], F),
    }
    spec = ModelSpec("teacher", "detection", "ssd_postprocess", labels=labels)
    return Model(FakeSession(outputs), spec, path=path)


def test_what_was_found_gets_the_class_ids_of_the_dataset():
    samples = SampleList([Sample(IMAGE), Sample(IMAGE)], ("cow", "cat"))
    got = taught(_detector(), samples)
    assert (len(got), got.names, got.keypoints) == (2, ("cow", "cat"), ())
    assert got[1].classes.tolist() == [1]
    np.testing.assert_allclose(got[1].boxes, [[60, 60, 90, 90]], atol=1e-4)


def test_a_teacher_from_a_file_is_asked_once_whatever_the_threshold(tmp_path):
    file = tmp_path / "teacher.tflite"
    file.write_bytes(b"weights")
    teacher = _detector(path=file)
    samples = SampleList([Sample(IMAGE), Sample(IMAGE)], ("cat", "dog"))
    assert [len(s.boxes) for s in map(taught(teacher, samples).__getitem__, range(2))] == [2, 2]
    assert len(taught(teacher, samples, score=0.8)[0].boxes) == 1
    assert len(teacher.session.seen) == 2


def test_a_teacher_of_none_of_the_classes_is_refused():
    with pytest.raises(SpecError, match="none of cow"):
        taught(_detector(), SampleList([Sample(IMAGE)], ("cow",)))


@pytest.mark.parametrize("name", ["score", "overlap"])
def test_thresholds_out_of_range_are_refused(name):
    with pytest.raises(ValueError, match=name):
        taught(_detector(), SampleList([Sample(IMAGE)], ("cat",)), **{name: 1.5})


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "classes", "points"),
    [
        ("ssd_mobilenet_v1_coco_int8", ("person",), ()),
        ("movenet_lightning_int8", ("person",), ("nose", "left_knee")),
        ("yunet_n_320", ("face",), ("nose",)),
    ],
    ids=["objects", "pose", "faces"],
)
def test_real_teachers_find_people_faces_and_points(zoo, data, name, classes, points):
    image = cv2.imread(str(data / "golden" / "squat.bmp"))
    samples = SampleList([Sample(image)], classes, points)
    with edgecv.load(name) as teacher:
        sample = taught(teacher, samples, score=0.3)[0]
    assert len(sample.boxes) >= 1
    assert sample.keypoints.shape == (len(sample.boxes), len(points), 3)
    height, width = image.shape[:2]
    assert (sample.boxes >= -0.1 * width).all()
    assert (sample.boxes <= 1.1 * max(width, height)).all()
    if points:
        assert sample.keypoints[0, 0, 2] == 2
