"""How far a converted model is from the one it was made of, on the same photographs.

Outputs are compared as numbers, results as what they are for: classes, boxes, people, faces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from edgecv.boxes import area, iou
from edgecv.evaluation.pose import oks
from edgecv.model import Model
from edgecv.progress import Report, silent, track
from edgecv.results import AnyResult, Classes, Detections, Embedding, Faces, Mask, Poses
from edgecv.types import Array, Image

TIGHT, LOOSE = 0.95, 0.5
"""At which IoU, or object keypoint similarity, two results count as the same thing."""

Measured: TypeAlias = Iterator[tuple[str, float, float]]
"""What a measure yields: a name, a value from 0 to 1, and what it weighs."""


class Gap(NamedTuple):
    """How far one output is from the reference's.

    Attributes:
        name: The output's role.
        largest: The greatest difference of two numbers.
        mean: The mean difference.
        spread: From the reference's least to its greatest number, to judge the others by.
    """

    name: str
    largest: float
    mean: float
    spread: float


class Agreement(NamedTuple):
    """How well a model agrees with its reference.

    Attributes:
        gaps: By output; only of outputs that both have, in the same shape.
        results: Parts of the decoded results that agree, 0..1, by what is counted.
        pictures: How many there were.
        things: How many things the reference found in them; a picture's class is one.
    """

    gaps: tuple[Gap, ...]
    results: Mapping[str, float]
    pictures: int
    things: int

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {
            "pictures": self.pictures,
            "things": self.things,
            "outputs": [gap._asdict() for gap in self.gaps],
            "results": dict(self.results),
        }


class Answers(NamedTuple):
    """What a model says of some photographs.

    Attributes:
        outputs: Of each photograph, by role.
        results: Of each photograph.
    """

    outputs: Sequence[Mapping[str, Array]]
    results: Sequence[AnyResult]


def answers(model: Model, images: Sequence[Image], *, report: Report = silent) -> Answers:
    """Run a model on photographs.

    Args:
        model: The model.
        images: uint8 (H, W, 3) BGR.
        report: Is told how many are done.
    """
    outputs, results = [], []
    for image in track(images, report, total=len(images)):
        tensor, placement = model.preprocess(image)
        made = model.infer(tensor)
        outputs.append(made)
        results.append(model.decode(made, placement))
    return Answers(outputs, results)


def compare(reference: Answers, other: Answers) -> Agreement:
    """Return how well one model's answers agree with another's to the same photographs."""
    sums: dict[str, list[float]] = {}
    for was, now in zip(reference.results, other.results, strict=True):
        for name, value, weight in _MEASURES.get(type(was), _unmeasured)(was, now):
            entry = sums.setdefault(name, [0.0, 0.0])
            entry[0] += value * weight
            entry[1] += weight
    results = {name: total / weight for name, (total, weight) in sums.items() if weight}
    things = sum(_count(result) for result in reference.results)
    return Agreement(_gaps(reference, other), results, len(reference.results), things)


def _gaps(reference: Answers, other: Answers) -> tuple[Gap, ...]:
    pairs: dict[str, list[tuple[Array, Array]]] = {}
    for was, now in zip(reference.outputs, other.outputs, strict=True):
        for name in was:
            if name in now and was[name].shape == now[name].shape:
                pairs.setdefault(name, []).append((was[name], now[name]))
    return tuple(_gap(name, values) for name, values in pairs.items())


def _gap(name: str, pairs: Sequence[tuple[Array, Array]]) -> Gap:
    differences = [np.abs(was.astype(np.float64) - now) for was, now in pairs]
    least, most = min(was.min() for was, _ in pairs), max(was.max() for was, _ in pairs)
    return Gap(
        name,
        float(max(d.max() for d in differences)),
        float(np.mean([d.mean() for d in differences])),
        float(most) - float(least),
    )


def _count(result: AnyResult) -> int:
    if isinstance(result, Classes):
        return min(len(result), 1)
    return 1 if isinstance(result, (Embedding, Mask)) else len(result)


def _classes(was: Classes, now: Classes) -> Measured:
    """Compare the best class; where neither is sure of any, they agree."""
    yield "same class", float(_first(was) == _first(now)), 1.0


def _first(result: Classes) -> int:
    return int(result.class_ids[0]) if len(result) else -1


def _boxes(was: Detections | Faces, now: Detections | Faces) -> Measured:
    table = iou(was.boxes, now.boxes)
    if isinstance(was, Detections) and isinstance(now, Detections):
        table = table * (was.class_ids[:, None] == now.class_ids[None])
    yield from _matches("IoU", table)


def _people(was: Poses, now: Poses) -> Measured:
    seen = np.where(was.keypoint_scores > 0, 2.0, 0.0)
    truth = np.concatenate([was.keypoints, seen[:, :, None]], axis=2).astype(np.float32)
    if was.keypoints.shape[1] != now.keypoints.shape[1] or was.keypoints.shape[1] != 17:
        yield from _matches("IoU", iou(was.boxes, now.boxes))
        return
    table = oks(now.keypoints, truth, area(was.boxes)).T
    yield from _matches("OKS", np.asarray(table))


def _matches(what: str, table: Array) -> Measured:
    """Yield which part of both sides' things has a partner on the other, at two strictnesses."""
    total = sum(table.shape)
    for least in (TIGHT, LOOSE):
        yield f"{what} >= {least:g}", 2 * _paired(table, least) / max(total, 1), float(total)


def _paired(table: Array, least: float) -> int:
    """Return how many pairs there are, the nearest first, each thing in one pair."""
    rest, pairs = np.array(table, np.float64), 0
    while rest.size and rest.max() >= least:
        row, column = np.unravel_index(rest.argmax(), rest.shape)
        rest[row], rest[:, column] = -1, -1
        pairs += 1
    return pairs


def _vectors(was: Embedding, now: Embedding) -> Measured:
    yield "cosine", float(was.vector @ now.vector), 1.0


def _masks(was: Mask, now: Mask) -> Measured:
    yield "same pixels", float((was.class_map == now.class_map).mean()), 1.0


def _unmeasured(was: Any, now: Any) -> Measured:
    yield from ()


_MEASURES: Mapping[type, Callable[[Any, Any], Measured]] = {
    Classes: _classes,
    Detections: _boxes,
    Embedding: _vectors,
    Faces: _boxes,
    Mask: _masks,
    Poses: _people,
}
