"""One labelled picture, and what a set of them looks like to training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from edgecv.types import Array, FloatArray, Image, IntArray

IGNORED = 255
"""The class of a mask's pixels that belong to nothing, and count neither way."""


class Mixed(NamedTuple):
    """The class that a picture was blended with.

    Attributes:
        label: The other picture's class.
        weight: Its part of the blend, 0..1; the sample's own label has the rest.
    """

    label: int
    weight: float


def no_boxes() -> FloatArray:
    """Return float32 (0, 4)."""
    return np.zeros((0, 4), np.float32)


def no_classes() -> IntArray:
    """Return int64 (0,)."""
    return np.zeros(0, np.int64)


def no_keypoints() -> FloatArray:
    """Return float32 (0, 0, 3)."""
    return np.zeros((0, 0, 3), np.float32)


@dataclass(frozen=True, eq=False)
class Sample:
    """One labelled picture. Parts that its dataset does not mark stay at their defaults.

    Attributes:
        image: uint8 (H, W, 3), BGR.
        label: Id of the picture's class or person; -1 for none.
        boxes: float32 (N, 4), xyxy, pixels of `image`.
        classes: int64 (N,), ids into the dataset's names.
        keypoints: float32 (N, K, 3): x, y in pixels of `image` and 0 not marked, 1 hidden, 2
            visible. With boxes, row i belongs to box i.
        mask: uint8 (H, W), the class of each pixel, `IGNORED` for none; None where nothing is
            marked.
        mix: What the picture was blended with (mixup); None for a picture of its own. Encoders of
            classes have to look at it: `edgecv.training.data.mix.soft_labels` does.
        source: The file it came from, for people.
    """

    image: Image
    label: int = -1
    boxes: FloatArray = field(default_factory=no_boxes)
    classes: IntArray = field(default_factory=no_classes)
    keypoints: FloatArray = field(default_factory=no_keypoints)
    mask: Array | None = None
    mix: Mixed | None = None
    source: str = ""


class Samples(Protocol):
    """A dataset in memory or on disk; `samples[i]` is the same sample at every call.

    Attributes:
        names: Class names by id: of labels, boxes or the pixels of masks.
        keypoints: Names of the K keypoints; "left_..." and "right_..." change places in a mirror.
    """

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def keypoints(self) -> tuple[str, ...]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Sample: ...


@dataclass(frozen=True, eq=False)
class SampleList:
    """Samples that are held in memory: small sets, tests, parts of others.

    Attributes:
        items: The samples.
        names: Class names by id.
        keypoints: Names of the keypoints.
    """

    items: Sequence[Sample]
    names: tuple[str, ...]
    keypoints: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int, /) -> Sample:
        return self.items[index]


class Derived:
    """A set made of another one: as many samples, of the same classes and keypoints.

    Attributes:
        samples: The other set.
    """

    samples: Samples

    @property
    def names(self) -> tuple[str, ...]:
        """Return the set's class names."""
        return self.samples.names

    @property
    def keypoints(self) -> tuple[str, ...]:
        """Return the set's names of keypoints."""
        return self.samples.keypoints

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True, eq=False)
class Subset(Derived):
    """Some of the samples of a set, in an order of their own.

    Attributes:
        samples: The set.
        indices: Which of its samples.
    """

    samples: Samples
    indices: Sequence[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int, /) -> Sample:
        return self.samples[self.indices[index]]
