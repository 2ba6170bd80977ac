"""Image classification: how often the right class is the first, or among the first five."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, cast

import numpy as np

from edgecv.datasets import LabelledImage, spread
from edgecv.errors import DataError
from edgecv.evaluation.loop import at_score, check_task, pictures
from edgecv.evaluation.record import Evaluation, checked_counts
from edgecv.model import Model
from edgecv.progress import Report
from edgecv.results import Classes
from edgecv.types import Array

OTHER = "(other)"
"""What the confusion table calls an answer that is none of the data's classes."""


@dataclass(frozen=True, kw_only=True)
class ClassificationEvaluation(Evaluation):
    """How good a classifier is.

    Attributes:
        classes: The data's K classes, by name.
        rank: int64 (N,): the place of the right class among the answers, from 0; -1 for none.
        per_class: The part of each class's pictures that are classified rightly.
        confusion: int64 (K, K + 1): pictures by true class and first answer; the last column is
            for answers that are none of the classes.
    """

    main: ClassVar[str] = "top1"
    classes: tuple[str, ...]
    rank: Array = field(repr=False)
    per_class: Mapping[str, float]
    confusion: Array = field(repr=False)

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.rank)

    def resample(self, counts: Array) -> float:
        """Return the part that is classified rightly where picture i occurs ``counts[i]`` times."""
        checked_counts(counts, len(self))
        return float((self.rank == 0) @ counts) / float(counts.sum())


def evaluate(
    model: Model,
    data: Sequence[LabelledImage],
    *,
    limit: int | None = None,
    report: Report | None = None,
) -> ClassificationEvaluation:
    """Run a classifier on labelled pictures and measure it.

    Args:
        model: A model of the task "classification" with labels.
        data: What `edgecv.datasets.read_classes` gives.
        limit: Use this many pictures, spread evenly over the data; None for all.
        report: Called with how many pictures are done, and of how many.

    Raises:
        SpecError: The model is for another task.
        DataError: The data have classes that the model does not know.
        ImageError: A picture cannot be read.
    """
    check_task(model, "classification")
    class_ids(model.spec.labels, {image.label for image in data})
    chosen = spread(data, limit)
    every = at_score(model, 0.0)
    files = [image.file for image in chosen]
    found = [cast("Classes", every(image)) for image in pictures(files, report)]
    return measure([image.label for image in chosen], found)


def measure(labels: Sequence[str], found: Sequence[Classes]) -> ClassificationEvaluation:
    """Compare answers with the names of the right classes.

    Args:
        labels: The right class of each picture.
        found: What was found on each, by falling score; all by the same model.

    Raises:
        DataError: The model does not know some of the classes.
        ValueError: There are not as many answers as labels, or there are none.
    """
    if not found:
        raise ValueError("wanted at least one picture")
    names = tuple(sorted(set(labels)))
    ids = class_ids(found[0].labels, names)
    position = {number: i for i, name in enumerate(names) for number in ids[name]}
    confusion = np.zeros((len(names), len(names) + 1), np.int64)
    ranks = []
    for label, result in zip(labels, found, strict=True):
        answers = result.class_ids.tolist()
        ranks.append(next((r for r, c in enumerate(answers) if c in ids[label]), -1))
        first = position.get(answers[0], len(names)) if answers else len(names)
        confusion[names.index(label), first] += 1
    rank = np.array(ranks)
    right = np.diagonal(confusion) / confusion.sum(axis=1)
    return ClassificationEvaluation(
        figures={
            "top1": float((rank == 0).mean()),
            "top5": float(((rank >= 0) & (rank < 5)).mean()),
        },
        images=len(found),
        classes=names,
        rank=rank,
        per_class=dict(zip(names, right.tolist(), strict=True)),
        confusion=confusion,
    )


def class_ids(labels: Sequence[str], names: Sequence[str] | set[str]) -> dict[str, frozenset[int]]:
    """Return the model's class ids for each of the data's class names.

    A name fits a label that is the same but for case, or whose first synonym, before a comma, is.

    Raises:
        DataError: Some names fit no label.
    """
    known: dict[str, set[int]] = {}
    for number, label in enumerate(labels):
        for text in {label, label.partition(",")[0]}:
            known.setdefault(text.strip().casefold(), set()).add(number)
    missing = sorted(name for name in names if name.casefold() not in known)
    if missing:
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise DataError(
            f"the model has no class for {len(missing)} of {len(names)} class folders: "
            f"{', '.join(missing[:10])}{more}; it knows {len(labels)} classes, such as "
            f"{', '.join(labels[:3]) or 'none by name'}"
        )
    return {name: frozenset(known[name.casefold()]) for name in names}
