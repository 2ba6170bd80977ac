"""What the list says of a model, by the model's name or by a copy of its file."""

from __future__ import annotations

import logging
from pathlib import Path

from edgecv.errors import DownloadError
from edgecv.spec import ModelSpec
from edgecv.zoo.checksums import matches, sha256_of
from edgecv.zoo.manifest import Entry, File, entry, table
from edgecv.zoo.store import fetch, fetch_file

log = logging.getLogger(__name__)

_PATIENCE = 5.0
"""Seconds to wait for class names that a model runs without."""


def spec(name: str) -> ModelSpec:
    """Return one model's spec, fetching its class names where they are a file.

    Raises:
        UnknownNameError: There is no such model.
        DownloadError: The class names could not be had.
    """
    found = entry(name)
    return _spec(found, fetch_file(found.labels) if found.labels else None)


def spec_of_file(path: Path) -> ModelSpec | None:
    """Return the spec of the listed model that a file is a copy of; None where it is of none.

    It has no class names where they are a file that can neither be found nor be fetched.
    """
    found = entry_of_file(path)
    if found is None:
        return None
    labels = _labels_for(path, found.labels) if found.labels else None
    return _spec(found, labels)


def edgetpu_twin(path: Path) -> Path | None:
    """Return the file compiled for the Edge TPU from the listed model that `path` is a copy of.

    Returns:
        None where there is no such file, or it cannot be had.
    """
    found = entry_of_file(path)
    if found is None or not found.edgetpu_twin:
        return None
    try:
        return fetch(found.edgetpu_twin)
    except DownloadError as error:
        log.warning("%s is not used: %s", found.edgetpu_twin, error)
        return None


def entry_of_file(path: Path) -> Entry | None:
    """Return the listed model that a file is a copy of, by size and checksum; None for none.

    Raises:
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    alike = [e for e in table().values() if e.files[0].bytes == size]
    if not alike:
        return None
    digest = sha256_of(path)
    return next((e for e in alike if e.files[0].sha256 == digest), None)


def _spec(found: Entry, labels: Path | None) -> ModelSpec:
    values = {"name": found.name, "source": found.files[0].url, **found.spec}
    if found.labels and labels is None:
        del values["labels"]
    return ModelSpec.from_dict(values, folder=labels.parent if labels else None)


def _labels_for(path: Path, labels: File) -> Path | None:
    beside = path.with_name(labels.file)
    try:
        if beside.is_file() and matches(beside, labels):
            return beside
        return fetch_file(labels, timeout=_PATIENCE)
    except DownloadError as error:
        log.warning("%s has no class names: %s", path.name, error)
        return None
