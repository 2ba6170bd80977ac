"""Public models by name: where they come from, what they mean, and a checked local copy."""

from __future__ import annotations

from edgecv.zoo.download import fetch
from edgecv.zoo.manifest import (
    Entry,
    File,
    edgetpu_twin,
    entry,
    names,
    spec,
    spec_of_file,
)

__all__ = ["Entry", "File", "edgetpu_twin", "entry", "fetch", "names", "spec", "spec_of_file"]
