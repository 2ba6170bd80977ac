"""What a model file does not say of itself, as data: how to feed it, what its outputs mean."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgecv.errors import SpecError, unknown_name
from edgecv.labels import KEYPOINTS, LABELS
from edgecv.types import Size

TASKS = (
    "classification",
    "detection",
    "face_detection",
    "face_embedding",
    "face_landmarks",
    "pose",
    "segmentation",
)
COLORS = ("rgb", "bgr", "grey")
FITS = ("stretch", "letterbox", "letterbox_topleft", "crop")
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class InputSpec:
    """How a picture becomes the input tensor: ``(pixel - mean) / std`` after the fit.

    Attributes:
        color: Order of the channels: "rgb", "bgr" or "grey".
        mean: Subtracted from each channel, in the order of `color`, in units of a byte.
        std: What the difference is divided by.
        fit: "stretch" to the input's size; "letterbox" (aspect kept, padded on both sides),
            "letterbox_topleft" (padded right and below) or "crop" (aspect kept, the centre).
        pad: The byte that letterboxes are filled with.
        zoom: For "crop": the part of the shorter side that is kept (0.875 is usual for ImageNet).
        size: The input's size, needed only where the file leaves it open.
        landmarks: For models of aligned faces: where the five points (left eye, right eye, nose,
            left and right mouth corner) have to lie, as (x, y) in pixels of the input.
    """

    color: str = "rgb"
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    fit: str = "stretch"
    pad: int = 0
    zoom: float = 1.0
    size: Size | None = None
    landmarks: Points = ()

    def __post_init__(self) -> None:
        """Refuse what no picture could be prepared by."""
        _one_of("input.color", self.color, COLORS)
        _one_of("input.fit", self.fit, FITS)
        channels = 1 if self.color == "grey" else 3
        for name in ("mean", "std"):
            values = _per_channel(f"input.{name}", getattr(self, name), channels)
            object.__setattr__(self, name, values)
        if not all(value > 0 for value in self.std):
            raise SpecError(f"input.std has to be positive, got {self.std}")
        if not 0 <= self.pad <= 255:
            raise SpecError(f"input.pad is a byte, 0..255, got {self.pad}")
        if not 0 < self.zoom <= 1:
            raise SpecError(f"input.zoom lies in (0, 1], got {self.zoom}")
        if self.landmarks and len(self.landmarks) != 5:
            raise SpecError(f"input.landmarks are five points, got {len(self.landmarks)}")
        if self.size is not None:
            object.__setattr__(self, "size", Size(*self.size))


@dataclass(frozen=True)
class ModelSpec:
    """All that a model file does not say of itself.

    Attributes:
        name: The model's name.
        task: One of `TASKS`.
        decoder: The entry of `edgecv.decoders.DECODERS` that reads the outputs.
        input: How a picture becomes the input tensor.
        outputs: What the decoder calls an output -> its name in the file. May stay empty where the
            file's order of outputs is the decoder's.
        labels: Class names, by class id.
        keypoints: Names of the keypoints, by index.
        skeleton: Pairs of keypoint indices that are drawn as limbs.
        score: Results below this score are left out.
        options: The decoder's own keyword arguments: anchors, strides, variances.
        license: The licence of the weights.
        source: Where the weights come from.
        notes: What a user should know.
    """

    name: str
    task: str
    decoder: str
    input: InputSpec = field(default_factory=InputSpec)
    outputs: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    score: float = 0.3
    options: Mapping[str, Any] = field(default_factory=dict)
    license: str = ""
    source: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        """Refuse a spec that could not be followed; freeze what JSON gave as lists."""
        _one_of("task", self.task, TASKS)
        if not 0 <= self.score <= 1:
            raise SpecError(f"score lies in 0..1, got {self.score}")
        for name in ("outputs", "options"):
            object.__setattr__(self, name, MappingProxyType(_frozen(dict(getattr(self, name)))))
        for name in ("labels", "keypoints", "skeleton"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        if any(max(pair) >= len(self.keypoints) for pair in self.skeleton):
            raise SpecError(f"skeleton names keypoints beyond the {len(self.keypoints)} there are")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, folder: Path | None = None) -> ModelSpec:
        """Build a spec from JSON values.

        `labels` may be the name of a set ("coco_80", "coco_90", "pascal_21"), a text file with a
        name a line, or ``{"file": ..., "skip": 1}`` to leave out its first lines; `keypoints` may
        be "coco_17" or "blazepose_33".

        Args:
            values: The fields of this class and, under "input", of `InputSpec`.
            folder: Where label files lie.

        Raises:
            SpecError: A field is unknown, missing or out of range.
        """
        given = dict(values)
        _known_only("spec", given, cls)
        for name in ("name", "task", "decoder"):
            if not given.get(name):
                raise SpecError(f"the spec lacks {name!r}; it says: {', '.join(sorted(given))}")
        if isinstance(given.get("input"), Mapping):
            given["input"] = input_from_dict(given["input"])
        if isinstance(given.get("keypoints"), str):
            names, skeleton = _named("keypoints", given["keypoints"], KEYPOINTS)
            given["keypoints"] = names
            given.setdefault("skeleton", skeleton)
        given["labels"] = _labels(given.get("labels", ()), folder)
        return cls(**given)

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as JSON values that `from_dict` takes back."""
        values: dict[str, Any] = {
            f.name: getattr(self, f.name) for f in fields(self) if f.name != "input"
        }
        values["outputs"], values["options"] = dict(self.outputs), dict(self.options)
        values["input"] = asdict(self.input)
        out: dict[str, Any] = json.loads(json.dumps(values))
        return out

    def with_changes(self, **changes: Any) -> ModelSpec:
        """Return a copy with some fields replaced."""
        return replace(self, **changes)


