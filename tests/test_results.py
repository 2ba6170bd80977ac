from __future__ import annotations

import json

import numpy as np
import pytest

from edgecv.results import Classes, Detections, Embedding, Faces, Latency, Mask, Poses, RunInfo
from edgecv.types import Size

FRAME = Size(100, 200)
F = np.float32


def detections(n: int = 3) -> Detections:
    boxes = np.array([[10 * i, 20, 10 * i + 9, 30.125] for i in range(n)], F).reshape(-1, 4)
    scores = np.linspace(0.9, 0.5, n, dtype=F)
    ids = np.arange(n, dtype=np.int64)
    return Detections(frame=FRAME, boxes=boxes, scores=scores, class_ids=ids, labels=("cat", "dog"))


def faces() -> Faces:
    landmarks = np.arange(20, dtype=F).reshape(2, 5, 2)
    boxes, scores = np.array([[1, 2, 30, 40], [50, 2, 90, 40]], F), np.array([0.9, 0.8], F)
    return Faces(frame=FRAME, boxes=boxes, scores=scores, landmarks=landmarks)


def poses() -> Poses:
    return Poses(
        frame=FRAME,
        scores=np.array([0.7], F),
        boxes=np.array([[1, 2, 30, 40]], F),
        keypoints=np.array([[[5, 6], [20, 30]]], F),
        keypoint_scores=np.array([[0.9, 0.1]], F),
        names=("nose", "tail"),
        skeleton=((0, 1),),
    )


EVERY = {
    "classes": Classes(frame=FRAME, class_ids=np.array([1, 0]), scores=np.array([0.75, 0.25], F)),
    "detections": detections(),
    "faces": faces(),
    "poses": poses(),
    "embedding": Embedding(frame=FRAME, vector=np.array([0.6, 0.8], F)),
    "mask": Mask(frame=FRAME, class_map=np.zeros(FRAME, np.uint8), labels=("background",)),
    "nothing found": detections(0),
}


@pytest.mark.parametrize("result", EVERY.values(), ids=EVERY.keys())
def test_every_result_is_json_and_draws_on_a_copy(result) -> None:
    json.dumps(result.to_dict(), allow_nan=False)
    image = np.zeros((*FRAME, 3), np.uint8)
    drawn = result.draw(image)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert not image.any()


@pytest.mark.parametrize("name", ["detections", "faces", "poses", "classes"])
def test_what_was_found_is_visible_when_drawn(name) -> None:
    assert EVERY[name].draw(np.zeros((*FRAME, 3), np.uint8)).any()


def test_a_mask_is_drawn_where_it_is() -> None:
    class_map = np.zeros(FRAME, np.uint8)
    class_map[60:, 100:] = 2
    drawn = Mask(frame=FRAME, class_map=class_map).draw(np.zeros((*FRAME, 3), np.uint8))
    assert drawn[80, 150].any()
    assert not drawn[80, 50].any()


def test_drawing_on_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="belongs to a frame"):
        detections().draw(np.zeros((10, 10, 3), np.uint8))


INDEXES = {
    "mask": (np.array([True, False, True]), [0, 2]),
    "indices": (np.array([2, 0]), [2, 0]),
    "list": ([1], [1]),
    "slice": (slice(1, None), [1, 2]),
    "number": (1, [1]),
    "nothing": (np.zeros(3, bool), []),
}


@pytest.mark.parametrize(("index", "kept"), INDEXES.values(), ids=INDEXES.keys())
def test_indexing_keeps_the_arrays_side_by_side(index, kept) -> None:
    got = detections()[index]
    assert got.class_ids.tolist() == kept
    np.testing.assert_array_equal(got.boxes, detections().boxes[kept])
    assert len(got) == len(kept)


def test_a_mask_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(IndexError, match=r"wanted a mask of shape \(3,\)"):
        detections()[np.array([True])]


