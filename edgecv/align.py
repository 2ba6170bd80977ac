"""Five-point alignment: a face turned, scaled and moved to where an embedding model expects it."""

from __future__ import annotations

import cv2
import numpy as np

from edgecv.types import Array, FloatArray, Image, Size

ARCFACE_112 = (
    *((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366)),
    *((41.5493, 92.3655), (70.7299, 92.2041)),
)
"""Left eye, right eye, nose, left and right mouth corner, (x, y) in a 112x112 crop.
Source: the template of ArcFace (Deng et al. 2019) as published with its code."""


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
        ValueError: The shapes differ, or the source points all coincide.
    """
    a, b = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if a.shape != b.shape or a.ndim != 2 or a.shape[1] != 2 or len(a) < 2:
        raise ValueError(f"wanted two (N, 2) sets of points, got {a.shape} and {b.shape}")
    mean_a, mean_b = a.mean(0), b.mean(0)
    variance = ((a - mean_a) ** 2).sum() / len(a)
    if not variance > 0 or not np.isfinite(variance):
        raise ValueError("the source points all coincide or are not finite")
    u, d, vt = np.linalg.svd((b - mean_b).T @ (a - mean_a) / len(a))
    sign = np.array([1.0, np.sign(np.linalg.det(u) * np.linalg.det(vt)) or 1.0])
    rotation = u @ np.diag(sign) @ vt
    scale = float((d * sign).sum() / variance)
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
    """
    wanted = np.asarray(ARCFACE_112 if template is None else template, np.float32)
    matrix = similarity_transform(landmarks, wanted)
    crop = cv2.warpAffine(image, matrix, (size.width, size.height), flags=cv2.INTER_LINEAR)
    return np.asarray(crop, np.uint8)
