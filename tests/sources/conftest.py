from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from edgecv.sources import Source, open_source

Open = Callable[[str | os.PathLike[str]], Source]


@pytest.fixture
def opened() -> Iterator[Open]:
    """`open_source`, with all sources closed when the test ends."""
    sources: list[Source] = []

    def open_and_keep(uri: str | os.PathLike[str]) -> Source:
        sources.append(open_source(uri))
        return sources[-1]

    yield open_and_keep
    for source in sources:
        source.close()
