"""What models say: arrays side by side, in pixels of the original frame, whatever ran the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from edgecv.labels import FACE_5
from edgecv.registry import package_missing
from edgecv.types import Array, FloatArray, Image, IntArray, Size

if TYPE_CHECKING:
    from typing_extensions import Self


class Latency(NamedTuple):
    """How long each stage of one call took, in milliseconds."""

    preprocess: float
    inference: float
    decode: float
    total: float


@dataclass(frozen=True)
class RunInfo:
    """Where a result comes from.

    Attributes:
        model: The model's name.
        runtime: What executed it.
        device: On what.
        latency_ms: How long each stage took.
        fallback: Why it did not run on a device that would have come first; empty when it did.
    """

    model: str
    runtime: str
    device: str
    latency_ms: Latency
    fallback: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Base of all results.

    Attributes:
        frame: The size of the frame that coordinates refer to.
        run: Where the result comes from; None for one that no model call made.
    """

    frame: Size
    run: RunInfo | None = field(default=None, compare=False)

    def with_run(self, run: RunInfo) -> Self:
        """Return the same result that says where it comes from."""
        object.__setattr__(copy := object.__new__(type(self)), "__dict__", {**self.__dict__})
        object.__setattr__(copy, "run", run)
        return copy

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        raise NotImplementedError

    def draw(self, image: Image) -> Image:
        """Return a copy of `image`, uint8 (H, W, 3) BGR, with the result drawn on it."""
        from edgecv import drawing

        return drawing.draw(self, image)


@dataclass(frozen=True, kw_only=True)
class _Rows(Result):
    """A result of N things: every array's first axis counts them."""

    _rows: ClassVar[tuple[str, ...]] = ("scores",)

    def __post_init__(self) -> None:
        """Refuse arrays of different lengths."""
        lengths = {name: len(getattr(self, name)) for name in self._rows}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"{type(self).__name__}: arrays differ in length: {lengths}")

    def __len__(self) -> int:
        return len(getattr(self, self._rows[0]))

    def __getitem__(self, index: Any) -> Self:
        """Return the things that a boolean mask (N,), indices, a slice or a number choose."""
        if isinstance(index, (int, np.integer)):
            index = [index]
        elif not isinstance(index, slice):
            index = np.asarray(index)
            if index.dtype == bool and index.shape != (len(self),):
                raise IndexError(f"wanted a mask of shape ({len(self)},), got {index.shape}")
        chosen = {name: _pick(getattr(self, name), index) for name in self._rows}
        return replace(self, **chosen)


def _pick(rows: Any, index: Any) -> Any:
    if isinstance(rows, np.ndarray):
        return rows[index]
    return tuple(rows[i] for i in np.arange(len(rows))[index])


def _shaped(name: str, values: Array, shape: tuple[int | None, ...]) -> None:
    fits = values.ndim == len(shape) and all(
        wanted in (None, got) for wanted, got in zip(shape, values.shape, strict=True)
    )
    if not fits:
        text = ", ".join("N" if side is None else str(side) for side in shape)
        raise ValueError(f"{name}: wanted shape ({text}), got {values.shape}")


def label_of(class_id: int, labels: Sequence[str]) -> str:
    """Return the name of a class; its number where there is no name."""
    return labels[class_id] if 0 <= class_id < len(labels) else str(class_id)


