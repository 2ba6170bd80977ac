"""Boxes and keypoints that a teacher finds, as labels: for what nobody has marked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from edgecv.boxes import iou
from edgecv.errors import SpecError
from edgecv.evaluation.loop import check_task
from edgecv.labels import FACE_5
from edgecv.model import Model
from edgecv.progress import Report, silent, track
from edgecv.results import AnyResult, Detections, Faces, Poses
from edgecv.training.data.samples import Derived, Sample, Samples
from edgecv.training.teachers.teacher import Arrays, remembered
from edgecv.types import FloatArray, IntArray

TASKS = ("detection", "face_detection", "pose")


class Found(NamedTuple):
    """What a teacher found in a picture.

    Attributes:
        boxes: float32 (M, 4), xyxy, pixels.
        classes: int64 (M,), ids into the dataset's names.
        scores: float32 (M,), 0..1.
        points: float32 (M, K, 3): x, y and score of the dataset's keypoints; score 0 for none.
    """

    boxes: FloatArray
    classes: IntArray
    scores: FloatArray
    points: FloatArray


@dataclass(frozen=True, eq=False)
class Taught(Derived):
    """Samples with what a teacher found added to what is marked.

    What is marked stays. A box is added where no marked box of its class overlaps it; keypoints
    that are not marked are filled in from the found person who overlaps most.

    Attributes:
        samples: The set.
        found: What the teacher found in each of its pictures.
        score: What it is less sure of is left out, 0..1.
        overlap: From which intersection over union on two boxes are the same thing.
    """

    samples: Samples
    found: tuple[Found, ...]
    score: float = 0.5
    overlap: float = 0.5

    def __getitem__(self, index: int, /) -> Sample:
        sample, found = self.samples[index], self.found[index]
        sure = found.scores >= self.score
        points = found.points[sure]
        seen = points[..., 2] >= self.score
        points = np.where(seen[..., None], points, np.float32(0))
        points[..., 2] = np.where(seen, 2, 0)
        sure_of = Found(found.boxes[sure], found.classes[sure], found.scores[sure], points)
        return merged(sample, sure_of, self.overlap)


def taught(
    teacher: Model,
    samples: Samples,
    *,
    score: float = 0.5,
    overlap: float = 0.5,
    report: Report = silent,
) -> Taught:
    """Ask a teacher for the boxes and keypoints in every picture, once.

    Args:
        teacher: A model that finds objects, faces or people's keypoints. What it finds of classes
            and keypoints that the samples do not name is left out.
        samples: The set.
        score: What it is less sure of is left out, 0..1; its own threshold stays besides.
        overlap: From which intersection over union on two boxes are the same thing.
        report: Called with how many pictures it was asked of.

    Raises:
        SpecError: The teacher is for another task, or knows none of the samples' classes.
        InferenceError: The runtime failed.
        ValueError: `score` or `overlap` is not in 0..1.
    """
    check_task(teacher, *TASKS)
    for what, value in (("score", score), ("overlap", overlap)):
        if not 0 <= value <= 1:
            raise ValueError(f"{what} lies in 0..1, got {value}")
    classes = _numbers(_classes(teacher), samples.names)
    if not (classes >= 0).any():
        known = ", ".join(_classes(teacher))
        raise SpecError(f"{teacher.spec.name} finds {known}: none of {', '.join(samples.names)}")
    points = _numbers(samples.keypoints, _points(teacher))

    def ask() -> Arrays:
        each = (samples[i].image for i in range(len(samples)))
        rows = [_found(teacher(image)) for image in track(each, report, total=len(samples))]
        parts = {name: np.concatenate([getattr(r, name) for r in rows]) for name in Found._fields}
        return {**parts, "counts": np.array([len(r.boxes) for r in rows], np.int64)}

    arrays = remembered("boxes", teacher, samples, ask)
    found = (_translated(row, classes, points) for row in _split(arrays))
    return Taught(samples, tuple(found), score, overlap)


def merged(sample: Sample, found: Found, overlap: float) -> Sample:
    """Return a sample with what was found added to what is marked.

    Args:
        sample: Its keypoints may be marked without boxes.
        found: With the points' visibility, 0 or 2, in place of their scores.
        overlap: From which intersection over union on two boxes are the same thing.
    """
    count = found.points.shape[1]
    keypoints = sample.keypoints
    if not len(keypoints):
        keypoints = np.zeros((len(sample.boxes), count, 3), np.float32)
    boxes = sample.boxes if len(sample.boxes) else _extents(keypoints)
    shared = iou(found.boxes, boxes)
    if len(sample.classes) == len(boxes):
        shared = shared * (found.classes[:, None] == sample.classes[None])
    new = ~(shared >= overlap).any(axis=1)
    if len(found.boxes) and count:
        best = shared.argmax(axis=0)
        theirs = found.points[best] * (shared.max(axis=0) >= overlap)[:, None, None]
        keypoints = np.where(keypoints[..., 2:] > 0, keypoints, theirs)
    own_classes = sample.classes if len(sample.classes) else np.zeros(len(boxes), np.int64)
    return replace(
        sample,
        boxes=np.concatenate((boxes, found.boxes[new])).astype(np.float32),
        classes=np.concatenate((own_classes, found.classes[new])),
        keypoints=np.concatenate((keypoints, found.points[new])).astype(np.float32),
    )


def _extents(keypoints: FloatArray) -> FloatArray:
    """Return the boxes round the marked points of each row, (N, 4)."""
    marked = keypoints[..., 2:] > 0
    low = np.where(marked, keypoints[..., :2], np.inf).min(axis=1, initial=np.inf)
    high = np.where(marked, keypoints[..., :2], -np.inf).max(axis=1, initial=-np.inf)
    boxes = np.concatenate((low, high), axis=1)
    return np.where(np.isfinite(boxes), boxes, 0).astype(np.float32)


def _classes(teacher: Model) -> tuple[str, ...]:
    """Return what a teacher calls what it finds."""
    alone = {"face_detection": ("face",), "pose": ("person",)}
    return alone.get(teacher.spec.task, teacher.spec.labels)


def _points(teacher: Model) -> tuple[str, ...]:
    return FACE_5 if teacher.spec.task == "face_detection" else teacher.spec.keypoints


def _numbers(names: Sequence[str], known: Sequence[str]) -> IntArray:
    """Return where each name is among the known ones; -1 where it is not."""
    places = [known.index(name) if name in known else -1 for name in names]
    return np.array(places, np.int64)


def _found(result: AnyResult) -> Found:
    """Return a result in the teacher's own classes and points."""
    if isinstance(result, Detections):
        points = np.zeros((len(result), 0, 3), np.float32)
        return Found(result.boxes, result.class_ids, result.scores, points)
    if isinstance(result, Poses):
        points = np.concatenate((result.keypoints, result.keypoint_scores[..., None]), axis=-1)
    elif isinstance(result, Faces):
        scores = np.broadcast_to(result.scores[:, None, None], (*result.landmarks.shape[:2], 1))
        points = np.concatenate((result.landmarks, scores), axis=-1)
    else:
        raise SpecError(f"wanted a teacher that finds boxes, it gives {type(result).__name__}")
    return Found(result.boxes, np.zeros(len(result), np.int64), result.scores, points)


def _split(arrays: Arrays) -> Iterator[Found]:
    """Cut the rows of all pictures into those of each."""
    ends = np.cumsum(arrays["counts"])
    for start, end in zip(ends - arrays["counts"], ends, strict=True):
        yield Found(*(arrays[name][start:end] for name in Found._fields))


def _translated(found: Found, classes: IntArray, points: IntArray) -> Found:
    """Return what was found in the dataset's classes and keypoints; others are left out."""
    known = classes[found.classes] >= 0
    padded = np.pad(found.points, ((0, 0), (0, 1), (0, 0)))  # -1: a point that it does not find
    return Found(
        found.boxes[known],
        classes[found.classes][known],
        found.scores[known],
        padded[known][:, points],
    )
