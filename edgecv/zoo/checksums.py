"""SHA-256 of files, remembered for as long as a file's size and time of change stay the same."""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

from edgecv.cache import cache_dir, write_atomic
from edgecv.errors import DownloadError, OutputError
from edgecv.zoo.manifest import File

log = logging.getLogger(__name__)
_CHUNK = 1 << 20


def matches(path: Path, file: File) -> bool:
    """Tell whether a file of the disk is what the list says: by its size, then by its checksum.

    Raises:
        DownloadError: The file cannot be read.
    """
    try:
        return path.stat().st_size == file.bytes and sha256_of(path) == file.sha256
    except OSError as error:
        raise DownloadError(f"cannot read {path}: {error.strerror or error}") from error


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 as 64 hexadecimal digits, from the cache where it is known.

    A cache that cannot be written only costs time: the file is read again.

    Raises:
        OSError: The file cannot be read.
    """
    status = path.stat()
    known = {"path": str(path.resolve()), "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    note = _note_of(known["path"])
    remembered = _read(note)
    digest = remembered.pop("sha256", None)
    if digest is not None and remembered == known:
        return str(digest)
    computed = compute(path)
    try:
        write_atomic(note, json.dumps({**known, "sha256": computed}))
    except OutputError as error:
        log.debug("the checksum of %s is not remembered: %s", path, error)
    return computed


def _note_of(path: object) -> Path:
    name = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()
    return cache_dir() / "checksums" / f"{name[:32]}.json"


def _read(note: Path) -> dict[str, object]:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def compute(path: Path) -> str:
    """Return a file's SHA-256, read anew.

    Raises:
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