@dataclass(frozen=True, kw_only=True)
class Classes(_Rows):
    """Classes of a whole picture, by falling score.

    Attributes:
        class_ids: int64 (N,).
        scores: float32 (N,), 0..1.
        labels: Names by class id.
    """

    class_ids: IntArray
    scores: FloatArray
    labels: tuple[str, ...] = ()
    _rows: ClassVar[tuple[str, ...]] = ("class_ids", "scores")

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"classes": [{"label", "class_id", "score"}]}``."""
        rows = zip(self.class_ids.tolist(), self.scores.tolist(), strict=True)
        return {
            "classes": [
                {"label": label_of(c, self.labels), "class_id": c, "score": round(s, 4)}
                for c, s in rows
            ]
        }


_UNTRACKED = np.zeros(0, np.int64)


@dataclass(frozen=True, kw_only=True)
class Detections(_Rows):
    """Objects found, by falling score.

    Attributes:
        boxes: float32 (N, 4), xyxy, pixels of the frame.
        scores: float32 (N,), 0..1.
        class_ids: int64 (N,).
        labels: Names by class id.
        track_ids: int64 (N,): which thing it is in frame after frame, as `edgecv.tracking.Tracker`
            says; -1 for none.
    """

    boxes: FloatArray
    scores: FloatArray
    class_ids: IntArray
    labels: tuple[str, ...] = ()
    track_ids: IntArray = field(default_factory=lambda: _UNTRACKED)
    _rows: ClassVar[tuple[str, ...]] = ("boxes", "scores", "class_ids", "track_ids")

    def __post_init__(self) -> None:
        """Refuse boxes that are not (N, 4); fill in that nothing was tracked."""
        _shaped("boxes", self.boxes, (None, 4))
        if not len(self.track_ids):
            object.__setattr__(self, "track_ids", np.full(len(self.boxes), -1, np.int64))
        super().__post_init__()

    @property
    def names(self) -> list[str]:
        """The class name of each detection."""
        return [label_of(c, self.labels) for c in self.class_ids.tolist()]

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"detections": [{"label", "class_id", "score", "box", "track_id"?}]}``."""
        rows = zip(
            self.names, self.class_ids.tolist(), self.scores.tolist(), self.boxes, strict=True
        )
        listed: list[dict[str, Any]] = [
            {"label": n, "class_id": c, "score": round(s, 4), "box": rounded(b)}
            for n, c, s, b in rows
        ]
        for entry, track_id in zip(listed, self.track_ids.tolist(), strict=True):
            if track_id >= 0:
                entry["track_id"] = track_id
        return {"detections": listed}

    def to_supervision(self) -> Any:
        """Return the same as a `supervision.Detections`.

        Raises:
            PackageMissingError: The package supervision is not installed.
        """
        try:
            import supervision
        except ModuleNotFoundError as error:
            raise package_missing("supervision", "supervision") from error
        return supervision.Detections(
            xyxy=self.boxes.copy(),
            confidence=self.scores.copy(),
            class_id=self.class_ids.astype(int),
            tracker_id=self.track_ids.copy() if (self.track_ids >= 0).any() else None,
            data={"class_name": np.array(self.names, dtype=object).astype(str)},
        )


@dataclass(frozen=True, kw_only=True)
class Faces(_Rows):
    """Faces found, by falling score.

    Attributes:
        boxes: float32 (N, 4), xyxy, pixels of the frame.
        scores: float32 (N,), 0..1.
        landmarks: float32 (N, K, 2), x then y, pixels of the frame; K is 0 for detectors without
            landmarks.
        points: (K,): the landmarks' names. Only where they are `edgecv.labels.FACE_5`, as they are
            when none are given for five, can faces be aligned by them.
        names: (N,): who it is; None where nobody was asked or nobody is near enough.
        similarity: float32 (N,): cosine to the nearest known face; NaN where nobody was asked.
    """

    boxes: FloatArray
    scores: FloatArray
    landmarks: FloatArray
    points: tuple[str, ...] = ()
    names: tuple[str | None, ...] = ()
    similarity: FloatArray = field(default_factory=lambda: np.zeros(0, np.float32))
    _rows: ClassVar[tuple[str, ...]] = ("boxes", "scores", "landmarks", "names", "similarity")

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit; fill in that nobody was asked who it is."""
        _shaped("boxes", self.boxes, (None, 4))
        _shaped("landmarks", self.landmarks, (None, None, 2))
        count = self.landmarks.shape[1]
        if not self.points and count == len(FACE_5):
            object.__setattr__(self, "points", FACE_5)
        if self.points and len(self.points) != count:
            raise ValueError(f"points: wanted {count} names, got {len(self.points)}: {self.points}")
        if not self.names:
            object.__setattr__(self, "names", (None,) * len(self.boxes))
            object.__setattr__(self, "similarity", np.full(len(self.boxes), np.nan, np.float32))
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"faces": [{"score", "box", "landmarks", "name"?, "similarity"?}]}``."""
        faces = []
        for i in range(len(self)):
            face: dict[str, Any] = {
                "score": round(float(self.scores[i]), 4),
                "box": rounded(self.boxes[i]),
                "landmarks": [rounded(point) for point in self.landmarks[i]],
            }
            if not np.isnan(self.similarity[i]):
                face["name"] = self.names[i]
                face["similarity"] = round(float(self.similarity[i]), 4)
            faces.append(face)
        return {"faces": faces}


