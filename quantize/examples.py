"""Pictures with what the float and the quantized model say of them, the most unlike ones first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

import cv2
import numpy as np

from edgecv.datasets import BoxedImage, CocoData, LabelledImage, Pair
from edgecv.evaluation.classification import ClassificationEvaluation
from edgecv.evaluation.detection import DetectionEvaluation
from edgecv.evaluation.face_detection import FaceDetectionEvaluation
from edgecv.evaluation.pose import PoseEvaluation
from edgecv.evaluation.record import Evaluation
from edgecv.evaluation.verification import VerificationEvaluation
from edgecv.image import read_image
from edgecv.model import Model
from edgecv.types import Array, Image, Size

COUNT = 6
SIDE = 360
"""Pixels of the longer side in a report."""

_LOST, _WON = 2.0, 1.0
_TURNED = {_LOST: "right in float, wrong in INT8", _WON: "wrong in float, right in INT8"}

Data: TypeAlias = CocoData | Sequence[LabelledImage] | Sequence[BoxedImage] | Sequence[Pair]


class Example(NamedTuple):
    """A picture as two models see it.

    Attributes:
        title: Which one, and what was found.
        before: uint8 (H, W, 3) BGR: with what the float model says drawn on it.
        after: The same with what the quantized model says.
    """

    title: str
    before: Image
    after: Image


class Side(NamedTuple):
    """One of the two models: opened, and what it said of the labelled pictures."""

    model: Model
    evaluation: Evaluation


def examples(data: Data, before: Side, after: Side, *, count: int = COUNT) -> list[Example]:
    """Draw what both models say: of pictures they disagree on, then of others spread over the set.

    Args:
        data: The labelled pictures that both evaluations are of.
        before: The float model.
        after: The quantized one.
        count: How many pictures.

    Raises:
        ImageError: A picture cannot be read.
    """
    items = _items(data)
    change = _change(before, after)
    differ = [int(i) for i in np.argsort(-change, kind="stable")[:count] if change[i] > 0]
    others = [i * len(items) // count for i in range(count)]
    chosen = list(dict.fromkeys([*differ, *others]))[:count]
    return [
        Example(
            _title(items[i], before.evaluation, change[i]),
            *(_drawn(side, items[i], i) for side in (before, after)),
        )
        for i in chosen
    ]


def files_of(data: Data) -> list[Path]:
    """Return the pictures of a labelled set, each once."""
    found = [file for item in _items(data) for file in _files(item)]
    return list(dict.fromkeys(found))


def _items(data: Data) -> Sequence[Any]:
    return data.images if isinstance(data, CocoData) else data


def _files(item: Any) -> tuple[Path, ...]:
    return (item.first, item.second) if isinstance(item, Pair) else (item.file,)


def _title(item: Any, evaluation: Evaluation, change: float) -> str:
    names = " and ".join(f"{file.parent.name}/{file.name}" for file in _files(item))
    if isinstance(evaluation, ClassificationEvaluation) and change:
        return f"{names}: {_TURNED[change]}"
    return names


def _change(before: Side, after: Side) -> Array:
    """Return how much the models differ on each item, 0 where they do not; float64 (items,)."""
    one, other = before.evaluation, after.evaluation
    if isinstance(one, ClassificationEvaluation) and isinstance(other, ClassificationEvaluation):
        right, now = one.rank == 0, other.rank == 0
        return np.where(right & ~now, _LOST, np.where(now & ~right, _WON, 0.0))
    if isinstance(one, VerificationEvaluation) and isinstance(other, VerificationEvaluation):
        return np.asarray(np.nan_to_num(np.abs(one.similarity - other.similarity)))
    if isinstance(one, PoseEvaluation) and isinstance(other, PoseEvaluation):
        return np.array([np.abs(a - b).sum() for a, b in zip(one.oks, other.oks, strict=True)])
    found = (
        [_shown(before, i) for i in range(len(one))],
        [_shown(after, i) for i in range(len(one))],
    )
    return np.array([float(abs(len(a) - len(b))) for a, b in zip(*found, strict=True)])


def _shown(side: Side, index: int) -> Any:
    """Return what a model found on a picture, as it shows it to people."""
    evaluation = side.evaluation
    results: Sequence[Any]
    if isinstance(evaluation, DetectionEvaluation):
        results = evaluation.detections
    elif isinstance(evaluation, FaceDetectionEvaluation):
        results = evaluation.faces
    else:
        results = cast("PoseEvaluation", evaluation).poses
    return results[index][results[index].scores >= side.model.spec.score]


def _drawn(side: Side, item: Any, index: int) -> Image:
    evaluation = side.evaluation
    if isinstance(evaluation, VerificationEvaluation):
        return _pair(item, float(evaluation.similarity[index]))
    image = read_image(item.file)
    if isinstance(evaluation, ClassificationEvaluation):
        canvas = _fitted(image)  # names are written large enough on small pictures too
        result = replace(side.model(image), frame=Size(*canvas.shape[:2]))
        return result.draw(canvas)
    return _fitted(_shown(side, index).draw(image))


def _pair(pair: Pair, similarity: float) -> Image:
    faces = [cv2.resize(read_image(file), (SIDE // 2, SIDE // 2)) for file in _files(pair)]
    text = "no face" if np.isnan(similarity) else f"cosine {similarity:.3f}"
    canvas: Image = np.concatenate(faces, axis=1).astype(np.uint8)
    cv2.rectangle(canvas, (0, 0), (130, 22), (0, 0, 0), cv2.FILLED)
    cv2.putText(canvas, text, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1)
    return canvas


def _fitted(image: Image) -> Image:
    height, width = image.shape[:2]
    factor = SIDE / max(height, width)
    size_wh = max(1, round(width * factor)), max(1, round(height * factor))
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8)
