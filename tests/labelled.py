"""Labelled folders, written as the tests need them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgecv.labels import COCO_17


def picture(file: Path, height: int = 40, width: int = 60, *, byte: int = 0) -> Path:
    """Write a picture of one grey."""
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), np.full((height, width, 3), byte, np.uint8))
    return file


def coco_folder(
    folder: Path,
    annotations: Sequence[Mapping[str, Any]],
    *,
    images: int = 2,
    categories: Sequence[Mapping[str, Any]] = ({"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}),
    name: str = "instances.json",
    height: int = 400,
    width: int = 600,
) -> Path:
    """Write COCO objects; picture number i has the id 10 + i."""
    listed = []
    for number in range(images):
        picture(folder / "images" / f"{number}.png", height, width)
        entry = {"id": 10 + number, "file_name": f"{number}.png", "height": height, "width": width}
        listed.append(entry)
    values = {"images": listed, "annotations": list(annotations), "categories": list(categories)}
    (folder / name).write_text(json.dumps(values), encoding="utf-8")
    return folder


def person_folder(folder: Path, people: Sequence[Mapping[str, Any]], **options: Any) -> Path:
    """Write COCO keypoints."""
    category = {"id": 1, "name": "person", "keypoints": list(COCO_17)}
    return coco_folder(
        folder, people, categories=[category], name="person_keypoints.json", **options
    )
