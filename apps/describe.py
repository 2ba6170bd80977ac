"""Results in a line of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edgecv.drawing import KEYPOINT_SCORE
from edgecv.results import Classes, Detections, Embedding, Faces, Mask, Poses, Result
from edgecv.types import Array

MOST = 8
"""Things that a line names; the others are counted."""


def describe(result: Result) -> str:
    """Return what was found, and how long it took, in a line for people."""
    text = _WORDS[type(result)](result)
    return f"{text}  [{result.run.latency_ms.total:.1f} ms]" if result.run else text


def _listed(parts: Iterable[str], nothing: str) -> str:
    words = list(parts)
    more = [f"and {len(words) - MOST} more"] if len(words) > MOST else []
    return ", ".join(words[:MOST] + more) or nothing


def _place(box: Array) -> str:
    x0, y0, x1, y1 = (round(value) for value in box.tolist())
    return f"({x0},{y0} {x1 - x0}x{y1 - y0})"


def _detections(found: Detections) -> str:
    rows = zip(found.names, found.scores, found.boxes, strict=True)
    return _listed((f"{n} {s:.2f} {_place(b)}" for n, s, b in rows), "nothing found")


def _poses(found: Poses) -> str:
    seen = (found.keypoint_scores >= KEYPOINT_SCORE).sum(axis=1)
    points = found.keypoints.shape[1]
    rows = zip(found.scores, found.boxes, seen, strict=True)
    return _listed(
        (f"person {s:.2f} {_place(b)} {k}/{points} keypoints" for s, b, k in rows), "nobody found"
    )


def _faces(found: Faces) -> str:
    return _listed(
        (
            f"{_identity(found, i)} {_place(found.boxes[i])}"
            for i in range(len(found))
        ),
        "no face found",
    )  # fmt: skip


def _identity(found: Faces, i: int) -> str:
    if np.isnan(found.similarity[i]):
        return f"face {found.scores[i]:.2f}"
    return f"{found.names[i] or 'unknown'} {found.similarity[i]:.2f}"


def _classes(found: Classes) -> str:
    rows = found.to_dict()["classes"]
    return _listed((f"{row['label']} {row['score']:.2f}" for row in rows), "nothing sure enough")


def _mask(found: Mask) -> str:
    rows = found.to_dict()["segments"]
    return _listed((f"{row['label']} {row['fraction']:.1%}" for row in rows), "nothing found")


def _embedding(found: Embedding) -> str:
    return f"a face in {len(found.vector)} numbers"


_WORDS: dict[type, Callable[[Any], str]] = {
    Classes: _classes,
    Detections: _detections,
    Embedding: _embedding,
    Faces: _faces,
    Mask: _mask,
    Poses: _poses,
}
