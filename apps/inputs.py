"""Where frames come from: all sources of a command line as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecv.sources import Source, open_source
from edgecv.sources.addresses import hide_password
from edgecv.sources.options import split_path
from edgecv.types import Frame

from .common import UsageError


class Chain:
    """Several sources, one behind the other.

    Args:
        sources: They, opened.

    Attributes:
        sources: They.
    """

    live = False

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = tuple(sources)
        self._left = list(sources)

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """Return the next frame of the first source that has one.

        Raises:
            EdgeCVError: It cannot be read; the next call goes on behind it.
        """
        while self._left:
            try:
                return next(self._left[0])
            except StopIteration:
                del self._left[:1]
        raise StopIteration

    def close(self) -> None:
        """Give everything back."""
        self._left.clear()
        for source in self.sources:
            source.close()


def open_sources(uris: Sequence[str]) -> tuple[Source, bool]:
    """Open all sources as one.

    Returns:
        It, and whether it is a film or a camera: frames that belong together.

    Raises:
        UsageError: There are several sources, and one of them is live.
        EdgeCVError: One of them cannot be opened.
    """
    sources: list[Source] = []
    try:
        for uri in uris:
            sources.append(open_source(uri))
        for uri, source in zip(uris, sources, strict=True):
            if source.live and len(sources) > 1:
                raise UsageError(f"{hide_password(uri)} is live, and has to be the only source")
    except BaseException:
        Chain(sources).close()
        raise
    moving = not all(hasattr(source, "paths") for source in sources)
    return (sources[0] if len(sources) == 1 else Chain(sources)), moving


def input_paths(uris: Sequence[str], source: Source) -> list[Path]:
    """Return the files that are going to be read, as far as they are known."""
    named = [Path(split_path(uri.removeprefix("file://"))[0]).expanduser() for uri in uris]
    return [*picture_paths(source), *(path for path in named if path.is_file())]


def picture_paths(source: Source) -> list[Path]:
    """Return the picture files of a source; none for a film or a camera."""
    parts = source.sources if isinstance(source, Chain) else (source,)
    return [path for part in parts for path in getattr(part, "paths", ())]
