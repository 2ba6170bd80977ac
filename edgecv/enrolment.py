"""Whether a picture shows one face that is fit to know its owner by, and which.

The limits were measured on `lfw_eval`: 300 pairs of pictures of the same person (Labeled Faces in
the Wild, eyes 43 pixels apart), one of each pair made worse, and how similar the pair then still
was to mobilefacenet_int8 and to face-reidentification-retail-0095_int8. Missed are the pairs below
the threshold that one in a thousand pairs of different people passes, 5 % and 2 % of the pairs as
they are.

| made worse | mean cosine | missed |
|---|---|---|
| not at all | .63, .68 | 5 %, 2 % |
| eyes 24 pixels apart | .62, .67 | 5 %, 2 % |
| eyes 16 pixels apart | .60, .66 | 9 %, 2 % |
| eyes 10 pixels apart | .53, .58 | 17 %, 6 % |
| sharpness 30 to 60 (by a Gaussian blur) | .60, .67 | 10 %, 2 % |
| sharpness 20 to 30 | .57, .65 | 14 %, 3 % |
| sharpness 10 to 15 | .49, .58 | 27 %, 8 % |
| sharpness 5 to 10 | .36, .46 | 57 %, 25 % |
| not at all, turned by more than 0.4 (9 pairs only) | .55, .62 | 22 %, 11 % |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from edgecv.align import align_face
from edgecv.boxes import area
from edgecv.errors import EnrolmentError
from edgecv.labels import FACE_5
from edgecv.results import Faces
from edgecv.types import Array, Image


@dataclass(frozen=True, kw_only=True)
class EnrolmentLimits:
    """What a face has to be like to be enrolled.

    Attributes:
        dominance: Of several faces the largest is taken if its box has this many times the area
            of the next one.
        eye_distance: The least distance between the eyes, in pixels of the picture.
        sharpness: The least `FaceQuality.sharpness`.
        turn: The largest `FaceQuality.turn`.
    """

    dominance: float = 4.0
    eye_distance: float = 24.0
    sharpness: float = 20.0
    turn: float = 0.4


class FaceQuality(NamedTuple):
    """What can be measured of a face without knowing whose it is.

    Attributes:
        eye_distance: Between the eyes, in pixels of the picture.
        sharpness: The variance of the Laplacian of the grey face, aligned to 112x112. Source:
            Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.
        turn: How far the nose lies beside the line from between the eyes to the middle of the
            mouth, in eye distances: near 0 for a face from the front.
    """

    eye_distance: float
    sharpness: float
    turn: float


LIMITS = EnrolmentLimits()


def face_quality(image: Image, landmarks: Array) -> FaceQuality:
    """Measure one face.

    Args:
        image: uint8 (H, W, 3), BGR.
        landmarks: float32 (5, 2), the points of `edgecv.labels.FACE_5`, x then y, in pixels.

    Raises:
        ValueError: The points are not five, all coincide, or are not finite.
    """
    crop = align_face(image, landmarks)
    left, right, nose, *mouth = np.asarray(landmarks, np.float64)
    eyes = right - left
    distance = float(np.linalg.norm(eyes))
    middle = ((left + right) / 2 + (mouth[0] + mouth[1]) / 2) / 2
    beside = float(abs((nose - middle) @ eyes)) / max(distance, 1e-6) ** 2
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    return FaceQuality(distance, float(cv2.Laplacian(grey, cv2.CV_64F).var()), beside)


def face_to_enroll(image: Image, faces: Faces, *, limits: EnrolmentLimits = LIMITS) -> int:
    """Return the index of the one face that is fit to be enrolled.

    Args:
        image: uint8 (H, W, 3), BGR: the picture that the faces were found in.
        faces: N faces, with the five points.
        limits: What the face has to be like.

    Raises:
        EnrolmentError: There is no such face; the message says why, and what to do.
        ValueError: The faces lack the five points.
    """
    if len(faces) and faces.points != FACE_5:
        raise ValueError(
            f"wanted faces with the points {FACE_5}, got {faces.points}: detect them with a model "
            "such as yunet_n_320"
        )
    index = _largest(faces, limits.dominance)
    problem = _problem(face_quality(image, faces.landmarks[index]), limits)
    if problem:
        raise EnrolmentError(problem)
    return index


def _largest(faces: Faces, dominance: float) -> int:
    if not len(faces):
        raise EnrolmentError(
            "no face was found: take a picture of the face from the front, evenly lit, that fills "
            "at least a tenth of the picture's height"
        )
    areas = area(faces.boxes)
    order = np.argsort(-areas, kind="stable")
    if len(order) > 1 and areas[order[0]] < dominance * areas[order[1]]:
        raise EnrolmentError(
            f"there are {len(order)} faces, and the largest has less than {dominance:g} times the "
            "area of the next: it is not clear who is meant, cut one face out"
        )
    return int(order[0])


def _problem(quality: FaceQuality, limits: EnrolmentLimits) -> str:
    """Return why a face is not fit, and what to do; empty when it is."""
    if quality.eye_distance < limits.eye_distance:
        return (
            f"the face is too small: the eyes are {quality.eye_distance:.0f} pixels apart, at "
            f"least {limits.eye_distance:g} are wanted; go nearer, or take a larger picture"
        )
    if quality.turn > limits.turn:
        return (
            f"the face is turned away: the nose lies {quality.turn:.2f} eye distances beside the "
            f"middle, at most {limits.turn:g} are wanted; look into the camera"
        )
    if quality.sharpness < limits.sharpness:
        return (
            f"the face is blurred: its sharpness is {quality.sharpness:.0f}, at least "
            f"{limits.sharpness:g} is wanted; hold still, focus, and have more light"
        )
    return ""
