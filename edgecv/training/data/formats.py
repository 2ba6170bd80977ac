"""The formats of datasets by name, and which one a folder or a file is in."""

from __future__ import annotations

import inspect
import re
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
from edgecv.training.errors import RecipeError

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

_KINDS: Mapping[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    float: ((float, int), "a number"),
    int: ((int,), "a whole number"),
    str: ((str,), "a word"),
    type(None): ((type(None), list, tuple), "a list of names"),
}
"""The types that a value may have, and what they are called, by the type of the default."""


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
        path: Its folder, the JSON file of COCO's own layout, or a zip file of the folder, which is
            unpacked in the cache folder.
        format: A name of `FORMATS`; None to find out.
        task: A name of `BY_TASK`, which takes some of the formats; None for any.
        reading: How it is read.
        options: What else the reader of the format takes: "only", "per", "min_pictures".

    Raises:
        DataError: The folder is in none of the formats, or is not what it should be.
        RecipeError: The task does not take the format, or an option has a wrong value.
        UnknownNameError: There is no such format or task, or the format has no such option.
    """
    if Path(path).suffix.lower() == ".zip":
        path = unpacked(Path(path))
    name = format or detect_format(path, task=task)
    read = FORMATS.load(name)
    if task is not None and name not in _taken(task):
        raise RecipeError(
            f"the task {task!r} takes the format {' or '.join(_taken(task))}, got {name!r}"
        )
    _check_options(name, inspect.signature(read).parameters, options)
    try:
        samples: StoredSamples = read(path, reading=reading, **options)
    except ValueError as error:
        if not options:
            raise
        raise RecipeError(f"an option of the format {name!r} is wrong: {error}") from error
    return samples


def _taken(task: str) -> tuple[str, ...]:
    if task not in BY_TASK:
        raise unknown_name("task", task, BY_TASK)
    return BY_TASK[task]


def _check_options(
    name: str, parameters: Mapping[str, inspect.Parameter], options: Mapping[str, Any]
) -> None:
    """Refuse options that a reader lacks, and values that are not of the kind of its default."""
    known = {key: p.default for key, p in parameters.items() if key not in ("path", "reading")}
    for key, value in options.items():
        if key not in known:
            raise unknown_name(f"option of the format {name!r}", key, known)
        kinds, wanted = _KINDS[type(known[key])]
        if type(value) not in kinds or (known[key] is None and not _are_names(value)):
            raise RecipeError(
                f"the option {key!r} of the format {name!r} is {wanted}, got {value!r}"
            )


def _are_names(values: Any) -> bool:
    return values is None or all(isinstance(value, str) for value in values)


def detect_format(path: str | Path, *, task: str | None = None) -> str:
    """Tell which format a folder is in, or a file of COCO.

    Raises:
        DataError: It is in none that the task can learn from.
        UnknownNameError: There is no such task.
    """
    root = Path(path)
    looks = _FILES if root.is_file() else _LOOKS
    candidates = _taken(task) if task is not None else tuple(_LOOKS)
    found = [name for name, fits in looks.items() if fits(root)]
    for name in candidates if task is not None else found:
        if name in found:
            return name
    what = "is none of these" if root.exists() else "does not exist"
    wanted = "; or ".join(_WANTED[name] for name in candidates)
    others = [name for name in found if name not in candidates]
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


def _is_coco(file: Path, *, keypoints: bool = False) -> bool:
    """Tell by its keys, for the largest of these files take long to be understood as a whole."""
    try:
        data = file.read_bytes() if file.suffix.lower() == ".json" else b""
    except OSError:
        return False
    keys = [rb'"%s"\s*:\s*\[' % key for key in (b"images", b"annotations", b"categories")]
    if keypoints:
        keys.append(rb'"keypoints"\s*:\s*\[\s*"[^"\d]')
    return all(re.search(key, data) for key in keys)


_FILES = {
    "coco_keypoints": lambda file: _is_coco(file, keypoints=True),
    "coco_instances": _is_coco,
}
