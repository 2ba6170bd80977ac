import cv2
import numpy as np
import pytest

from edgecv.align import ARCFACE_112, align_face, similarity_transform
from edgecv.types import Size

TEMPLATE = np.array(ARCFACE_112, np.float32)


def turn(degrees, scale, shift):
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack((scale * rotation, shift))


def moved(points, matrix):
    return points @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize("degrees", [0, 30, -90, 179])
@pytest.mark.parametrize("scale", [0.1, 1.0, 7.5])
@pytest.mark.parametrize("shift", [(0, 0), (-300, 1200)], ids=str)
def test_a_turn_scale_and_shift_are_found_exactly(degrees, scale, shift):
    wanted = turn(degrees, scale, shift)
    found = similarity_transform(TEMPLATE, moved(TEMPLATE, wanted))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)
    assert found.dtype == np.float32


@pytest.mark.parametrize("count", [2, 3, 40])
def test_any_number_of_points_from_two_will_do(count):
    points = np.random.default_rng(count).normal(0, 50, (count, 2))
    wanted = turn(25, 1.5, (3, 4))
    np.testing.assert_allclose(
        similarity_transform(points, moved(points, wanted)), wanted, rtol=1e-4, atol=1e-3
    )


def test_points_on_a_line_will_do():
    points = np.array([(0, 0), (1, 2), (3, 6)], float)
    wanted = turn(-40, 2, (5, 5))
    np.testing.assert_allclose(
        similarity_transform(points, moved(points, wanted)), wanted, rtol=1e-5, atol=1e-5
    )


def test_the_fit_is_the_best_in_the_sense_of_least_squares():
    rng = np.random.default_rng(0)
    target = moved(TEMPLATE, turn(10, 0.7, (20, 30))) + rng.normal(0, 2, (5, 2))
    found = similarity_transform(TEMPLATE, target)
    least = ((moved(TEMPLATE, found) - target) ** 2).sum()
    for _ in range(50):
        degrees, scale, x, y = rng.normal(0, [0.5, 0.01, 0.5, 0.5])
        near = turn(degrees, 1 + scale, (0, 0))[:, :2] @ found[:, :2]
        other = np.column_stack((near, found[:, 2] + (x, y)))
        assert ((moved(TEMPLATE, other) - target) ** 2).sum() >= least * 0.999


def test_a_mirrored_face_is_turned_and_scaled_but_never_reflected():
    found = similarity_transform(TEMPLATE * (-1, 1), TEMPLATE)
    assert np.linalg.det(found[:, :2]) > 0


def test_points_that_only_a_reflection_brings_near_are_refused():
    square = np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)], float)
    with pytest.raises(ValueError, match="left and right swapped"):
        similarity_transform(square, square * (-1, 1))


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (np.ones((5, 2)), TEMPLATE),
        (TEMPLATE, np.ones((5, 2))),
        (np.full((5, 2), np.nan), TEMPLATE),
        (TEMPLATE, TEMPLATE * np.inf),
    ],
    ids=["source coincides", "target coincides", "source no numbers", "target endless"],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_degenerate_points_are_refused(source, target):
    with pytest.raises(ValueError, match="coincide or are not finite"):
        similarity_transform(source, target)


@pytest.mark.parametrize(
    ("source", "target"),
    [(TEMPLATE, TEMPLATE[:4]), (TEMPLATE[:1], TEMPLATE[:1]), (np.ones((5, 3)), np.ones((5, 3)))],
    ids=["counts differ", "one point", "three coordinates"],
)
def test_other_shapes_are_refused(source, target):
    with pytest.raises(ValueError, match=r"wanted two \(N, 2\) sets"):
        similarity_transform(source, target)


def face_picture():
    """A smooth picture of 112x112 that differs everywhere."""
    noise = np.random.default_rng(1).integers(0, 256, (14, 14, 3), np.uint8)
    return cv2.GaussianBlur(cv2.resize(noise, (112, 112), interpolation=cv2.INTER_CUBIC), (0, 0), 2)


@pytest.mark.parametrize("degrees", [0, 20, -75, 180])
@pytest.mark.parametrize("scale", [1.0, 1.6, 3.0])
def test_a_turned_and_scaled_face_is_brought_back(degrees, scale):
    face = face_picture()
    there = turn(degrees, scale, (0, 0))
    there[:, 2] = 250 - there[:, :2] @ (56, 56)
    scene = cv2.warpAffine(face, there, (500, 500), flags=cv2.INTER_CUBIC)
    crop = align_face(scene, moved(TEMPLATE, there))
    difference = np.abs(crop.astype(int) - face)[8:-8, 8:-8]
    assert crop.shape == (112, 112, 3)
    assert difference.mean() < 2.5
    assert difference.max() < 25


def test_template_and_size_can_be_chosen():
    image = np.zeros((200, 200, 3), np.uint8)
    landmarks = TEMPLATE + 40
    for x, y in landmarks:
        cv2.circle(image, (round(float(x)), round(float(y))), 3, (255, 255, 255), -1)
    narrow = TEMPLATE - (8, 0)
    crop = align_face(image, landmarks, template=narrow, size=Size(112, 96))
    assert crop.shape == (112, 96, 3)
    for x, y in narrow:
        assert crop[round(float(y)), round(float(x))].min() > 200


def test_where_the_picture_ends_the_crop_is_black():
    white = np.full((112, 112, 3), 255, np.uint8)
    crop = align_face(white, TEMPLATE - (56, 0))
    assert (crop[:, 57:] == 255).all()
    assert (crop[:, :55] == 0).all()


def test_a_large_face_is_shrunk_by_means_so_that_its_noise_is_gone():
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    crop = align_face(noise, TEMPLATE * 8)
    assert abs(crop.mean() - 127.5) < 2
    assert crop.std() < 25  # bilinear sampling alone would leave about 50


def test_a_large_face_lies_where_a_small_one_does():
    face = face_picture()
    large = cv2.resize(face, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    crop = align_face(large, (TEMPLATE + 0.5) * 4 - 0.5)
    assert np.abs(crop.astype(int) - face)[4:-4, 4:-4].mean() < 1.5


def test_a_picture_of_floats_is_refused():
    with pytest.raises(TypeError, match="uint8"):
        align_face(np.zeros((112, 112, 3), np.float32), TEMPLATE)


def test_landmarks_of_another_number_are_refused():
    with pytest.raises(ValueError, match="sets of points"):
        align_face(np.zeros((112, 112, 3), np.uint8), TEMPLATE[:4])
