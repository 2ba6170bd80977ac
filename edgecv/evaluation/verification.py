"""Face verification, by the protocol of Labeled Faces in the Wild: same person or not?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, cast

import numpy as np

from edgecv.boxes import area
from edgecv.datasets import Pair, spread
from edgecv.errors import DataError
from edgecv.evaluation import roc
from edgecv.evaluation.loop import check_task, pictures
from edgecv.evaluation.record import Evaluation, checked_counts
from edgecv.faces import embed_faces
from edgecv.model import Model
from edgecv.progress import Report
from edgecv.results import Faces
from edgecv.types import Array, FloatArray, Image

FOLDS = 10


@dataclass(frozen=True, kw_only=True)
class VerificationEvaluation(Evaluation):
    """How well embeddings tell people apart.

    Attributes:
        similarity: float64 (N,): the cosine of each pair; NaN where a face was not found.
        same: bool (N,): whether it is the same person.
        correct: bool (N,): whether the pair was judged rightly by the other folds' threshold.
        curve: The ROC curve.
        failed: The pictures in which no face was found.
    """

    main: ClassVar[str] = "accuracy"
    similarity: Array = field(repr=False)
    same: Array = field(repr=False)
    correct: Array = field(repr=False)
    curve: roc.Roc = field(repr=False)
    failed: tuple[Path, ...] = ()

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.same)

    def resample(self, counts: Array) -> float:
        """Return the accuracy where pair i occurs ``counts[i]`` times, judged as before."""
        checked_counts(counts, len(self))
        return float(self.correct @ counts) / float(counts.sum())


def evaluate(
    model: Model,
    data: Sequence[Pair],
    *,
    detector: Model,
    limit: int | None = None,
    report: Report | None = None,
) -> VerificationEvaluation:
    """Find, align and embed the face in every picture once, and measure how pairs are told apart.

    Args:
        model: A model of the task "face_embedding".
        data: What `edgecv.datasets.read_pairs` gives.
        detector: A face detector that gives the five points.
        limit: Use this many pairs, spread evenly over the data; None for all.
        report: Called with how many pictures are done, and of how many.

    Raises:
        SpecError: One of the models is for another task.
        DataError: The pairs are too few.
        ImageError: A picture cannot be read.
        ValueError: The detector gives no five points, or the embedder is not for aligned faces.
    """
    check_task(model, "face_embedding")
    check_task(detector, "face_detection")
    chosen = spread(data, limit)
    _check_kinds(np.array([pair.same for pair in chosen]))
    files = list(dict.fromkeys(file for pair in chosen for file in (pair.first, pair.second)))
    vectors = {
        file: embed_main_face(image, detector, model)
        for file, image in zip(files, pictures(files, report), strict=True)
    }
    similarity = [_cosine(vectors[pair.first], vectors[pair.second]) for pair in chosen]
    return measure(
        np.array(similarity),
        np.array([pair.same for pair in chosen]),
        images=len(files),
        failed=[file for file, vector in vectors.items() if vector is None],
    )


def measure(
    similarity: Array, same: Array, *, images: int = 0, failed: Sequence[Path] = ()
) -> VerificationEvaluation:
    """Measure how well a similarity tells the same from different people.

    The figures: `accuracy`, each pair judged by the threshold that is best on the other nine of
    ten folds; `accuracy_best` and `threshold`, by the one threshold that is best on all pairs;
    `tar@1e-2` and `tar@1e-3`, the true accept rate at that false accept rate; `eer`, the equal
    error rate; `failed`, the number of pictures in which no face was found.
    A pair of similarity NaN is taken for different people.

    Args:
        similarity: (N,), NaN for a pair in which a face was not found.
        same: bool (N,).
        images: How many pictures the pairs are made of.
        failed: The pictures in which no face was found.

    Raises:
        DataError: There are fewer than two pairs of the same, or of different people.
    """
    similarity, same = np.asarray(similarity, np.float64), np.asarray(same, bool)
    _check_kinds(same)
    correct, _ = roc.fold_judgements(similarity, same, folds=FOLDS)
    threshold = roc.best_threshold(similarity, same)
    curve = roc.roc(similarity, same)
    return VerificationEvaluation(
        figures={
            "accuracy": float(correct.mean()),
            "accuracy_best": float(((similarity >= threshold) == same).mean()),
            "threshold": threshold,
            "tar@1e-2": roc.true_accept_rate(curve, far=1e-2),
            "tar@1e-3": roc.true_accept_rate(curve, far=1e-3),
            "eer": roc.equal_error_rate(curve),
            "pairs": len(same),
            "failed": len(failed),
        },
        images=images,
        similarity=similarity,
        same=same,
        correct=correct,
        curve=curve,
        failed=tuple(failed),
    )


def embed_main_face(image: Image, detector: Model, embedder: Model) -> FloatArray | None:
    """Return the embedding, float32 (D,), of the face that a portrait shows; None without a face.

    Args:
        image: uint8 (H, W, 3), BGR.
        detector: A face detector that gives the five points.
        embedder: A model of the task "face_embedding".
    """
    faces = cast("Faces", detector(image))
    if not len(faces):
        return None
    vector: FloatArray = embed_faces(image, faces[main_face(faces)], embedder)[0]
    return vector


def main_face(faces: Faces) -> int:
    """Return the index of the face that a portrait is meant to show: large and near the centre.

    Its area less twice the square of its distance from the centre is the largest. Source: the
    alignment script of facenet (David Sandberg, github.com/davidsandberg/facenet).
    """
    centre = np.array([faces.frame.width, faces.frame.height], np.float32) / 2
    offset = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 - centre
    return int(np.argmax(area(faces.boxes) - 2 * (offset**2).sum(axis=1)))


def _cosine(a: FloatArray | None, b: FloatArray | None) -> float:
    return float("nan") if a is None or b is None else float(a @ b)


def _check_kinds(same: Array) -> None:
    alike = int(same.sum())
    if alike < 2 or len(same) - alike < 2:
        raise DataError(
            "verification needs at least two pairs of the same and two of different people, got "
            f"{alike} and {len(same) - alike}"
        )
