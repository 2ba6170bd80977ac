"""Pose estimation, by object keypoint similarity (OKS): its mean, and COCO's average precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import numpy as np

from edgecv.datasets import CocoData, CocoImage, spread
from edgecv.errors import DataError
from edgecv.evaluation import coco
from edgecv.evaluation.loop import at_score, check_task, pictures
from edgecv.evaluation.record import Evaluation, checked_counts
from edgecv.labels import COCO_17
from edgecv.model import Model
from edgecv.progress import Report
from edgecv.regions import person_region
from edgecv.results import Poses
from edgecv.types import Array, FloatArray, Image

SIGMAS = (
    *(0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072),
    *(0.062, 0.062, 0.107, 0.107, 0.087, 0.087, 0.089, 0.089),
)
"""How much people differ in placing each of COCO's 17 keypoints, as a part of the person's size.
Source: cocodataset.org/#keypoints-eval."""

LEAST_KEYPOINTS = 8
"""People with fewer marked keypoints than this, half of them, do not count for the mean OKS: of
someone who is hardly in the picture a pose cannot be told. They do count for `oks_ap`."""

WHOLE_PICTURE = frozenset({"heatmap_paf", "ppn"})
"""Decoders that find everybody in a picture; the others are given one person at a time."""


@dataclass(frozen=True, kw_only=True)
class PoseEvaluation(Evaluation):
    """How good a pose model is.

    Attributes:
        oks: For each picture the OKS of every person in it who has keypoints, float64 (M,).
        marked: For each picture how many keypoints of theirs are marked, int64 (M,).
        poses: What was found, by picture.
    """

    main: ClassVar[str] = "mean_oks"
    oks: tuple[Array, ...] = field(repr=False)
    marked: tuple[Array, ...] = field(repr=False)
    poses: tuple[Poses, ...] = field(repr=False)

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.oks)

    def resample(self, counts: Array) -> float:
        """Return the mean OKS where picture i occurs ``counts[i]`` times; NaN without people."""
        checked_counts(counts, len(self))
        counted = [marked >= LEAST_KEYPOINTS for marked in self.marked]
        people = np.array([chosen.sum() for chosen in counted])
        sums = np.array([oks[chosen].sum() for oks, chosen in zip(self.oks, counted, strict=True)])
        total = float(people @ counts)
        return float(sums @ counts) / total if total else float("nan")


def evaluate(
    model: Model,
    data: CocoData,
    *,
    margin: float = 0.0,
    limit: int | None = None,
    report: Report | None = None,
) -> PoseEvaluation:
    """Run a pose model on labelled pictures and measure it.

    A model of a single person is given every labelled person's box, one after the other, and is
    measured on that person; a model that finds everybody (`WHOLE_PICTURE`) is given the picture.

    Args:
        model: A model of the task "pose" that knows COCO's 17 keypoints by name.
        data: What `edgecv.datasets.read_keypoints` gives.
        margin: Added round a person's box on each side, as a part of its longer side.
        limit: Use this many pictures, spread evenly over the data; None for all.
        report: Called with how many pictures are done, and of how many.

    Raises:
        SpecError: The model is for another task.
        DataError: The data or the model lack some of the keypoints, or a picture is not as
            labelled.
        ImageError: A picture cannot be read.
        PackageMissingError: pycocotools is not installed.
        ValueError: The margin is negative.
    """
    if not margin >= 0:
        raise ValueError(f"the margin is a part of the box's side, 0 or more, got {margin}")
    check_task(model, "pose")
    _keypoint_order(model.spec.keypoints, "the model")
    _keypoint_order(data.keypoints, "the data")
    coco.tools()  # what is missing is said before the work, not after it
    chosen = replace(data, images=spread(data.images, limit))
    every = at_score(model, 0.0)
    files, sizes = zip(*((image.file, image.size) for image in chosen.images), strict=True)
    whole = model.spec.decoder in WHOLE_PICTURE
    found = []
    for image, labels in zip(pictures(files, report, sizes=sizes), chosen.images, strict=True):
        if whole:
            found.append(cast("Poses", every(image)))
        else:
            found.append(_one_by_one(every, image, labels, margin))
    return measure(chosen, found, one_each=not whole)


