"""Teachers that are asked together, about pictures as the network sees them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import numpy as np

from edgecv.evaluation.loop import check_task
from edgecv.model import Model, load
from edgecv.training.teachers.teacher import columns, picture_logits
from edgecv.types import FloatArray, Image


class Panel:
    """Classifiers whose mean answer is taken.

    Several threads may ask at a time: each is answered by models that no other uses.

    Args:
        teachers: Names of `edgecv models` or model files.
        names: The C classes that are asked about; the teachers' own are found by name.

    Raises:
        SpecError: A teacher is for another task, or does not know a class.
        UnknownNameError: There is no such teacher.
    """

    def __init__(self, teachers: Sequence[str], names: tuple[str, ...]) -> None:
        self.teachers, self.names = tuple(teachers), names
        self._idle = [self._open()]

    def logits(self, images: Iterable[Image]) -> FloatArray:
        """Return the mean of the teachers' logits, float32 (B, C).

        Args:
            images: B pictures, uint8 (H, W, 3), BGR.

        Raises:
            InferenceError: A runtime failed, or an answer is not numbers.
        """
        with self._members() as members:
            rows = [[m.ask(image) for m in members] for image in images]
        return mean_logits(np.array(rows, np.float32).transpose(1, 0, 2))

    @contextmanager
    def _members(self) -> Iterator[list[_Member]]:
        """Give models to one thread alone: idle ones, or else new ones."""
        try:
            members = self._idle.pop()
        except IndexError:
            members = self._open()
        try:
            yield members
        finally:
            self._idle.append(members)

    def _open(self) -> list[_Member]:
        with ExitStack() as opened:
            members = [
                _member(opened.enter_context(load(name, threads=1)), self.names)
                for name in self.teachers
            ]
            opened.pop_all()
        return members


class _Member(NamedTuple):
    model: Model
    columns: list[int]

    def ask(self, image: Image) -> FloatArray:
        chosen: FloatArray = picture_logits(self.model, image)[self.columns]
        return chosen


def _member(model: Model, names: tuple[str, ...]) -> _Member:
    check_task(model, "classification")
    count = len(picture_logits(model, np.zeros((32, 32, 3), np.uint8)))
    return _Member(model, columns(model.spec, count, names))


def mean_logits(logits: Sequence[FloatArray] | FloatArray) -> FloatArray:
    """Return what several teachers say together, float32 (N, C), up to a constant in each row.

    Each one's logits become logarithms of probabilities first, whose mean is taken: the product of
    experts of Hinton 2002, "Training Products of Experts by Minimizing Contrastive Divergence".

    Args:
        logits: Of each teacher, (N, C), up to a constant in each row.
    """
    each = [rows - np.logaddexp.reduce(rows, axis=1, keepdims=True) for rows in logits]
    mean: FloatArray = np.mean(each, axis=0, dtype=np.float32)
    return mean
