"""Five-point alignment: a face turned, scaled and moved to where an embedding model expects it."""

from __future__ import annotations

import cv2
import numpy as np

from edgecv.image import as_bgr
from edgecv.types import Array, FloatArray, Image, Size

ARCFACE_112 = (
    *((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366)),
    *((41.5493, 92.3655), (70.7299, 92.2041)),
)
"""Left eye, right eye, nose, left and right mouth corner, (x, y) in a 112x112 crop.
Source: the template of ArcFace (Deng et al. 2019) as published with its code."""

MAX_SHRINK = 8
"""How much too large a large face is cut out at most, before it is shrunk to the crop."""


def similarity_transform(source: Array, target: Array) -> FloatArray:
    """Return the rotation, uniform scale and shift that best take `source` to `target`.

    Source: Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", 1991, equations 38 to 43; no reflection.

    Args:
        source: (N, 2) points, x then y.
        target: (N, 2) points, x then y.

    Returns:
        float32 (2, 3): ``target = M[:, :2] @ source + M[:, 2]``.

    Raises:
        ValueError: The shapes differ, or the points are not finite, all coincide, or are so far
            from each other's shape, as mirror images are, that no turn and scale bring them near.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 2 or len(a) < 2:
        raise ValueError(f"wanted two (N, 2) sets of points, got {a.shape} and {b.shape}")
    mean_a, mean_b = a.mean(0), b.mean(0)
    variance, spread = (a - mean_a).var(0).sum(), (b - mean_b).var(0).sum()
    if not (0 < variance < np.inf and 0 < spread < np.inf):
        raise ValueError("the points all coincide or are not finite")
    u, d, vt = np.linalg.svd((b - mean_b).T @ (a - mean_a) / len(a))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = u @ np.diag(sign) @ vt
    scale = float((d * sign).sum() / variance)
    if not scale > 1e-3 * np.sqrt(spread / variance):
        raise ValueError("no turn and scale bring the points near: are left and right swapped?")
    matrix = np.empty((2, 3), np.float32)
    matrix[:, :2] = scale * rotation
    matrix[:, 2] = mean_b - scale * rotation @ mean_a
    return matrix


def align_face(
    image: Image, landmarks: Array, *, template: Array | None = None, size: Size = Size(112, 112)
) -> Image:
    """Cut a face out of a picture so that its five points lie on a template.

    Args:
        image: uint8 (H, W, 3), BGR.
        landmarks: (5, 2), x then y in pixels of the image: left eye, right eye, nose, left and
            right mouth corner, left and right as seen in the picture.
        template: (5, 2), the same points in pixels of the crop; the default is ArcFace's.
        size: The crop's size.

    Returns:
        uint8 (size.height, size.width, 3), BGR; black where the picture ends.

    Raises:
        TypeError: The image is not an array of bytes.
        ValueError: The points do not fit the template (see `similarity_transform`).
    """
    wanted = np.asarray(ARCFACE_112 if template is None else template, np.float32)
    matrix = similarity_transform(landmarks, wanted).astype(np.float64)
    # A large face is cut out k times too large and shrunk by its areas' means: bilinear sampling
    # alone would skip most of its pixels and keep their noise.
    k = int(np.clip(1 / np.hypot(*matrix[:, 0]), 1, MAX_SHRINK))
    fine = matrix * k
    fine[:, 2] += (k - 1) / 2
    crop = cv2.warpAffine(as_bgr(image), fine, (size.width * k, size.height * k))
    if k > 1:
        crop = cv2.resize(crop, (size.width, size.height), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)
