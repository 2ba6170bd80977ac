"""Checked local copies of public files: in a mirror, in the cache, or fetched into it."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from urllib.parse import quote

from edgecv.cache import cache_dir
from edgecv.errors import DownloadError
from edgecv.zoo.checksums import matches
from edgecv.zoo.manifest import ASSETS, File, entry

log = logging.getLogger(__name__)

TIMEOUT = 30.0
"""Seconds that a server may stay silent."""

MIRROR = "EDGECV_ZOO_MIRROR"
"""The variable that names a folder or a web address which has the files of all models, flat."""


def fetch(name: str) -> Path:
    """Return a checked local copy of a model's first file; its other files lie beside it.

    Raises:
        UnknownNameError: There is no such model.
        DownloadError: A file could not be had, or is not what the list says.
    """
    first, *_ = [fetch_file(file) for file in entry(name).files]
    return first


def fetch_file(file: File, *, timeout: float = TIMEOUT) -> Path:
    """Return a checked local copy of one file.

    A mirror that is a folder is used in place, and it alone. Else the file comes into the cache,
    from the mirror's web address where there is one, and from the file's publisher where not.

    Args:
        file: An entry of the list.
        timeout: Seconds that a server may stay silent.

    Raises:
        DownloadError: The file could not be had, or is not what the list says.
    """
    here = find(file)
    if here is not None:
        return here
    mirror = os.environ.get(MIRROR, "")
    if file.bundled:
        raise DownloadError(f"{local_path(file)} is gone or damaged: install edgecv again")
    if folder := mirror_folder():
        what = f"has no {file.file}" if folder.is_dir() else "is no folder"
        raise DownloadError(
            f"cannot fetch {file.file}: {MIRROR} is {mirror}, which {what}. Copy the file there, "
            f"or unset {MIRROR} and run `edgecv models pull` where there is a network"
        )
    url = f"{mirror.rstrip('/')}/{quote(file.file)}" if mirror else file.url
    target = local_path(file)
    from edgecv.zoo.download import download  # http.client takes a third of edgecv's import time

    download(file, url, target, timeout=timeout)
    return target


def find(file: File) -> Path | None:
    """Return the checked copy in the mirror folder or, without one, the cache; None for none.

    Raises:
        DownloadError: The mirror's copy is not what the list says, or a copy cannot be read.
    """
    path = local_path(file)
    if not path.is_file():
        return None
    if matches(path, file):
        return path
    if mirror_folder() and not file.bundled:
        raise DownloadError(
            f"{path} is not the file that the list names: {file.bytes} bytes with the SHA-256 "
            f"{file.sha256} are wanted. Replace it, or unset {MIRROR}"
        )
    log.warning("%s is damaged: fetching it again", path)
    return None


def is_here(file: File) -> bool:
    """Tell, by name and size alone, whether the mirror folder or the cache has a file."""
    path = local_path(file)
    return path.is_file() and path.stat().st_size == file.bytes


def local_path(file: File) -> Path:
    """Return where a file lies, or would: in the mirror folder or, without one, in the cache.

    What ships with the package lies there.
    """
    if file.bundled:
        return ASSETS / file.file
    return (mirror_folder() or cache_dir() / "models") / file.file


def mirror_folder() -> Path | None:
    """Return the mirror where it is a folder; None for a web address or no mirror."""
    mirror = os.environ.get(MIRROR, "")
    if not mirror or mirror.startswith(("http://", "https://")):
        return None
    return Path(mirror).expanduser()
