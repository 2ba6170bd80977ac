"""Datasets in a zip file, unpacked once into the cache folder."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from hashlib import blake2b
from pathlib import Path

from edgecv.cache import cache_dir
from edgecv.errors import DataError, OutputError


def unpacked(file: Path) -> Path:
    """Return the folder with what a zip file holds: below a single folder, where there is one.

    Args:
        file: The zip file. After a change of its size or time it is unpacked anew.

    Raises:
        DataError: It is missing, damaged, or not a zip file.
        OutputError: The cache folder cannot be written, or the disk has no room.
    """
    try:
        status = file.stat()
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror or error}") from error
    state = f"{file.resolve()} {status.st_size} {status.st_mtime_ns}"
    key = blake2b(state.encode(), digest_size=6).hexdigest()
    target = cache_dir() / "datasets" / f"{file.stem}-{key}"
    if not target.is_dir():
        _unpack(file, target)
    return _innermost(target)


def _unpack(file: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=target.parent))
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    try:
        _extract(file, scratch)
        scratch.chmod(0o755)
        if not target.is_dir():  # another process may have been faster
            scratch.rename(target)
    except OSError as error:
        raise OutputError(f"cannot unpack {file} to {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _extract(file: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(file) as archive:
            wanted = sum(entry.file_size for entry in archive.infolist())
            free = shutil.disk_usage(folder).free
            if wanted > free:
                raise OutputError(
                    f"{file} holds {wanted / 1e6:.0f} MB, the disk of {folder.parent} has room for "
                    f"{free / 1e6:.0f} MB: set EDGECV_CACHE to a folder on a larger one"
                )
            archive.extractall(folder)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{file} cannot be unpacked: {error}") from error


def _innermost(folder: Path) -> Path:
    """Go down while there is one folder and nothing else."""
    while True:
        inside = [p for p in folder.iterdir() if p.name != "__MACOSX" and p.name[0] != "."]
        if len(inside) != 1 or not inside[0].is_dir():
            return folder
        folder = inside[0]
