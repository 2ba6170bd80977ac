"""What an evaluation gives: figures, and the items they were computed from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from edgecv.types import Array


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How good a model was on a set of labelled items, which are resampled as wholes.

    Attributes:
        main: The key of the figure that stands for all of them.
        figures: Value by name, 0..1 unless the name is a count or a threshold; NaN where the data
            hold nothing to measure it on.
        images: The number of pictures that the model was given.
    """

    main: ClassVar[str]
    figures: Mapping[str, float]
    images: int

    def __len__(self) -> int:
        """The number of items: pictures or, for face verification, pairs."""
        raise NotImplementedError

    def resample(self, counts: Array) -> float:
        """Return the main figure as it would be if item i had occurred ``counts[i]`` times.

        This is what a bootstrap needs: draw indices, count them with ``numpy.bincount``, and give
        the same counts to the evaluations of both models to compare them on the same draw.

        Args:
            counts: (len(self),), 0 or more.
        """
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON values, None for NaN."""
        return {name: json_number(value) for name, value in self.figures.items()}


def json_number(value: float) -> float | int | None:
    """Return a figure as JSON takes it, to six decimals; None for NaN."""
    if math.isnan(value):
        return None
    return value if isinstance(value, int) else round(float(value), 6)


def checked_counts(counts: Array, items: int) -> None:
    """Refuse counts that do not belong to `items` items."""
    if counts.shape != (items,):
        raise ValueError(f"wanted a count for each of {items} items, got shape {counts.shape}")
