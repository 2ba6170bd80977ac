"""Known people in a file of their own: enrolled, identified, deleted without a trace."""

from __future__ import annotations

from edgecv.gallery.database import default_path
from edgecv.gallery.gallery import Gallery, open_gallery
from edgecv.gallery.identity import ModelId, embedding_size, model_id
from edgecv.gallery.records import Added, Person
from edgecv.gallery.templates import Match, Scores

__all__ = [
    "Added",
    "Gallery",
    "Match",
    "ModelId",
    "Person",
    "Scores",
    "default_path",
    "embedding_size",
    "model_id",
    "open_gallery",
]
