"""Image files, folders of them and patterns, in the order in which people count."""

from __future__ import annotations

import glob
import re
import time
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from edgecv.errors import ImageError
from edgecv.image import MAX_PIXELS, read_image
from edgecv.types import Frame

SUFFIXES = (
    *(".bmp", ".gif", ".jp2", ".jpeg", ".jpg", ".pgm"),
    *(".png", ".ppm", ".tif", ".tiff", ".webp"),
)
"""What counts as a picture in a folder or behind a pattern, whatever the case of its letters."""


class Files:
    """A source of the pictures in a list of files.

    Args:
        paths: The files, in the order in which they are read.
        max_pixels: Larger pictures are refused.

    Attributes:
        paths: The files.
    """

    live = False

    def __init__(self, paths: Iterable[Path], *, max_pixels: int = MAX_PIXELS) -> None:
        self.paths = tuple(paths)
        self._max_pixels = max_pixels
        self._next = 0

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """Read the next picture.

        Raises:
            ImageError: It cannot be read; the next call goes on behind it.
        """
        if self._next >= len(self.paths):
            raise StopIteration
        index, self._next = self._next, self._next + 1
        path = self.paths[index]
        image = read_image(path, max_pixels=self._max_pixels)
        return Frame(image, index, time.monotonic(), str(path))

    def close(self) -> None:
        """Leave out the pictures that were not read yet."""
        self._next = len(self.paths)


def open_files(uri: str) -> Files:
    """Open an image file, a folder or a pattern.

    Args:
        uri: A file, whatever its suffix; a folder, whose pictures are taken without those of its
            subfolders; or a pattern of `glob`, where ``**`` stands for any depth of folders.

    Raises:
        ImageError: There is no such file, or no picture in the folder or behind the pattern.
    """
    text = uri.removeprefix("file://")
    if not text:
        raise ImageError("the name of an image file or folder is empty")
    path = Path(text).expanduser()
    if path.is_dir():
        return Files(_in_folder(path))
    if path.exists():
        return Files([path])
    if glob.has_magic(text):
        return Files(_behind_pattern(str(path)))
    raise ImageError(missing_text(path))


def natural_key(path: Path) -> tuple[tuple[str | int, ...], ...]:
    """Return a sorting key that counts: "shot 9" before "shot 10", whatever the letters' case."""
    return tuple(_name_key(part) for part in path.parts)


def _name_key(name: str) -> tuple[str | int, ...]:
    """Split a name into text and numbers, by turns: text always stands at even places."""
    pieces = re.split(r"([0-9]+)", name.casefold())
    return tuple(int(piece) if i % 2 else piece for i, piece in enumerate(pieces))


def _pictures(paths: Iterable[Path]) -> list[Path]:
    found = [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
    return sorted(found, key=lambda path: (natural_key(path), str(path)))


def _in_folder(folder: Path) -> list[Path]:
    try:
        inside = list(folder.iterdir())
    except OSError as error:
        raise ImageError(f"cannot read the folder {folder}: {error.strerror or error}") from error
    found = _pictures(inside)
    if not found:
        deeper = any(path.is_dir() for path in inside)
        raise ImageError(
            f"no pictures in the folder {folder} ({', '.join(SUFFIXES)})"
            + (f"; for those in its subfolders give '{folder}/**'" if deeper else "")
        )
    return found


def _behind_pattern(pattern: str) -> list[Path]:
    matches = glob.iglob(pattern, recursive=True)  # noqa: PTH207  Path.glob has no absolute patterns
    found = _pictures(map(Path, matches))
    if not found:
        raise ImageError(f"no pictures fit the pattern {pattern!r} ({', '.join(SUFFIXES)})")
    return found


def missing_text(path: Path) -> str:
    """Return what to say of a path that is not there, with the nearest that is."""
    text = f"no such file or folder: {path}"
    parent = path.parent
    if not parent.is_dir():
        return f"{text} (nor is there a folder {parent})"
    near = get_close_matches(path.name, [entry.name for entry in parent.iterdir()], n=1, cutoff=0.6)
    return f"{text}; did you mean {str(parent / near[0])!r}?" if near else text
