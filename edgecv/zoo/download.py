"""Checked local copies of public files: from the cache, a mirror or their publisher."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from edgecv.cache import cache_dir
from edgecv.errors import DownloadError

if TYPE_CHECKING:
    from edgecv.zoo.manifest import Entry


def folder_of(entry: Entry) -> Path:
    """Return where a model's files lie, or will."""
    mirror = os.environ.get("EDGECV_ZOO_MIRROR", "")
    return Path(mirror) if mirror else cache_dir() / "models"


def fetch(name: str) -> Path:
    """Return a checked local copy of a model's first file."""
    from edgecv.zoo.manifest import entry

    found = entry(name)
    path = folder_of(found) / found.files[0].file
    if not path.is_file():
        raise DownloadError(f"{path} is not there")
    return path
