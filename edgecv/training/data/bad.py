"""What is wrong with a dataset: pictures that are skipped and marks that are mended, all listed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from edgecv.errors import DataError

log = logging.getLogger(__name__)

_SHOWN = 5


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        where: The file, or the mark in it.
        what: What is wrong, and what was done about it.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Problems:
    """A list of what is wrong with a dataset, with a limit to how many pictures may be skipped.

    Args:
        max_bad: The part of the pictures that may be skipped, 0..1.

    Attributes:
        skipped: Pictures that are left out. They count towards the limit.
        mended: What is left out or changed without losing a picture.
        noted: What is odd about the set as a whole.

    Raises:
        ValueError: `max_bad` is not in 0..1.
    """

    def __init__(self, max_bad: float = 0.01) -> None:
        if not 0 <= max_bad <= 1:
            raise ValueError(f"max_bad is a part of the pictures, 0..1, got {max_bad}")
        self.max_bad = max_bad
        self.skipped: list[Problem] = []
        self.mended: list[Problem] = []
        self.noted: list[Problem] = []

    def skip(self, where: str | Path, what: str) -> None:
        """List a picture that is left out."""
        self.skipped.append(Problem(str(where), what))

    def mend(self, where: str | Path, what: str) -> None:
        """List something that is left out or changed while its picture stays."""
        self.mended.append(Problem(str(where), what))

    def note(self, where: str | Path, what: str) -> None:
        """List something that is odd about the set as a whole, and log a warning at once."""
        self.noted.append(Problem(str(where), what))
        log.warning("%s", self.noted[-1])

    def lines(self) -> list[str]:
        """Return every problem as a line of text, skipped pictures first."""
        kinds = (("skipped", self.skipped), ("mended", self.mended), ("noted", self.noted))
        return [f"{kind}: {item}" for kind, items in kinds for item in items]

    def check(self, dataset: str | Path, total: int) -> None:
        """Refuse a dataset with too many bad pictures; log a warning for one with a few.

        Args:
            dataset: What it is called in messages.
            total: How many pictures it lists, the bad ones included.

        Raises:
            DataError: More pictures are bad than the limit allows.
        """
        bad = len({item.where for item in self.skipped})
        if bad > self.max_bad * total:
            raise DataError(
                f"{dataset}: {bad} of {total} pictures cannot be used, more than the "
                f"{self.max_bad:.3g} that max_bad allows: {_first(self.skipped)}; mend or delete "
                "them, or raise max_bad"
            )
        if bad:
            log.warning(
                "%s: %d of %d pictures skipped: %s", dataset, bad, total, _first(self.skipped)
            )
        if self.mended:
            log.warning(
                "%s: %d marks mended or left out: %s",
                dataset,
                len(self.mended),
                _first(self.mended),
            )


def _first(items: list[Problem]) -> str:
    text = "; ".join(str(item) for item in items[:_SHOWN])
    return text if len(items) <= _SHOWN else f"{text}; and {len(items) - _SHOWN} more"