def measure(data: CocoData, found: Sequence[Poses], *, one_each: bool) -> PoseEvaluation:
    """Compare poses, one result for each picture of `data`, with its labels.

    The figures: `mean_oks`, the mean similarity over the people with at least `LEAST_KEYPOINTS`
    marked keypoints, whose number is `people`; `mean_oks_all`, over all with any; `oks_ap` and the
    others of COCO's own evaluation.

    Args:
        data: The labelled pictures.
        found: In the same order.
        one_each: Result i of a picture belongs to the i-th person there who has keypoints; a person
            without counts with a result whose score is 0. Otherwise each person counts with the
            most similar result.

    Raises:
        DataError: The data or the results lack some of COCO's 17 keypoints.
        PackageMissingError: pycocotools is not installed.
        ValueError: There are not as many results as pictures or, with `one_each`, as people.
    """
    truth_order = _keypoint_order(data.keypoints, "the data")
    images = [replace(image, keypoints=image.keypoints[:, truth_order]) for image in data.images]
    ordered = replace(data, images=tuple(images), keypoints=COCO_17)
    category = next(iter(data.categories))
    answers, similarities, marked = [], [], []
    for image, poses in zip(images, found, strict=True):
        points = poses.keypoints[:, _keypoint_order(poses.names, "the result")]
        ids = np.full(len(poses), category, np.int64)
        answers.append(coco.Answers(poses.boxes, poses.scores, ids, points))
        people = labelled(image)
        table = oks(points, image.keypoints[people], image.areas[people])
        similarities.append(_own(table) if one_each else table.max(axis=0, initial=0.0))
        marked.append((image.keypoints[people, :, 2] > 0).sum(axis=1))
    outcome = coco.evaluate(ordered, answers, kind="keypoints", categories=[category])
    everyone = np.concatenate(similarities)
    counted = everyone[np.concatenate(marked) >= LEAST_KEYPOINTS]
    return PoseEvaluation(
        figures={
            "mean_oks": _mean(counted),
            "mean_oks_all": _mean(everyone),
            **outcome.figures,
            "people": len(counted),
        },
        images=len(found),
        oks=tuple(similarities),
        marked=tuple(marked),
        poses=tuple(found),
    )


def oks(keypoints: FloatArray, truth: FloatArray, areas: FloatArray) -> Array:
    """Return the object keypoint similarity of every pose with every labelled person.

    ``mean(exp(-d² / (2 · area · (2 · sigma)²)))`` over the keypoints that are marked, where d is a
    keypoint's distance from its mark. Source: cocodataset.org/#keypoints-eval.

    Args:
        keypoints: float32 (N, 17, 2), x then y, pixels, in COCO's order.
        truth: float32 (M, 17, 3): x, y and v, which is 0 for a keypoint that is not marked.
        areas: float32 (M,): the people's areas, square pixels.

    Returns:
        float64 (N, M), 0..1; 0 for a person without marked keypoints.
    """
    variances = (2 * np.array(SIGMAS)) ** 2
    offset = keypoints[:, None].astype(np.float64) - truth[None, :, :, :2]
    scale = 2 * variances * (areas.astype(np.float64)[:, None] + np.spacing(1))
    near = np.exp(-(offset**2).sum(-1) / scale)
    marked = truth[..., 2] > 0
    number = np.maximum(marked.sum(-1), 1)
    out: Array = (near * marked).sum(-1) / number
    return out


def labelled(image: CocoImage) -> Array:
    """Return the indices of a picture's single people who have at least one keypoint marked."""
    marked = (image.keypoints[..., 2] > 0).any(axis=1)
    return np.flatnonzero(marked & ~image.crowd)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _own(table: Array) -> Array:
    if table.shape[0] != table.shape[1]:
        raise ValueError(f"{table.shape[0]} poses for {table.shape[1]} people of a picture")
    return np.diagonal(table).copy()


def _one_by_one(model: Model, image: Image, labels: CocoImage, margin: float) -> Poses:
    """Return the best pose in each labelled person's region, all in one result."""
    results = []
    for person in labelled(labels):
        try:
            region = person_region(labels.boxes[person], labels.size, margin=margin)
        except ValueError as error:
            raise DataError(f"{labels.file}, person {person + 1}: {error}") from error
        results.append(_best(cast("Poses", model(image, region))))
    count = len(model.spec.keypoints)
    return Poses(
        frame=labels.size,
        scores=np.array([pose.scores[0] for pose in results], np.float32),
        boxes=np.array([pose.boxes[0] for pose in results], np.float32).reshape(-1, 4),
        keypoints=np.array([p.keypoints[0] for p in results], np.float32).reshape(-1, count, 2),
        keypoint_scores=np.array([p.keypoint_scores[0] for p in results], np.float32).reshape(
            -1, count
        ),
        names=model.spec.keypoints,
        skeleton=model.spec.skeleton,
    )


def _best(poses: Poses) -> Poses:
    """Return the best pose; where there is none, one of score 0 far away from everybody."""
    if len(poses):
        return poses[0]
    count = len(poses.names)
    return replace(
        poses,
        scores=np.zeros(1, np.float32),
        boxes=np.full((1, 4), _NOWHERE, np.float32),
        keypoints=np.full((1, count, 2), _NOWHERE, np.float32),
        keypoint_scores=np.zeros((1, count), np.float32),
    )


_NOWHERE = -1e6


def _keypoint_order(names: Sequence[str], whose: str) -> list[int]:
    """Return where each of COCO's 17 keypoints is among `names`."""
    missing = [name for name in COCO_17 if name not in names]
    if missing:
        raise DataError(
            f"OKS needs COCO's 17 keypoints by name; {whose} lacks {', '.join(missing)}"
        )
    return [list(names).index(name) for name in COCO_17]
