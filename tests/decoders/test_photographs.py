"""The public detectors on photographs: floors below what each was measured to reach on them."""

import json

import numpy as np
import pytest

import edgecv
from edgecv.boxes import iou, xywh_to_xyxy
from edgecv.labels import COCO_80, FACE_5

pytestmark = [pytest.mark.zoo, pytest.mark.data]


def recall_and_precision(found, wanted, overlap):
    """Match every wanted box with the best found one that is still free."""
    hits = 0
    for theirs, ours in zip(wanted, found, strict=True):
        free = np.ones(len(ours), bool)
        for row in iou(theirs, ours):
            best = np.where(free, row, 0).argmax() if len(row) else 0
            if len(row) and free[best] and row[best] >= overlap:
                free[best], hits = False, hits + 1
    return hits / sum(map(len, wanted)), hits / sum(map(len, found))


@pytest.fixture(scope="module")
def faces(data):
    listed = json.loads((data / "fddb_eval" / "boxes.json").read_text())[:40]
    images = [edgecv.read_image(data / "fddb_eval" / "images" / entry["file"]) for entry in listed]
    boxes = [np.array(entry["boxes_xyxy"], np.float32).reshape(-1, 4) for entry in listed]
    return images, boxes


@pytest.fixture(scope="module")
def people(data):
    """Photographs of COCO and the boxes of the large people in them."""
    listed = json.loads((data / "coco_eval" / "instances.json").read_text())
    person = min(category["id"] for category in listed["categories"])
    boxes = {image["id"]: [] for image in listed["images"]}
    for annotation in listed["annotations"]:
        if annotation["category_id"] == person and annotation["area"] > 96**2:
            boxes[annotation["image_id"]].append(annotation["bbox"])
    chosen = [image for image in listed["images"] if boxes[image["id"]]][:30]
    folder = data / "coco_eval" / "images"
    images = [edgecv.read_image(folder / image["file_name"]) for image in chosen]
    return images, [xywh_to_xyxy(np.array(boxes[image["id"]], np.float32)) for image in chosen]


@pytest.mark.parametrize(
    ("name", "recall", "precision"),
    [
        ("yunet_n_320", 0.9, 0.85),
        ("ulffd_landmark", 0.8, 0.85),
        ("blazeface_short_range", 0.7, 0.9),
        ("face-detection-retail-0004_int8", 0.8, 0.85),
    ],
)
def test_faces_are_found(zoo, faces, name, recall, precision):
    images, boxes = faces
    with edgecv.load(name) as model:
        found = [model(image).boxes for image in images]
    got = recall_and_precision(found, boxes, 0.4)
    assert got[0] > recall, got
    assert got[1] > precision, got


@pytest.mark.parametrize("name", ["ulffd_landmark", "blazeface_short_range"])
def test_landmarks_of_two_detectors_are_the_same_points(zoo, faces, name):
    """Eyes and nose, which all detectors with landmarks have: as near as a tenth of the face."""
    distances = []
    with edgecv.load("yunet_n_320") as yunet, edgecv.load(name) as model:
        for image in faces[0]:
            theirs, ours = yunet(image), model(image)
            assert theirs.points == FACE_5
            assert ours.points[:3] == FACE_5[:3]
            overlaps = iou(theirs.boxes, ours.boxes)
            for i, j in np.argwhere(overlaps > 0.5):
                apart = np.linalg.norm(theirs.landmarks[i, :3] - ours.landmarks[j, :3], axis=1)
                distances.append(apart / (theirs.boxes[i, 2] - theirs.boxes[i, 0]))
    assert len(distances) > 20
    assert (np.median(distances, axis=0) < 0.1).all()


@pytest.mark.parametrize(
    ("name", "recall", "precision"),
    [
        ("ssd_mobilenet_v1_coco_int8", 0.6, 0.4),
        ("yolox_nano_416", 0.6, 0.4),
        ("fastestdet_352", 0.6, 0.4),
    ],
)
def test_large_people_are_found(zoo, people, name, recall, precision):
    images, boxes = people
    with edgecv.load(name) as model:
        results = [model(image) for image in images]
        assert COCO_80[0] in model.spec.labels
    found = [result.boxes[np.array(result.names, str) == "person"] for result in results]
    got = recall_and_precision(found, boxes, 0.5)
    assert got[0] > recall, got
    assert got[1] > precision, got


def test_the_regions_of_the_pose_detector_hold_the_person(zoo, people):
    """The square round the body covers most of the person's box in most photographs of one."""
    covered = []
    with edgecv.load("blazepose_detection") as model:
        for image, boxes in zip(*people, strict=True):
            result = model(image)
            if len(boxes) == 1 and len(result) == 1:
                low = np.maximum(boxes[0, :2], result.boxes[0, :2])
                high = np.minimum(boxes[0, 2:], result.boxes[0, 2:])
                shared = np.maximum(high - low, 0).prod()
                covered.append(shared / (boxes[0, 2:] - boxes[0, :2]).prod())
                assert result.names == ["person"]
    assert len(covered) >= 3
    assert np.median(covered) > 0.8
