"""Where edgecv keeps what it may throw away: downloaded and compiled models."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgecv.errors import OutputError


def cache_dir() -> Path:
    """Return the cache folder: $EDGECV_CACHE, else `edgecv` in the user's cache folder.

    The folder may not exist yet.
    """
    if given := os.environ.get("EDGECV_CACHE"):
        return Path(given).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "edgecv"


@contextmanager
def atomic_path(target: Path, *, private: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `target` that becomes `target` when the block ends well.

    A block that raises leaves `target` as it was and nothing half-written beside it.

    Args:
        target: The file to be.
        private: Nobody but its owner may ever read it.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent
        )
        os.close(handle)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    temporary = Path(name)
    try:
        if not private:  # as mkstemp makes it
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
        yield temporary
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomic(target: Path, data: bytes | str) -> None:
    """Write a whole file, or leave what was there.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    with atomic_path(target) as temporary:
        temporary.write_bytes(data.encode() if isinstance(data, str) else data)


@contextmanager
def explained(target: Path, library: str) -> Iterator[None]:
    """Turn the RuntimeError of a library that could not write a file into an error for people.

    Raises:
        OutputError: The library raised one.
    """
    try:
        yield
    except RuntimeError as error:  # which says nothing of the reason
        raise OutputError(
            f"cannot write {target}: {library} could not write all of it; is the disk full? "
            f"({' '.join(str(error).split())[:200]})"
        ) from error
