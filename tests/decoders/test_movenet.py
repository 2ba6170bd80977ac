import csv
import json

import numpy as np
import pytest

import edgecv
from edgecv.decoders.movenet import decode
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.labels import COCO_17
from edgecv.regions import person_region
from edgecv.spec import ModelSpec
from edgecv.types import Size

# A 100x200 frame in the middle of a 100x100 input: twice as large, with bars of 25 rows.
LETTERBOX = Placement(2.0, 2.0, 0.0, -50.0, Size(100, 200), Size(100, 100))
SPEC = ModelSpec(name="m", task="pose", decoder="movenet", keypoints=("a", "b"), score=0.2)
# Per-keypoint constants of COCO's keypoint similarity (cocodataset.org, "Keypoint Evaluation").
SIGMAS = np.array(
    [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89], np.float32
) / 1000  # fmt: skip


def outputs_of(*rows):
    return {"any": np.array(rows, np.float32).reshape(1, 1, -1, 3)}


def test_rows_are_y_x_and_score_of_the_input():
    result = decode(outputs_of((0.5, 0.25, 0.9), (0.75, 0.5, 0.4)), SPEC, LETTERBOX)
    np.testing.assert_allclose(result.keypoints, [[(50, 50), (100, 100)]])
    np.testing.assert_allclose(result.keypoint_scores, [(0.9, 0.4)])
    np.testing.assert_allclose(result.scores, [0.65])
    np.testing.assert_allclose(result.boxes, [(50, 50, 100, 100)])
    assert result.names == ("a", "b")


def test_the_box_holds_the_keypoints_that_are_sure_enough():
    rows = outputs_of((0.5, 0.25, 0.9), (0.75, 0.5, 0.29))
    np.testing.assert_allclose(decode(rows, SPEC, LETTERBOX).boxes, [(50, 50, 50, 50)])
    result = decode(rows, SPEC, LETTERBOX, keypoint_score=0.25)
    np.testing.assert_allclose(result.boxes, [(50, 50, 100, 100)])


@pytest.mark.parametrize(
    ("scores", "count"), [((0.1, 0.3), 1), ((0.1, 0.28), 0), ((np.nan, 0.9), 0)], ids=str
)
def test_nobody_is_there_below_the_threshold(scores, count):
    rows = outputs_of(*((0.5, 0.5, score) for score in scores))
    assert len(decode(rows, SPEC, LETTERBOX)) == count


def test_another_number_of_rows_is_refused():
    with pytest.raises(SpecError, match="each of 2 keypoints"):
        decode(outputs_of((0.5, 0.25, 0.9)), SPEC, LETTERBOX)


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.parametrize(
    ("runtime", "fit", "worst"),
    # one point's heatmap jumps: OpenVINO gives .019 at worst on a processor with VNNI, .042 without
    [("openvino", "stretch", 0.045), ("tflite", "stretch", 0.03), ("tflite", "letterbox", 0.04)],
    ids=lambda value: str(value),
)
def test_keypoints_agree_with_corals_published_ones(zoo, data, runtime, fit, worst):
    """Coral's own run shrank the picture to a square; the file's coarse steps do the rest."""
    published = data / "golden" / "movenet_single_pose_lightning_ptq_reference.csv"
    rows = list(csv.DictReader(published.read_text().splitlines()))
    wanted = np.array([(row["keypoint_x"], row["keypoint_y"]) for row in rows], float)
    image = edgecv.read_image(data / "golden" / "squat.bmp")
    spec = {"input": {"fit": fit}}
    with edgecv.load("movenet_lightning_int8", device="cpu", runtime=runtime, spec=spec) as model:
        result = model(image)
    assert len(result) == 1
    assert result.names == COCO_17
    error = np.abs(result.keypoints[0] / image.shape[1::-1] - wanted)
    assert error.max() <= worst
    assert error.mean() <= 0.011


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
def test_keypoints_on_cocos_people_reach_the_reference_similarity(zoo, data):
    folder = data / "coco_eval"
    table = json.loads((folder / "person_keypoints.json").read_text())
    files = {image["id"]: folder / "images" / image["file_name"] for image in table["images"]}
    people = sorted(
        (p for p in table["annotations"] if p["num_keypoints"] >= 8), key=lambda p: p["image_id"]
    )
    similarities, at, image = [], None, np.zeros(0)
    with edgecv.load("movenet_lightning_int8", device="cpu", score=0) as model:
        for person in people:
            if person["image_id"] != at:
                at = person["image_id"]
                image = edgecv.read_image(files[at])
            x, y, width, height = person["bbox"]
            box = np.array((x, y, x + width, y + height))
            found = model(image, person_region(box, Size(*image.shape[:2])))
            points = np.array(person["keypoints"], float).reshape(-1, 3)
            seen = points[:, 2] > 0
            distance = ((found.keypoints[0] - points[:, :2])[seen] ** 2).sum(axis=1)
            spread = 2 * (2 * SIGMAS[seen]) ** 2 * person["area"]
            similarities.append(np.exp(-distance / spread).mean())
    assert len(similarities) == 302
    assert np.mean(similarities) >= 0.695  # .704 measured
