"""COCO's own evaluation, pycocotools, run on our values and without its printing."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecv.boxes import area, xyxy_to_xywh
from edgecv.datasets import CocoData, CocoImage
from edgecv.evaluation.precision import average_precision_101
from edgecv.registry import package_missing
from edgecv.types import Array

FIGURES: Mapping[str, tuple[str, ...]] = {
    "bbox": (
        *("AP", "AP50", "AP75", "APs", "APm", "APl"),
        *("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
    ),
    "keypoints": (
        *("oks_ap", "oks_ap50", "oks_ap75", "oks_ap_m", "oks_ap_l"),
        *("oks_ar", "oks_ar50", "oks_ar75", "oks_ar_m", "oks_ar_l"),
    ),
}
"""Names of what pycocotools summarises, in its order."""


@dataclass(frozen=True)
class Matches:
    """How the answers for one category fared, on all pictures, for T overlaps.

    Attributes:
        image: int64 (N,): the picture each answer is on; the answers are by falling score.
        right: bool (T, N).
        wrong: bool (T, N): an answer that is neither right nor wrong counts for nothing.
        positives: float64 (I,): how many there are to be found on each picture.
    """

    image: Array
    right: Array
    wrong: Array
    positives: Array

    def average_precision(self, counts: Array) -> float:
        """Return the mean average precision where picture i occurs ``counts[i]`` times."""
        positives = float(self.positives @ counts)
        if not positives:
            return float("nan")
        weight = counts[self.image]
        return average_precision_101(self.right * weight, self.wrong * weight, positives)


@dataclass(frozen=True)
class CocoOutcome:
    """What pycocotools says.

    Attributes:
        figures: Value by name, as in `FIGURES`; NaN where there is nothing to measure.
        matches: By category id, for objects of all sizes.
    """

    figures: Mapping[str, float]
    matches: Mapping[int, Matches]


@dataclass(frozen=True)
class Answers:
    """What a model found on one picture.

    Attributes:
        boxes: float32 (N, 4), xyxy, pixels.
        scores: float32 (N,).
        category_ids: int64 (N,).
        keypoints: float32 (N, K, 2), x then y, pixels; None where boxes are compared.
    """

    boxes: Array
    scores: Array
    category_ids: Array
    keypoints: Array | None = None


def evaluate(
    data: CocoData, answers: Sequence[Answers], *, kind: str, categories: Sequence[int]
) -> CocoOutcome:
    """Compare answers, one for each picture of `data`, with its labels.

    Args:
        data: The labelled pictures.
        answers: In the same order.
        kind: "bbox" compares boxes by IoU, "keypoints" compares keypoints by OKS.
        categories: The categories that count.

    Raises:
        PackageMissingError: pycocotools is not installed.
        ValueError: There are not as many answers as pictures.
    """
    if len(answers) != len(data.images):
        raise ValueError(f"{len(answers)} answers for {len(data.images)} pictures")
    index, evaluation = tools()
    truth = [_truth(number, image) for number, image in enumerate(data.images)]
    found = [_found(number, answer) for number, answer in enumerate(answers)]
    with redirect_stdout(io.StringIO()):
        run = evaluation(_index(index(), data, truth), _index(index(), data, found), kind)
        run.params.catIds = sorted(categories)
        run.evaluate()
        run.accumulate()
        run.summarize()
    figures = {
        name: float("nan") if value < 0 else float(value)
        for name, value in zip(FIGURES[kind], run.stats, strict=True)
    }
    return CocoOutcome(figures, _matches(run, len(data.images)))


def tools() -> tuple[Any, Any]:
    """Return pycocotools' classes COCO and COCOeval.

    Raises:
        PackageMissingError: pycocotools is not installed.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ModuleNotFoundError as error:
        raise package_missing("pycocotools", "eval") from error
    return COCO, COCOeval


def _index(coco: Any, data: CocoData, annotations: Sequence[Sequence[dict[str, Any]]]) -> Any:
    """Fill a COCO object; pictures are numbered from 0, annotations from 1 (0 means none)."""
    listed = [entry for entries in annotations for entry in entries]
    coco.dataset = {
        "images": [{"id": number} for number in range(len(data.images))],
        "categories": [{"id": number} for number in data.categories],
        "annotations": [{**entry, "id": number + 1} for number, entry in enumerate(listed)],
    }
    coco.createIndex()
    return coco


def _truth(number: int, image: CocoImage) -> list[dict[str, Any]]:
    entries = []
    for i, box in enumerate(xyxy_to_xywh(image.boxes).tolist()):
        points = image.keypoints[i]
        entries.append(
            {
                "image_id": number,
                "category_id": int(image.category_ids[i]),
                "bbox": box,
                "area": float(image.areas[i]),
                "iscrowd": int(image.crowd[i]),
                "keypoints": points.reshape(-1).tolist(),
                "num_keypoints": int((points[:, 2] > 0).sum()),
            }
        )
    return entries


def _found(number: int, answer: Answers) -> list[dict[str, Any]]:
    """List answers as pycocotools takes them; a person is as large as the box of their points."""
    boxes = answer.boxes
    keypoints: Array = np.zeros((len(boxes), 0))
    if answer.keypoints is not None:
        boxes = np.concatenate((answer.keypoints.min(1), answer.keypoints.max(1)), axis=1)
        people, count = answer.keypoints.shape[:2]
        seen = np.ones((people, count, 1), np.float32)
        keypoints = np.concatenate((answer.keypoints, seen), axis=2).reshape(people, count * 3)
    columns = (xyxy_to_xywh(boxes), area(boxes), answer.scores, answer.category_ids, keypoints)
    return [
        {
            "image_id": number,
            "category_id": category,
            "bbox": box,
            "area": size,
            "score": score,
            "iscrowd": 0,
            "keypoints": points,
        }
        for box, size, score, category, points in zip(
            *(np.asarray(column).tolist() for column in columns), strict=True
        )
    ]


def _matches(run: Any, images: int) -> dict[int, Matches]:
    """Gather by category what pycocotools found out picture by picture."""
    sizes = len(run.params.areaRng)
    out = {}
    for position, category in enumerate(run.params.catIds):
        start = position * sizes * images  # the first of the size ranges is that of all sizes
        entries = run.evalImgs[start : start + images]
        out[int(category)] = _category_matches(entries, len(run.params.iouThrs))
    return out


def _category_matches(entries: Sequence[Any], overlaps: int) -> Matches:
    positives = np.zeros(len(entries))
    image: list[Array] = [np.zeros(0, np.int64)]
    scores: list[Array] = [np.zeros(0)]
    matched: list[Array] = [np.zeros((overlaps, 0), bool)]
    ignored: list[Array] = [np.zeros((overlaps, 0), bool)]
    for number, entry in enumerate(entries):
        if entry is None:
            continue
        positives[number] = np.count_nonzero(np.asarray(entry["gtIgnore"]) == 0)
        image.append(np.full(len(entry["dtScores"]), number))
        scores.append(np.asarray(entry["dtScores"], np.float64))
        matched.append(np.asarray(entry["dtMatches"], bool))
        ignored.append(np.asarray(entry["dtIgnore"], bool))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    hit, out = np.concatenate(matched, axis=1)[:, order], np.concatenate(ignored, axis=1)[:, order]
    return Matches(np.concatenate(image)[order], hit & ~out, ~hit & ~out, positives)
