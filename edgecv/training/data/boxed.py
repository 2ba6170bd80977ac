"""What a set of boxes has to mark: something, every class, and no class that nobody knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from edgecv.errors import DataError, unknown_name
from edgecv.training.data.bad import Problems
from edgecv.training.data.stored import StoredSamples

NOTHING: Mapping[str, int] = MappingProxyType({})
_SHOWN = 5
_NAMED = 20


def note_unknown(
    problems: Problems, dataset: Path, left: Counter[str], names: Sequence[str]
) -> None:
    """Note the boxes that are left out because nobody knows their class, class by class.

    Args:
        problems: Where they are noted.
        dataset: What the dataset is called in messages.
        left: How many boxes there are of each such class.
        names: The classes that are known.
    """
    for name, count in left.most_common(_SHOWN):
        problems.note(dataset, f"{count} boxes left out: {unknown_name('class', name, names)}")
    if len(left) > _SHOWN:
        problems.note(dataset, f"boxes of {len(left) - _SHOWN} more unknown classes left out")


def check_classes(
    dataset: Path, samples: StoredSamples, *, asked: bool = False, lost: Mapping[str, int] = NOTHING
) -> None:
    """Refuse a set without any box; note the classes that have none, or refuse them too.

    Args:
        dataset: What it is called in messages.
        samples: The set.
        asked: Whether every class has to have a box.
        lost: How many boxes do not count, by reason: "are of crowds".

    Raises:
        DataError: There is no box, or none of a class that has to have one.
    """
    found = {number for entry in samples.entries for number in entry.classes.tolist()}
    empty = [name for number, name in enumerate(samples.names) if number not in found]
    if empty and asked:
        raise DataError(f"the class {empty[0]!r} is empty: {dataset} holds no usable box of it")
    if not found:
        why = "; ".join(f"{count} {reason}" for reason, count in lost.items() if count)
        dropped = [str(problem) for problem in samples.problems.mended[:1]]
        raise DataError(
            f"{dataset}: wanted boxes of {_listed(samples.names, _SHOWN)}, got none that counts "
            f"({why or ', '.join(dropped) or 'nothing is marked'}): mend its marks, or name "
            "another set"
        )
    if empty:
        classes = "class" if len(empty) == 1 else "classes"
        samples.problems.note(dataset, f"no box of the {classes} {_listed(empty, _NAMED)}")


def _listed(names: Sequence[str], most: int) -> str:
    text = ", ".join(repr(name) for name in names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most} more"
