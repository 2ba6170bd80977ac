"""Face detection: average precision, and recall at the thresholds that matter in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

import numpy as np

from edgecv.datasets import BoxedImage, spread
from edgecv.evaluation.loop import at_score, check_task, pictures
from edgecv.evaluation.precision import (
    average_precision,
    match_boxes,
    recall_at_false_positives,
)
from edgecv.evaluation.record import Evaluation, checked_counts
from edgecv.model import Model
from edgecv.progress import Report
from edgecv.results import Faces
from edgecv.types import Array

SCORE = 0.01
"""Faces down to this score are ranked: average precision wants the whole curve."""


@dataclass(frozen=True, kw_only=True)
class FaceDetectionEvaluation(Evaluation):
    """How good a face detector is.

    Attributes:
        faces: What was found, by picture.
        image: int64 (N,): the picture that each found face is on; faces are by falling score.
        hits: bool (N,): whether it is right at IoU 0.5.
        positives: int64 (I,): how many faces each picture has.
    """

    main: ClassVar[str] = "ap"
    faces: tuple[Faces, ...] = field(repr=False)
    image: Array = field(repr=False)
    hits: Array = field(repr=False)
    positives: Array = field(repr=False)

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.faces)

    def resample(self, counts: Array) -> float:
        """Return the average precision where picture i occurs ``counts[i]`` times."""
        checked_counts(counts, len(self))
        return average_precision(self.hits, float(self.positives @ counts), counts[self.image])


def evaluate(
    model: Model,
    data: Sequence[BoxedImage],
    *,
    limit: int | None = None,
    report: Report | None = None,
) -> FaceDetectionEvaluation:
    """Run a face detector on labelled pictures, at a score threshold of `SCORE`, and measure it.

    Args:
        model: A model of the task "face_detection"; `recall` and `precision` are at its own score.
        data: What `edgecv.datasets.read_boxes` gives.
        limit: Use this many pictures, spread evenly over the data; None for all.
        report: Called with how many pictures are done, and of how many.

    Raises:
        SpecError: The model is for another task.
        DataError: A picture is not as labelled.
        ImageError: A picture cannot be read.
    """
    check_task(model, "face_detection")
    chosen = spread(data, limit)
    low = at_score(model, min(SCORE, model.spec.score))
    files, sizes = zip(*((image.file, image.size) for image in chosen), strict=True)
    found = [cast("Faces", low(image)) for image in pictures(files, report, sizes=sizes)]
    return measure(chosen, found, score=model.spec.score)


def measure(
    data: Sequence[BoxedImage], found: Sequence[Faces], *, score: float
) -> FaceDetectionEvaluation:
    """Compare faces, one result for each picture of `data`, with its labels.

    The figures: `ap` at IoU 0.5 and `ap40` at 0.4; at IoU 0.4 also `recall` and `precision` of the
    faces that reach `score`, and `recall@1fppi`, the recall with as many false faces as pictures.

    Args:
        data: The labelled pictures.
        found: In the same order, each by falling score.
        score: The threshold in use, 0..1.

    Raises:
        ValueError: There are not as many results as pictures.
    """
    positives = np.array([len(image.boxes) for image in data], np.int64)
    scores = np.concatenate([np.zeros(0, np.float32), *(faces.scores for faces in found)])
    image = np.repeat(np.arange(len(found)), [len(faces) for faces in found])
    order = np.argsort(-scores, kind="stable")
    strict, loose = (_hits(data, found, overlap)[order] for overlap in (0.5, 0.4))
    total = int(positives.sum())
    used = loose[scores[order] >= np.float32(score)]
    nan = float("nan")
    figures = {
        "ap": average_precision(strict, total),
        "ap40": average_precision(loose, total),
        "recall": float(used.sum() / total) if total else nan,
        "precision": float(used.mean()) if len(used) else nan,
        "recall@1fppi": recall_at_false_positives(loose, total, len(data)),
        "faces": total,
    }
    return FaceDetectionEvaluation(
        figures=figures,
        images=len(found),
        faces=tuple(found),
        image=image[order],
        hits=strict,
        positives=positives,
    )


def _hits(data: Sequence[BoxedImage], found: Sequence[Faces], overlap: float) -> Array:
    parts = [
        match_boxes(faces.boxes, image.boxes, overlap=overlap)
        for image, faces in zip(data, found, strict=True)
    ]
    return np.concatenate([np.zeros(0, bool), *parts])
