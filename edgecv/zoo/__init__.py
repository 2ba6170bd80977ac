"""Public models by name: where they come from, what they mean, and a checked local copy."""

from __future__ import annotations

from edgecv.zoo.manifest import Entry, File, entry, names
from edgecv.zoo.specs import edgetpu_twin, entry_of_file, spec, spec_of_file
from edgecv.zoo.store import fetch

__all__ = [
    "Entry",
    "File",
    "edgetpu_twin",
    "entry",
    "entry_of_file",
    "fetch",
    "names",
    "spec",
    "spec_of_file",
]