@dataclass(frozen=True, kw_only=True)
class Poses(_Rows):
    """People found, by falling score.

    Attributes:
        scores: float32 (N,), 0..1.
        boxes: float32 (N, 4), xyxy, pixels of the frame.
        keypoints: float32 (N, K, 2), x then y, pixels of the frame.
        keypoint_scores: float32 (N, K), 0..1; 0 for a point that was not found.
        names: (K,): the keypoints' names.
        skeleton: Pairs of keypoint indices that are drawn as limbs.
    """

    scores: FloatArray
    boxes: FloatArray
    keypoints: FloatArray
    keypoint_scores: FloatArray
    names: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    _rows: ClassVar[tuple[str, ...]] = ("scores", "boxes", "keypoints", "keypoint_scores")

    def __post_init__(self) -> None:
        """Refuse arrays that do not fit each other."""
        _shaped("boxes", self.boxes, (None, 4))
        _shaped("keypoints", self.keypoints, (None, None, 2))
        _shaped("keypoint_scores", self.keypoint_scores, (None, self.keypoints.shape[1]))
        super().__post_init__()

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"people": [{"score", "box", "keypoints": [{"name", "x", "y", "score"}]}]}``."""
        people = []
        for i in range(len(self)):
            points = zip(self.keypoints[i], self.keypoint_scores[i].tolist(), strict=True)
            listed = [
                {
                    "name": label_of(k, self.names),
                    **dict(zip("xy", rounded(xy), strict=True)),
                    "score": round(s, 4),
                }
                for k, (xy, s) in enumerate(points)
            ]
            person = {"score": round(float(self.scores[i]), 4), "box": rounded(self.boxes[i])}
            people.append({**person, "keypoints": listed})
        return {"people": people}


@dataclass(frozen=True, kw_only=True)
class Embedding(Result):
    """What a face looks like, as a direction.

    Attributes:
        vector: float32 (D,), of length 1.
    """

    vector: FloatArray

    def __post_init__(self) -> None:
        """Refuse what is not a vector."""
        _shaped("vector", self.vector, (None,))

    def similarity(self, other: Embedding) -> float:
        """Return the cosine to another embedding of the same model, -1..1."""
        if self.vector.shape != other.vector.shape:
            raise ValueError(
                f"embeddings of different models: {self.vector.shape} and {other.vector.shape}"
            )
        return float(self.vector @ other.vector)

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"embedding": [...]}``."""
        return {"embedding": [round(value, 6) for value in self.vector.tolist()]}


@dataclass(frozen=True, kw_only=True)
class Mask(Result):
    """The class of every pixel.

    Attributes:
        class_map: uint8 (H, W), class ids, in pixels of the frame.
        labels: Names by class id; class 0 is the background.
    """

    class_map: Image
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a map that is not as large as the frame."""
        _shaped("class_map", self.class_map, (self.frame.height, self.frame.width))

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"segments": [{"label", "class_id", "pixels", "fraction"}]}``, largest first."""
        counts = np.bincount(self.class_map.reshape(-1))
        order = [c for c in np.argsort(-counts, kind="stable").tolist() if counts[c]]
        return {
            "segments": [
                {
                    "label": label_of(c, self.labels),
                    "class_id": c,
                    "pixels": int(counts[c]),
                    "fraction": round(float(counts[c] / self.class_map.size), 4),
                }
                for c in order
            ]
        }


AnyResult: TypeAlias = Classes | Detections | Faces | Poses | Embedding | Mask


def rounded(values: Array) -> list[float]:
    """Return coordinates as JSON numbers, to a hundredth of a pixel."""
    return [round(value, 2) for value in values.tolist()]
