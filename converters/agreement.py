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
from edgecv.session import Session
from edgecv.types import Array, Image, TensorSpec

TIGHT, LOOSE = 0.95, 0.5
"""At which IoU, or object keypoint similarity, two results count as the same thing."""

TINY = 1e-12
"""The least variance that numbers are said to have, so that constants can be divided by it."""

Measured: TypeAlias = Iterator[tuple[str, float, float]]
"""What a measure yields: a name, a value from 0 to 1, and what it weighs."""


class Gap(NamedTuple):
    """How far one output is from the reference's.

    Attributes:
        name: The output's role.
        largest: The greatest difference of two numbers.
        mean: The mean difference.
        spread: From the reference's least to its greatest number, to judge the others by.
        explained: The part of the variance of the reference's numbers that the other's explain, R2:
            1 where they are the same, 0 where a constant would do as well, -1 for numbers of the
            same kind that have nothing to do with them.
    """

    name: str
    largest: float
    mean: float
    spread: float
    explained: float


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
        results: Of each photograph; none where only numbers are asked for.
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


def raw_answers(session: Session, tensors: Sequence[Mapping[str, Array]]) -> Answers:
    """Run a file of which no more is known than its tensors; there are no results.

    Args:
        session: The opened file.
        tensors: What goes in, by input, as real numbers where the file takes integers with a scale.
    """
    outputs = []
    for given in tensors:
        made = session.run({t.name: _taken(given[t.name], t) for t in session.inputs})
        outputs.append({t.name: _real(made[t.name], t) for t in session.outputs})
    return Answers(outputs, ())


def _taken(values: Array, tensor: TensorSpec) -> Array:
    if tensor.quant is None:
        return values.astype(tensor.dtype)
    ends = np.iinfo(tensor.dtype)
    steps = np.rint(values / np.float32(tensor.quant.scale)) + tensor.quant.zero_point
    taken: Array = np.clip(steps, ends.min, ends.max).astype(tensor.dtype)
    return taken


def _real(values: Array, tensor: TensorSpec) -> Array:
    if tensor.quant is None:
        return values
    zero, scale = np.float32(tensor.quant.zero_point), np.float32(tensor.quant.scale)
    real: Array = (values.astype(np.float32) - zero) * scale
    return real


def random_tensors(inputs: Sequence[TensorSpec], count: int) -> list[dict[str, Array]]:
    """Return made-up tensors of a file's shapes, a dict for each run, the same each time.

    Floats, and what integers with a scale stand for, are from -1 to 1 in every second one and from
    0 to 255 in the others, which are the ranges that networks take pictures in; other integers are
    from 0 to 255 or their type's limit.
    """
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        low, high = ((0, 255), (-1, 1))[seed % 2]
        entry: dict[str, Array] = {}
        for tensor in inputs:
            shape = tuple(side or 1 for side in tensor.shape)
            if tensor.dtype.kind == "f" or tensor.quant is not None:
                entry[tensor.name] = rng.uniform(low, high, shape).astype(np.float32)
            elif tensor.dtype.kind in "iu":
                most = min(255, np.iinfo(tensor.dtype).max)
                entry[tensor.name] = rng.integers(0, most + 1, shape).astype(tensor.dtype)
            else:
                entry[tensor.name] = rng.integers(0, 2, shape).astype(tensor.dtype)
        made.append(entry)
    return made


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
    return Agreement(_gaps(reference, other), results, len(reference.outputs), things)


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
        _explained(pairs),
    )


def _explained(pairs: Sequence[tuple[Array, Array]]) -> float:
    """Return the coefficient of determination, R2, over all numbers of all pictures."""
    was, now = (np.concatenate([np.ravel(a) for a in side]) for side in zip(*pairs, strict=True))
    was = was.astype(np.float64)
    missed, total = np.square(was - now).sum(), np.square(was - was.mean()).sum()
    return 1.0 - float(missed / max(total, TINY * was.size))


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