def input_from_dict(values: Mapping[str, Any]) -> InputSpec:
    """Build an input spec from JSON values.

    Raises:
        SpecError: A field is unknown or out of range.
    """
    _known_only("input", values, InputSpec)
    given = {key: _frozen(value) for key, value in values.items()}
    return InputSpec(**given)


def read_labels(file: Path, *, skip: int = 0) -> tuple[str, ...]:
    """Read class names, a line each, leaving out the first `skip` lines.

    Raises:
        SpecError: The file is missing or is not text.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot read the labels in {file}: {error}") from error
    while lines and not lines[-1].strip():
        lines.pop()
    return tuple(line.strip() for line in lines[skip:])


def _labels(given: Any, folder: Path | None) -> tuple[str, ...]:
    if isinstance(given, str) and not given.endswith(".txt"):
        return tuple(_named("labels", given, LABELS))
    if isinstance(given, str):
        given = {"file": given}
    if isinstance(given, Mapping):
        return read_labels((folder or Path()) / str(given["file"]), skip=int(given.get("skip", 0)))
    return tuple(str(name) for name in given)


def _named(kind: str, name: str, table: Mapping[str, Any]) -> Any:
    if name not in table:
        raise SpecError(str(unknown_name(f"set of {kind}", name, table)))
    return table[name]


def _one_of(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise SpecError(f"{what} {value!r} is not one of {', '.join(known)}")


def _known_only(what: str, values: Mapping[str, Any], kind: type) -> None:
    names = [f.name for f in fields(kind)]
    for key in values:
        if key not in names:
            raise SpecError(f"{what}: {unknown_name('field', key, names)}")


def _per_channel(what: str, values: Any, channels: int) -> tuple[float, ...]:
    listed = values if isinstance(values, Sequence) else (values,)
    if len(set(listed)) == 1:
        listed = (listed[0],) * channels
    if len(listed) != channels:
        raise SpecError(f"{what} has a value for each of {channels} channels, got {values}")
    return tuple(float(value) for value in listed)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _frozen(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(item) for item in value)
    return value
