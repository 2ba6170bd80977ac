"""Which faces are fit to be enrolled, and what is said of those that are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgecv
from edgecv.align import ARCFACE_112
from edgecv.enrolment import EnrolmentLimits, face_quality, face_to_enroll
from edgecv.errors import EnrolmentError
from edgecv.results import Faces
from edgecv.types import Array, FloatArray, Image, Size

TEMPLATE = np.array(ARCFACE_112, np.float32)
EYES = float(np.linalg.norm(TEMPLATE[1] - TEMPLATE[0]))


def noise(side: int = 300, blur: float = 1.0) -> Image:
    """Return a picture of spots, sharp unless blurred more."""
    picture = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), blur), np.uint8)


def face(scale: float = 1.0, at: tuple[float, float] = (20, 20)) -> tuple[list[float], FloatArray]:
    """Return a box and five points of a face from the front."""
    x, y = at
    return [x, y, x + 112 * scale, y + 112 * scale], TEMPLATE * scale + np.float32([x, y])


def faces(*given: tuple[list[float], FloatArray]) -> Faces:
    return Faces(
        frame=Size(300, 300),
        boxes=np.array([box for box, _ in given], np.float32).reshape(-1, 4),
        scores=np.full(len(given), 0.9, np.float32),
        landmarks=np.array([points for _, points in given], np.float32).reshape(-1, 5, 2),
    )


def test_one_good_face_is_taken() -> None:
    assert face_to_enroll(noise(), faces(face())) == 0


def test_the_measures_are_those_of_the_geometry() -> None:
    quality = face_quality(noise(), face(1.5)[1])
    assert quality.eye_distance == pytest.approx(1.5 * EYES, rel=1e-5)
    assert quality.turn == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("angle", [0, 30, 90, -120])
@pytest.mark.parametrize("aside", [0.0, 0.2, -0.5])
def test_the_turn_is_the_noses_offset_however_the_head_is_tilted(
    aside: float, angle: float
) -> None:
    points = TEMPLATE.copy()
    points[2] += [aside * EYES, 0]
    turned = cv2.transform(points[None], cv2.getRotationMatrix2D((56, 56), angle, 2.0))[0]
    assert face_quality(noise(), turned).turn == pytest.approx(abs(aside), abs=0.01)


def test_blur_lowers_the_sharpness() -> None:
    values = [face_quality(noise(blur=s), face()[1]).sharpness for s in (0.8, 1.5, 3.0, 6.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 20 < values[0]


def moved_nose(by: float) -> tuple[list[float], FloatArray]:
    box, points = face()
    points[2, 0] += by * EYES
    return box, points


UNFIT: dict[str, tuple[Image, Faces, str]] = {
    "no face": (noise(), faces(), "no face was found"),
    "two faces alike": (noise(), faces(face(), face(0.9, (150, 150))), "there are 2 faces"),
    "three, two large": (
        noise(),
        faces(face(0.3), face(1.2, (0, 160)), face(1.0, (160, 160))),
        "there are 3 faces",
    ),
    "small": (noise(), faces(face(20 / EYES)), "too small: the eyes are 20 pixels apart"),
    "turned": (noise(), faces(moved_nose(0.6)), "turned away"),
    "turned the other way": (noise(), faces(moved_nose(-0.6)), "turned away"),
    "blurred": (noise(blur=6), faces(face()), "blurred"),
    "flat": (np.full((300, 300, 3), 90, np.uint8), faces(face()), "its sharpness is 0"),
}


@pytest.mark.parametrize(("image", "found", "says"), UNFIT.values(), ids=UNFIT)
def test_an_unfit_picture_is_refused_with_the_reason(image: Image, found: Faces, says: str) -> None:
    with pytest.raises(EnrolmentError, match=says):
        face_to_enroll(image, found)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=str)
def test_a_face_four_times_as_large_as_the_next_is_taken(order: tuple[int, int]) -> None:
    given = [face(1.0), face(0.49, (200, 200))]
    found = faces(*(given[at] for at in order))
    assert face_to_enroll(noise(), found) == order.index(0)


@pytest.mark.parametrize(
    "limits",
    [
        EnrolmentLimits(dominance=1.0),
        EnrolmentLimits(eye_distance=5),
        EnrolmentLimits(turn=1.0),
        EnrolmentLimits(sharpness=0),
    ],
    ids=["dominance", "eye_distance", "turn", "sharpness"],
)
def test_every_limit_can_be_changed(limits: EnrolmentLimits) -> None:
    cases = {
        "dominance": "two faces alike",
        "eye_distance": "small",
        "turn": "turned",
        "sharpness": "blurred",
    }
    changed = next(n for n in cases if getattr(limits, n) != getattr(EnrolmentLimits(), n))
    image, found, _ = UNFIT[cases[changed]]
    assert face_to_enroll(image, found, limits=limits) == 0


def test_faces_of_other_points_are_a_callers_mistake() -> None:
    six = np.zeros((1, 6, 2), np.float32)
    found = replace(faces(face()), landmarks=six, points=tuple("abcdef"))
    with pytest.raises(ValueError, match="wanted faces with the points"):
        face_to_enroll(noise(), found)


@pytest.mark.zoo
@pytest.mark.data
def test_photographs_pass_and_blurred_or_shrunk_ones_do_not(zoo: Path, data: Path) -> None:
    images = sorted((data / "lfw_eval" / "images").glob("*/*.jpg"))[::20]
    with edgecv.load("yunet_n_320", device="cpu") as detector:

        def fit(image: Array) -> str:
            found = detector(np.asarray(image, np.uint8))
            assert isinstance(found, Faces)
            try:
                face_to_enroll(image, found)
            except EnrolmentError as error:
                return str(error)
            return ""

        photographs = [edgecv.read_image(image) for image in images]
        plain = [fit(image) for image in photographs]
        single = [image for image, why in zip(photographs, plain, strict=True) if not why]
        blurred = [fit(cv2.GaussianBlur(image, (0, 0), 4)) for image in single]
        small = [fit(cv2.resize(image, None, fx=0.4, fy=0.4)) for image in single]
    assert len(single) > 0.7 * len(photographs)
    others = [why for why in plain if why and "there are" not in why]
    assert len(others) < 0.1 * len(photographs), others
    assert np.mean(["blurred" in why for why in blurred]) > 0.9
    assert np.mean(["too small" in why for why in small]) > 0.9
