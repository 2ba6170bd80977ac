"""A result in a few numbers, for pages and home automation."""

from __future__ import annotations

from collections import Counter

from edgecv.results import Classes, Detections, Faces, Mask, Poses, Result, label_of


def counts(result: Result) -> dict[str, int]:
    """Return how many there are of each kind, by name.

    Objects count by class, people as "person", faces by who they are: "unknown" for nobody known,
    "face" where nobody was asked. A class of a whole picture, or of a part of it, counts once.
    """
    return dict(Counter(_names(result)))


def _names(result: Result) -> list[str]:
    if isinstance(result, Detections):
        return result.names
    if isinstance(result, Poses):
        return ["person"] * len(result)
    if isinstance(result, Faces):
        asked = [similarity == similarity for similarity in result.similarity.tolist()]
        named = zip(result.names, asked, strict=True)
        return [(name or "unknown") if was else "face" for name, was in named]
    if isinstance(result, Classes):
        return [label_of(c, result.labels) for c in result.class_ids.tolist()[:1]]
    if isinstance(result, Mask):
        return [s["label"] for s in result.to_dict()["segments"] if s["class_id"]]
    return []
