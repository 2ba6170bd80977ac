"""Annotated pictures in a folder, one file a frame."""

from __future__ import annotations

from pathlib import Path

import cv2

from edgecv.cache import atomic_path
from edgecv.errors import OutputError
from edgecv.sinks import Event, Output
from edgecv.types import Image

PNG_SUFFIXES = (".png", ".bmp", ".pgm", ".ppm", ".tif", ".tiff", ".gif")
"""Pictures that came without loss are written without loss; all others become JPEG."""


def write_image(path: Path, image: Image) -> None:
    """Write a picture, of the kind that the suffix says, whole or not at all.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    done, data = cv2.imencode(path.suffix, image)
    if not done:
        raise OutputError(f"cannot encode {path}")
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.tobytes())


class Images:
    """A sink of annotated pictures, named after their source and number.

    Args:
        folder: Where they go; it is made where it is not there.

    Raises:
        OutputError: It cannot be made.
    """

    buffer = 8

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"cannot make the folder {folder}: {reason}") from error
        self._folder = folder
        self._taken: set[str] = set()

    def write(self, output: Output) -> None:
        """Write one picture.

        Raises:
            OutputError: The folder cannot be written, or the disk is full.
        """
        source = Path(output.frame.source)
        name = self._name(source, output.frame.index)
        write_image(self._folder / name, output.draw(output.frame.image))

    def event(self, event: Event) -> None:
        """Leave events to others."""

    def close(self) -> None:
        """There is nothing to finish: every picture is whole."""

    def _name(self, source: Path, index: int) -> str:
        """Return a file's own name, with its number or the next free one where that is taken.

        Case does not tell names apart, since it does not on every disk.
        """
        stem = source.stem or "frame"
        suffix = ".png" if source.suffix.lower() in PNG_SUFFIXES else ".jpg"
        name = f"{stem}{suffix}"
        while name.casefold() in self._taken:
            name = f"{stem}_{index:06d}{suffix}"
            index += 1
        self._taken.add(name.casefold())
        return name


def open_images(uri: str) -> Images:
    """Open a folder, made where it is not there."""
    folder = Path(uri.removeprefix("images:").removeprefix("//")).expanduser()
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; wanted a folder for pictures, or a name like x.mp4")
    return Images(folder)
