"""Object detection, by the figures of COCO: average precision and recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, cast

import numpy as np

from edgecv.datasets import CocoData, spread
from edgecv.errors import DataError, unknown_name
from edgecv.evaluation import coco
from edgecv.evaluation.loop import at_score, check_task, pictures
from edgecv.evaluation.record import Evaluation, checked_counts
from edgecv.model import Model
from edgecv.progress import Report
from edgecv.results import Detections
from edgecv.types import Array

SCORE = 0.001
"""Detections down to this score are ranked: average precision wants the whole curve."""

PER_IMAGE = 100
"""The most detections of a picture that count, as in COCO's own evaluation."""

KNOWN = ("AP", "AP50")
"""Figures that are also given as `AP_known` and `AP50_known`, over the classes that the model knows
of the data, where there are others."""

SYNONYMS = {
    "aeroplane": "airplane",
    "diningtable": "dining table",
    "motorbike": "motorcycle",
    "pottedplant": "potted plant",
    "sofa": "couch",
    "tvmonitor": "tv",
}
"""Pascal VOC's names of classes that COCO has under another; some copies of COCO use them too."""


@dataclass(frozen=True, kw_only=True)
class DetectionEvaluation(Evaluation):
    """How good a detector is.

    Attributes:
        per_class: Average precision by class name, for the classes that occur in the data.
        unknown: Those of them that the model does not know.
        detections: What was found, by picture.
        matches: What was right, by category id.
    """

    main: ClassVar[str] = "AP"
    per_class: Mapping[str, float]
    unknown: tuple[str, ...]
    detections: tuple[Detections, ...] = field(repr=False)
    matches: Mapping[int, coco.Matches] = field(repr=False)

    def __len__(self) -> int:
        """The number of pictures."""
        return len(self.detections)

    def resample(self, counts: Array) -> float:
        """Return the average precision where picture i occurs ``counts[i]`` times."""
        checked_counts(counts, len(self))
        return _mean([match.average_precision(counts) for match in self.matches.values()])


def evaluate(
    model: Model,
    data: CocoData,
    *,
    classes: Sequence[str] = (),
    limit: int | None = None,
    report: Report | None = None,
) -> DetectionEvaluation:
    """Run a detector on labelled pictures, at a score threshold of `SCORE`, and measure it.

    Args:
        model: A model of the task "detection".
        data: What `edgecv.datasets.read_objects` gives.
        classes: Count these classes only; none for all classes of the data, where a class that the
            model does not know counts as 0 if it occurs.
        limit: Use this many pictures, spread evenly over the data; None for all.
        report: Called with how many pictures are done, and of how many.

    Raises:
        SpecError: The model is for another task.
        DataError: Model and data have no class in common, or a picture is not as labelled.
        ImageError: A picture cannot be read.
        UnknownNameError: The data know no class of that name.
        PackageMissingError: pycocotools is not installed.
    """
    check_task(model, "detection")
    coco.tools()  # what is missing is said before the work, not after it
    chosen = replace(data, images=spread(data.images, limit))
    categories_of(model.spec.labels, data)
    _category_ids(classes, data)
    low = at_score(model, SCORE)
    files, sizes = zip(*((image.file, image.size) for image in chosen.images), strict=True)
    found = [
        cast("Detections", low(image))[:PER_IMAGE] for image in pictures(files, report, sizes=sizes)
    ]
    return measure(chosen, found, classes=classes)


def measure(
    data: CocoData, found: Sequence[Detections], *, classes: Sequence[str] = ()
) -> DetectionEvaluation:
    """Compare detections, one result for each picture of `data`, with its labels.

    Classes are matched by name, whatever their case, and by `SYNONYMS`. Detections of classes that
    the data do not know count for nothing.

    Args:
        data: The labelled pictures.
        found: In the same order, each by falling score.
        classes: Count these classes only; none for all.

    Raises:
        DataError: Results and data have no class in common.
        UnknownNameError: The data know no class of that name.
        PackageMissingError: pycocotools is not installed.
        ValueError: There are not as many results as pictures.
    """
    categories = _category_ids(classes, data)
    answers = []
    for result in found:
        known = categories_of(result.labels, data)
        ids = np.array([known.get(c, -1) for c in result.class_ids.tolist()], np.int64)
        keep = ids >= 0
        answers.append(coco.Answers(result.boxes[keep], result.scores[keep], ids[keep]))
    outcome = coco.evaluate(data, answers, kind="bbox", categories=categories)
    once = np.ones(len(found))
    values = {c: match.average_precision(once) for c, match in outcome.matches.items()}
    occurring = {c: value for c, value in values.items() if not np.isnan(value)}
    expected = set(categories_of(found[0].labels, data).values())
    names = [data.categories[c] for c in occurring if c in expected]
    figures = dict(outcome.figures)
    if 0 < len(names) < len(occurring):
        own = measure(data, found, classes=names).figures
        figures |= {f"{name}_known": own[name] for name in KNOWN}
    return DetectionEvaluation(
        figures=figures,
        images=len(found),
        per_class={data.categories[c]: value for c, value in occurring.items()},
        unknown=tuple(data.categories[c] for c in occurring if c not in expected),
        detections=tuple(found),
        matches=outcome.matches,
    )


def categories_of(labels: Sequence[str], data: CocoData) -> dict[int, int]:
    """Return the data's category id by the model's class id, for names that both know.

    Raises:
        DataError: They have no name in common.
    """
    by_name = {_common(name): number for number, name in data.categories.items()}
    known = {
        class_id: by_name[_common(name)]
        for class_id, name in enumerate(labels)
        if _common(name) in by_name
    }
    if not known:
        raise DataError(
            f"the model and the data have no class in common: the model knows {_some(labels)}; "
            f"the data know {_some(list(data.categories.values()))}"
        )
    return known


def _category_ids(classes: Sequence[str], data: CocoData) -> list[int]:
    by_name = {name: number for number, name in data.categories.items()}
    for name in classes:
        if name not in by_name:
            raise unknown_name("class", name, by_name)
    return [by_name[name] for name in classes] or list(data.categories)


def _common(name: str) -> str:
    plain = name.strip().casefold()
    return SYNONYMS.get(plain, plain)


def _some(names: Sequence[str]) -> str:
    listed = [name for name in names if name and name != "n/a"]
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return (", ".join(listed[:5]) or "none by name") + more


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
