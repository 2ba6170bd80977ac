from __future__ import annotations

import numpy as np
import pytest

from edgecv.image import Plan
from edgecv.spec import FITS, InputSpec
from edgecv.training.data.geometry import (
    INPUT,
    Survival,
    about,
    boxes_moved,
    chained,
    fit,
    mirror_order,
    moved,
    region_to_input,
    tensors,
    warp,
)
from edgecv.training.data.samples import Sample
from edgecv.types import Size, TensorSpec

SIZE = Size(64, 96)
MIRROR = np.array([[-1.0, 0, 96], [0, 1, 0]])


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


SPECS = {
    "ours": INPUT,
    **{fit_: InputSpec(fit=fit_, pad=114, mean=(123, 116, 103), std=(58,) * 3) for fit_ in FITS},
    "zoomed": InputSpec(fit="crop", zoom=0.875),
    "bgr": InputSpec(color="bgr", mean=(1, 2, 3), std=(4, 5, 6)),
    "grey": InputSpec(color="grey", mean=(0,), std=(255,)),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("shape", [(64, 96), (200, 150), (37, 201), (30, 30)], ids=str)
def test_validation_sees_exactly_what_inference_sees(
    spec: InputSpec, shape: tuple[int, int]
) -> None:
    image = noise(*shape)
    channels = 1 if spec.color == "grey" else 3
    tensor = TensorSpec("input", (1, *SIZE, channels), np.dtype(np.float32))
    expected, _ = Plan(spec, tensor)(image)
    ours = tensors([fit(Sample(image), SIZE, spec)], spec)
    assert ours.dtype == np.float32
    assert ours.tobytes() == expected.tobytes()


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_marks_of_validation_go_where_inference_would_look_for_them(spec: InputSpec) -> None:
    image = noise(100, 300)
    tensor = TensorSpec("input", (1, *SIZE, 1 if spec.color == "grey" else 3), np.dtype(np.float32))
    placement = Plan(spec, tensor)(image)[1]
    box = np.array([[120, 20, 180, 60]], np.float32)
    points = np.array([[[150, 40, 2]]], np.float32)
    sample = fit(
        Sample(image, boxes=box, classes=np.zeros(1, np.int64), keypoints=points), SIZE, spec
    )
    assert placement.boxes_to_frame(sample.boxes) == pytest.approx(box, abs=1e-3)
    assert placement.points_to_frame(sample.keypoints[0, :, :2]) == pytest.approx(
        points[0, :, :2], abs=1e-3
    )


@pytest.mark.parametrize("fit_", FITS)
def test_an_undisturbed_warp_is_the_picture_of_inference(fit_: str) -> None:
    spec = InputSpec(fit=fit_, pad=9)
    y, x = np.mgrid[:100, :300]
    image = np.stack((x * 0.8, y * 2, x * 0.3 + y), -1).astype(np.uint8)  # smooth: no aliasing
    expected = fit(Sample(image), SIZE, spec).image
    ours = warp(image, region_to_input((0, 0, 300, 100), SIZE, spec), SIZE, fill=9)
    inside = (expected != 9).all(-1) & (ours != 9).all(-1)
    inside[[0, -1]] = inside[:, [0, -1]] = False
    assert inside.mean() > 0.3
    assert np.abs(expected.astype(int) - ours)[inside].max() <= 3


def test_a_mirror_is_exact_and_keeps_every_pixel() -> None:
    image = noise(64, 96)
    assert (warp(image, MIRROR, SIZE, fill=0) == image[:, ::-1]).all()


def test_turning_by_a_right_angle_moves_corners_to_corners() -> None:
    turn = about(np.array([[0.0, -1], [1, 0]]), (32, 32))
    image = noise(64, 64)
    assert (warp(image, turn, Size(64, 64), fill=0) == np.rot90(image, -1)).all()


def test_chained_maps_do_the_first_one_first() -> None:
    first, second = about(np.diag((2.0, 3.0)), (1, 1)), np.array([[0.0, 1, 5], [-1, 0, 7]])
    point = np.array([3.0, 4.0, 1])
    step = np.append(first @ point, 1)
    assert chained(second, first) @ point == pytest.approx(second @ step)


@pytest.mark.parametrize(
    ("box", "kept"),
    [
        ((10, 10, 30, 30), True),
        ((-14, 10, 6, 30), True),  # 30 % are left
        ((-15, 10, 5, 30), False),  # 25 %
        ((100, 10, 120, 30), False),
        ((10, 10, 11.5, 30), False),  # too thin
        ((-500, -500, 500, 500), False),  # larger than all that is seen
    ],
)
def test_boxes_survive_while_enough_of_them_is_left(box: tuple, kept: bool) -> None:
    boxes, alive = boxes_moved(
        np.array([box], np.float32), np.eye(3)[:2], SIZE, Survival(visible=0.3, side=2)
    )
    assert alive.tolist() == [kept]
    assert boxes.dtype == np.float32
    assert (boxes >= 0).all()
    assert (boxes <= (96, 64, 96, 64)).all()


@pytest.mark.parametrize(("angle", "half"), [(0, (20, 10)), (90, (10, 20)), (45, (15.81, 15.81))])
def test_a_turned_box_holds_the_turned_ellipse(angle: float, half: tuple[float, float]) -> None:
    radians = np.deg2rad(angle)
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    boxes, _ = boxes_moved(
        np.array([[20, 30, 60, 50]], np.float32), about(turn, (40, 40)), Size(80, 80), Survival()
    )
    x, y = half
    assert boxes[0] == pytest.approx((40 - x, 40 - y, 40 + x, 40 + y), abs=0.01)


NAMES = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")


def test_a_mirror_changes_left_and_right_keypoints() -> None:
    points = np.array([[[50, 9, 2], [40, 5, 2], [60, 5, 1], [30, 8, 0], [95, 8, 2]]], np.float32)
    sample = Sample(noise(64, 96), keypoints=points)
    out = moved(sample, sample.image, MIRROR, keypoints=NAMES).keypoints[0]
    assert out.tolist() == [[46, 9, 2], [36, 5, 1], [56, 5, 2], [1, 8, 2], [0, 0, 0]]
    twice = moved(Sample(sample.image, keypoints=out[None]), sample.image, MIRROR, keypoints=NAMES)
    assert (twice.keypoints[0, :3] == points[0, :3]).all()


def test_a_mirror_of_unnamed_keypoints_is_refused() -> None:
    sample = Sample(noise(64, 96), keypoints=np.ones((1, 5, 3), np.float32))
    with pytest.raises(ValueError, match="wanted names of 5 keypoints, got 0"):
        moved(sample, sample.image, MIRROR)
    assert len(moved(sample, sample.image, np.eye(3)[:2]).keypoints) == 1


def test_names_without_a_counterpart_stay() -> None:
    assert mirror_order(("left_eye", "nose", "tail"), 3) == (0, 1, 2)
    assert mirror_order(NAMES, 5) == (0, 2, 1, 4, 3)


def test_keypoints_outside_lose_their_mark_and_dropped_boxes_their_keypoints() -> None:
    boxes = np.array([[0, 0, 20, 20], [80, 0, 96, 20]], np.float32)
    points = np.array([[[10, 10, 2], [20, 10, 2]], [[85, 5, 2], [90, 5, 2]]], np.float32)
    sample = Sample(noise(64, 96), boxes=boxes, classes=np.array([3, 4]), keypoints=points)
    out = moved(sample, sample.image, np.array([[1.0, 0, 80], [0, 1, 0]]))
    assert out.boxes.tolist() == [[80, 0, 96, 20]]
    assert out.classes.tolist() == [3]
    assert out.keypoints.tolist() == [[[90, 10, 2], [0, 0, 0]]]


def test_a_mask_moves_with_its_picture_and_is_ignored_where_there_is_none() -> None:
    mask = np.zeros((64, 96), np.uint8)
    mask[10:20, 30:50] = 7
    sample = Sample(noise(64, 96), mask=mask)
    out = moved(sample, sample.image, np.array([[1.0, 0, 10], [0, 1, -10]])).mask
    assert out is not None
    assert (out[0:10, 40:60] == 7).all()
    assert (out == 7).sum() == 200
    assert (out[:, :10] == 255).all()
    assert (out[-10:] == 255).all()
