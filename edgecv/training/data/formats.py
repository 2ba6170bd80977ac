"""The formats of datasets by name, and which one a folder is in."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgecv.datasets import LAYOUTS, PICTURES
from edgecv.errors import DataError, unknown_name
from edgecv.registry import Registry
from edgecv.training.data import masks, voc
from edgecv.training.data.archives import unpacked
from edgecv.training.data.stored import PLAIN, Reading, StoredSamples

FORMATS = Registry(
    "format of datasets",
    {
        "boxes": "edgecv.training.data.coco:boxes",
        "class_folders": "edgecv.training.data.folders:class_folders",
        "coco_instances": "edgecv.training.data.coco:coco_instances",
        "coco_keypoints": "edgecv.training.data.coco:coco_keypoints",
        "identities": "edgecv.training.data.folders:identities",
        "masks": "edgecv.training.data.masks:masks",
        "voc": "edgecv.training.data.voc:voc",
    },
)

_WANTED = {
    "boxes": LAYOUTS["boxes.json"],
    "class_folders": LAYOUTS["classes"],
    "coco_instances": LAYOUTS["instances.json"],
    "coco_keypoints": LAYOUTS["person_keypoints.json"],
    "identities": "identities: a folder of pictures for each person",
    "masks": masks.LAYOUT,
    "voc": voc.LAYOUT,
}

BY_TASK = {
    "classify": ("class_folders",),
    "detect": ("coco_instances", "voc", "boxes"),
    "face": ("identities",),
    "pose": ("coco_keypoints",),
    "segment": ("masks",),
}
"""The formats that a task can learn from, the first choice first."""

_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


def open_samples(
    path: str | Path,
    format: str | None = None,
    *,
    task: str | None = None,
    reading: Reading = PLAIN,
    options: Mapping[str, Any] = _NO_OPTIONS,
) -> StoredSamples:
    """Open a dataset of any known format.

    Args:
        path: Its folder, or a zip file of it, which is unpacked in the cache folder.
        format: A name of `FORMATS`; None to find out.
        task: A name of `BY_TASK`, which narrows the choice; None for any.
        reading: How it is read.
        options: What else the reader of the format takes: "only", "per", "min_pictures".

    Raises:
        DataError: The folder is in none of the formats, or is not what it should be.
        UnknownNameError: There is no such format or task, or the format has no such option.
    """
    if Path(path).suffix.lower() == ".zip":
        path = unpacked(Path(path))
    name = format or detect_format(path, task=task)
    read = FORMATS.load(name)
    known = [key for key in inspect.signature(read).parameters if key not in ("path", "reading")]
    for key in options:
        if key not in known:
            raise unknown_name(f"option of the format {name!r}", key, known)
    samples: StoredSamples = read(path, reading=reading, **options)
    return samples


def detect_format(path: str | Path, *, task: str | None = None) -> str:
    """Tell which format a folder is in.

    Raises:
        DataError: It is in none that the task can learn from.
        UnknownNameError: There is no such task.
    """
    root = Path(path)
    if task is not None and task not in BY_TASK:
        raise unknown_name("task", task, BY_TASK)
    candidates = BY_TASK[task] if task is not None else tuple(_LOOKS)
    for name in candidates:
        if _LOOKS[name](root):
            return name
    what = "is none of these" if root.exists() else "does not exist"
    wanted = "; or ".join(_WANTED[name] for name in candidates)
    others = [name for name, looks in _LOOKS.items() if root.is_dir() and looks(root)]
    hint = f" It looks like {others[0]}, which the task {task!r} does not take." if others else ""
    raise DataError(f"{root} {what}.{hint} Looked for {wanted}")


def _has_masks(root: Path) -> bool:
    try:
        masks.folders(root)
    except DataError:
        return False
    return True


def _has_voc(root: Path) -> bool:
    return any(root.glob("Annotations/*.xml")) or any(root.glob("*.xml"))


def _has_classes(root: Path) -> bool:
    return root.is_dir() and any(
        file.suffix.lower() in PICTURES
        for inner in root.iterdir()
        if inner.is_dir() and inner.name not in ("images", "JPEGImages")
        for file in inner.iterdir()
    )


_LOOKS = {
    "coco_instances": lambda root: (root / "instances.json").is_file(),
    "coco_keypoints": lambda root: (root / "person_keypoints.json").is_file(),
    "boxes": lambda root: (root / "boxes.json").is_file(),
    "voc": _has_voc,
    "masks": _has_masks,
    "class_folders": _has_classes,
    "identities": _has_classes,
}
