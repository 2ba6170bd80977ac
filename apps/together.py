"""Several files that appear together under their names, or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from edgecv.errors import OutputError


def check_free(files: Iterable[Path], *, force: bool) -> None:
    """Refuse to replace what is there, unless that is wanted.

    Raises:
        OutputError: Some of the files are there; the text names all of them.
    """
    there = [file for file in files if file.exists()]
    if there and not force:
        names = ", ".join(map(str, there))
        verb = "is" if len(there) == 1 else "are"
        raise OutputError(f"{names} {verb} there already: --force replaces what is there")


@contextmanager
def work_folder(out: Path) -> Iterator[Path]:
    """Give a folder to work in, inside of `out`, which is gone at the end whatever happens.

    Where `out` is not there yet, it lies in the nearest of its parents that is.

    Raises:
        OutputError: Nothing can be written there.
    """
    whole = out.resolve()
    place = next(folder for folder in (whole, *whole.parents) if folder.exists())
    try:
        folder = Path(tempfile.mkdtemp(prefix=".edgecv-", dir=place))
    except OSError as error:
        raise OutputError(f"cannot write into {place}: {error.strerror or error}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(files: Mapping[Path, Path]) -> None:
    """Give finished files their names: all of them, or none; what was there is replaced.

    Args:
        files: Where each is now -> its name.

    Raises:
        OutputError: One cannot be written; then all names are as they were before.
    """
    steps = _Steps({}, {}, [], [])
    try:
        for source, target in files.items():
            _make_folders(target.parent, steps)
            steps.ready[target] = _beside(target)
            _move(source, steps.ready[target])
        for target in filter(Path.is_file, files.values()):
            steps.kept[target] = _beside(target)
            target.replace(steps.kept[target])
        for target, ready in steps.ready.items():
            steps.placed.append(target)
            ready.replace(target)
    except BaseException as error:
        _undo(steps)
        if isinstance(error, OSError):
            said = (error.filename2, error.filename)
            hidden = {str(ready): target for target, ready in steps.ready.items()}
            where = next((hidden[str(name)] for name in said if str(name) in hidden), said[1])
            where = where or next(iter(files.values()))
            raise OutputError(f"cannot write {where}: {error.strerror or error}") from error
        raise
    for spare in steps.kept.values():
        spare.unlink(missing_ok=True)


class _Steps(NamedTuple):
    """What has been done so far, noted before it is done.

    Attributes:
        ready: Finished files beside their names, by name.
        kept: What was there before, moved aside, by name.
        placed: The names that new files have.
        folders: Folders that were made.
    """

    ready: dict[Path, Path]
    kept: dict[Path, Path]
    placed: list[Path]
    folders: list[Path]


def _undo(steps: _Steps) -> None:
    for target in steps.placed:
        with suppress(OSError):
            target.unlink(missing_ok=True)
    for target, spare in steps.kept.items():
        with suppress(OSError):
            spare.replace(target)
    for ready in steps.ready.values():
        with suppress(OSError):
            ready.unlink(missing_ok=True)
    for folder in reversed(steps.folders):
        with suppress(OSError):
            folder.rmdir()


def _make_folders(folder: Path, steps: _Steps) -> None:
    for each in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        steps.folders.append(each)
        each.mkdir(exist_ok=True)


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name}-{os.getpid()}-{os.urandom(4).hex()}")


def _move(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        shutil.copyfile(source, target)  # another disk
