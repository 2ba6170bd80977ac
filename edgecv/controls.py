"""What a user may change while a run goes on, from a page or from code."""

from __future__ import annotations

from threading import Lock
from typing import Protocol, TypeVar, cast

from edgecv.results import Classes, Detections, Faces, Poses, Result
from edgecv.types import Image

R = TypeVar("R", bound=Result)


class GalleryLike(Protocol):
    """The people that faces are compared with, as a page changes them.

    It is called from other threads than the run's, though never by two at a time. What it refuses
    is an `EdgeCVError` or a `ValueError`, whose text is shown.
    """

    def names(self) -> list[str]:
        """Return everybody's name, in the order to show them."""

    def enroll(self, name: str, image: Image) -> str:
        """Add the face of a picture, uint8 (H, W, 3) BGR, and return a line that says so."""

    def rename(self, old: str, new: str) -> None:
        """Give somebody another name."""

    def delete(self, name: str) -> None:
        """Forget somebody."""


class Controls:
    """The settings of a run that may change while it goes on. Threads may share it.

    An app makes one, gives it to the sink that shows it, and uses `filter_by_score` with `score` on
    each result; the model has to be loaded with `score=lowest`, or there is nothing to let through.

    Args:
        score: What is less sure than this is left out; None where there is no such setting.
        lowest: The least that `score` may be: what the model itself leaves out.
        gallery: The known people; None where faces are not compared.

    Raises:
        ValueError: The score is not in lowest..1.
    """

    def __init__(
        self,
        score: float | None = None,
        *,
        lowest: float = 0.0,
        gallery: GalleryLike | None = None,
    ) -> None:
        if not 0 <= lowest <= 1:
            raise ValueError(f"wanted a lowest score in 0..1, got {lowest}")
        self.lowest = lowest
        self.gallery = gallery
        self.editing = Lock()
        """Held by whoever calls the gallery."""
        self._score = None if score is None else self._checked(score)

    @property
    def score(self) -> float | None:
        """What is less sure than this is left out; None where there is no such setting."""
        return self._score

    @score.setter
    def score(self, value: float) -> None:
        if self._score is None:
            raise ValueError("this run has no threshold to set")
        self._score = self._checked(value)

    def _checked(self, value: float) -> float:
        if not self.lowest <= value <= 1:
            raise ValueError(f"wanted a score in {self.lowest:g}..1, got {value}")
        return float(value)


def filter_by_score(result: R, score: float | None) -> R:
    """Return a result without what is less sure than `score`; all of it where that is None.

    Embeddings and masks have no scores, and stay as they are.
    """
    if score is None or not isinstance(result, (Classes, Detections, Faces, Poses)):
        return result
    return cast("R", result[result.scores >= score])
