"""Layers by the names of what they give, or by patterns of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TypeVar

from edgecv.errors import ModelFileError, unknown_name

_Key = TypeVar("_Key")


def matching(layers: Mapping[_Key, Sequence[str]], patterns: Iterable[str]) -> list[_Key]:
    """Return the layers that any of the patterns fits.

    Args:
        layers: The names of each layer.
        patterns: Names, or patterns such as "head/*".

    Raises:
        ModelFileError: A pattern fits none; the text names the nearest.
    """
    found: dict[_Key, None] = {}
    for pattern in patterns:
        hits = [key for key, names in layers.items() if any(_fits(n, pattern) for n in names)]
        if not hits:
            known = [name for names in layers.values() for name in names]
            raise ModelFileError(f"keep_float: {unknown_name('layer', pattern, known)}")
        found |= dict.fromkeys(hits)
    return list(found)


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)
