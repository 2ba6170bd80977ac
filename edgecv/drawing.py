"""Results on pictures: boxes, skeletons, faces, class maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from edgecv.image import as_bgr
from edgecv.results import Classes, Detections, Embedding, Faces, Mask, Poses, Result
from edgecv.types import Array, Image

KEYPOINT_SCORE = 0.3
"""Keypoints less sure than this are not drawn."""

_GOLDEN = (
    0.61803398875  # steps of the golden ratio round the colour wheel never come near each other
)


def color_of(number: int) -> tuple[int, int, int]:
    """Return a well-visible BGR colour that differs from those of the neighbouring numbers."""
    hue = int(number * _GOLDEN % 1 * 180)
    b, g, r = cv2.cvtColor(np.array([[[hue, 200, 235]]], np.uint8), cv2.COLOR_HSV2BGR)[
        0, 0
    ].tolist()
    return int(b), int(g), int(r)


def draw(result: Result, image: Image) -> Image:
    """Return a copy of `image` with `result` drawn on it.

    Args:
        result: Any result; its frame has to be of the image's size.
        image: uint8 (H, W, 3), BGR.

    Raises:
        ValueError: The image is not of the size of the result's frame.
    """
    canvas = as_bgr(image).copy()
    if canvas.shape[:2] != result.frame:
        raise ValueError(f"the result belongs to a frame of {result.frame}, got {canvas.shape[:2]}")
    _DRAW[type(result)](result, canvas)
    return canvas


def _thickness(canvas: Image) -> int:
    return max(2, int(min(canvas.shape[:2])) // 256)


def label(canvas: Image, text: str, x: float, y: float, color: tuple[int, int, int]) -> None:
    """Write `text` on a filled box whose lower left corner is at (x, y), inside the canvas."""
    scale = max(0.4, min(canvas.shape[:2]) / 900)
    font, thick = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(scale * 1.4))
    (width, height), base = cv2.getTextSize(text, font, scale, thick)
    left = int(min(max(x, 0), max(canvas.shape[1] - width - 4, 0)))
    low = int(min(max(y, height + base + 4), canvas.shape[0]))
    cv2.rectangle(
        canvas, (left, low - height - base - 4), (left + width + 4, low), color, cv2.FILLED
    )
    ink = (0, 0, 0) if sum(color) > 380 else (255, 255, 255)
    cv2.putText(canvas, text, (left + 2, low - base - 1), font, scale, ink, thick, cv2.LINE_AA)


def _box(canvas: Image, box: Array, text: str, color: tuple[int, int, int]) -> None:
    x0, y0, x1, y1 = (round(value) for value in box.tolist())
    cv2.rectangle(canvas, (x0, y0), (x1, y1), color, _thickness(canvas) + 1, cv2.LINE_AA)
    label(canvas, text, x0, y0, color)


def _detections(result: Detections, canvas: Image) -> None:
    for i in range(len(result) - 1, -1, -1):  # the surest on top
        text = f"{result.names[i]} {result.scores[i]:.2f}"
        number = int(result.class_ids[i])
        if result.track_ids[i] >= 0:
            number = int(result.track_ids[i])
            text = f"#{number} {text}"
        _box(canvas, result.boxes[i], text, color_of(number))


def _faces(result: Faces, canvas: Image) -> None:
    for i in range(len(result) - 1, -1, -1):
        asked = not np.isnan(result.similarity[i])
        text = f"{result.scores[i]:.2f}"
        if asked:
            text = f"{result.names[i] or 'unknown'} {result.similarity[i]:.2f}"
        color = color_of(7) if not asked else color_of(3 if result.names[i] else 0)
        _box(canvas, result.boxes[i], text, color)
        for x, y in result.landmarks[i].tolist():
            cv2.circle(canvas, (round(x), round(y)), _thickness(canvas) + 1, color, cv2.FILLED)


def _poses(result: Poses, canvas: Image) -> None:
    radius = _thickness(canvas) + 2
    for i in range(len(result)):
        points = [tuple(round(v) for v in xy) for xy in result.keypoints[i].tolist()]
        seen = result.keypoint_scores[i] >= KEYPOINT_SCORE
        for number, (a, b) in enumerate(result.skeleton):
            if seen[a] and seen[b]:
                cv2.line(canvas, points[a], points[b], color_of(number), radius - 1, cv2.LINE_AA)
        for k in np.flatnonzero(seen).tolist():
            cv2.circle(canvas, points[k], radius, (255, 255, 255), cv2.FILLED, cv2.LINE_AA)
            cv2.circle(canvas, points[k], radius - 1, color_of(k), cv2.FILLED, cv2.LINE_AA)


def _classes(result: Classes, canvas: Image) -> None:
    line = max(18, canvas.shape[0] // 24)
    for i, entry in enumerate(result.to_dict()["classes"][:5]):
        text = f"{entry['label']} {entry['score']:.2f}"
        label(canvas, text, 0, line * (i + 1), color_of(entry["class_id"]))


def _mask(result: Mask, canvas: Image) -> None:
    palette = np.array([(0, 0, 0), *(color_of(c) for c in range(1, 256))], np.uint8)
    tinted = cv2.addWeighted(canvas, 0.4, palette[result.class_map], 0.6, 0)
    np.copyto(canvas, tinted, where=(result.class_map > 0)[..., None])
    for i, segment in enumerate(s for s in result.to_dict()["segments"] if s["class_id"]):
        text = f"{segment['label']} {segment['fraction']:.0%}"
        label(
            canvas, text, 0, max(18, canvas.shape[0] // 24) * (i + 1), color_of(segment["class_id"])
        )


def _nothing(result: Embedding, canvas: Image) -> None:
    """Leave the picture as it is: an embedding has no place in it."""


_DRAW: dict[type, Callable[[Any, Image], None]] = {
    Classes: _classes,
    Detections: _detections,
    Embedding: _nothing,
    Faces: _faces,
    Mask: _mask,
    Poses: _poses,
}
