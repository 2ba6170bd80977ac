"""The source seam: where frames come from. One file for each kind of source.

A source is an iterator of `Frame`. One that cannot give a frame raises, and may be asked for the
next one all the same: a folder goes on behind a damaged picture, a camera after it was unplugged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Protocol

from edgecv.registry import Registry
from edgecv.types import Frame


class Source(Protocol):
    """An opened source. Sources that know how many frames they have say so by `len`."""

    def __iter__(self) -> Iterator[Frame]:
        """Return the source itself."""

    def __next__(self) -> Frame:
        """Return the next frame.

        Raises:
            EdgeCVError: There should be one, and it cannot be had; the one behind it may be.
            StopIteration: There are no more.
        """

    def close(self) -> None:
        """Give the camera or the file back."""


SOURCES = Registry("kind of source", {"file": "edgecv.sources.files:open_files"})
"""What a URI begins with -> the function that opens it. A path is a URI without a beginning."""

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+)://")


def open_source(uri: str | os.PathLike[str]) -> Source:
    """Open a source of frames.

    Args:
        uri: An image file, a folder of them, or a pattern such as ``photos/*.jpg``.

    Raises:
        ImageError: There is no such file, or no picture in the folder.
        UnknownNameError: No kind of source has URIs that begin like that.
    """
    text = os.fspath(uri)
    scheme = _SCHEME.match(text)
    source: Source = SOURCES.load(scheme[1] if scheme else "file")(text)
    return source