def test_indexing_faces_keeps_their_names() -> None:
    known = Faces(
        frame=FRAME,
        boxes=faces().boxes,
        scores=faces().scores,
        landmarks=faces().landmarks,
        names=("Ann", None),
        similarity=np.array([0.8, 0.2], F),
    )
    assert known[[1]].names == (None,)
    assert known.to_dict()["faces"][0]["name"] == "Ann"
    assert known.to_dict()["faces"][1] == {
        "score": 0.8,
        "box": [50.0, 2.0, 90.0, 40.0],
        "landmarks": [[10.0, 11.0], [12.0, 13.0], [14.0, 15.0], [16.0, 17.0], [18.0, 19.0]],
        "name": None,
        "similarity": 0.2,
    }


def test_faces_that_nobody_was_asked_about_have_no_name_in_json() -> None:
    assert "name" not in faces().to_dict()["faces"][0]


def test_detections_become_rows_of_json() -> None:
    assert detections().to_dict()["detections"][2] == {
        "label": "2",
        "class_id": 2,
        "score": 0.5,
        "box": [20.0, 20.0, 29.0, 30.12],
    }


def test_poses_become_people_with_named_points() -> None:
    person = poses().to_dict()["people"][0]
    assert person["keypoints"][0] == {"name": "nose", "x": 5.0, "y": 6.0, "score": 0.9}
    assert person["box"] == [1.0, 2.0, 30.0, 40.0]


def test_a_mask_counts_its_pixels() -> None:
    class_map = np.zeros(FRAME, np.uint8)
    class_map[:, :50] = 1
    segments = Mask(frame=FRAME, class_map=class_map, labels=("background", "cat")).to_dict()
    assert segments["segments"][1] == {
        "label": "cat",
        "class_id": 1,
        "pixels": 5000,
        "fraction": 0.25,
    }


BAD = {
    "boxes of three": lambda: Detections(
        frame=FRAME, boxes=np.zeros((1, 3), F), scores=np.zeros(1, F), class_ids=np.zeros(1, int)
    ),
    "fewer scores": lambda: Detections(
        frame=FRAME, boxes=np.zeros((2, 4), F), scores=np.zeros(1, F), class_ids=np.zeros(2, int)
    ),
    "points without y": lambda: Faces(
        frame=FRAME, boxes=np.zeros((1, 4), F), scores=np.zeros(1, F), landmarks=np.zeros((1, 5), F)
    ),
    "a mask of another size": lambda: Mask(frame=FRAME, class_map=np.zeros((5, 5), np.uint8)),
    "a matrix as embedding": lambda: Embedding(frame=FRAME, vector=np.zeros((2, 2), F)),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD.keys())
def test_arrays_that_do_not_fit_are_refused(make) -> None:
    with pytest.raises(ValueError, match=r"wanted shape|differ in length"):
        make()


def test_similarity_is_the_cosine() -> None:
    a = Embedding(frame=FRAME, vector=np.array([1, 0], F))
    b = Embedding(frame=FRAME, vector=np.array([0.6, 0.8], F))
    assert a.similarity(b) == pytest.approx(0.6)
    with pytest.raises(ValueError, match="different models"):
        a.similarity(Embedding(frame=FRAME, vector=np.zeros(3, F)))


def test_a_result_that_says_where_it_comes_from_is_a_new_one() -> None:
    run = RunInfo("m", "tflite", "cpu", Latency(1, 2, 3, 6))
    bare = detections()
    told = bare.with_run(run)
    assert told.run is run
    assert bare.run is None
    assert told.boxes is bare.boxes
    assert told[0].run is run


def test_detections_go_to_supervision_and_back() -> None:
    supervision = pytest.importorskip("supervision")
    theirs = detections().to_supervision()
    assert isinstance(theirs, supervision.Detections)
    np.testing.assert_array_equal(theirs.xyxy, detections().boxes)
    assert theirs.data["class_name"].tolist() == ["cat", "dog", "2"]
    assert len(detections(0).to_supervision()) == 0
