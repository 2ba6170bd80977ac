"""The demo as a live run: a moving picture of the photographs, and all three tasks on it."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import cv2
import numpy as np

from edgecv.faces import embed_faces, with_identity
from edgecv.model import Model
from edgecv.pipeline import Pipeline
from edgecv.regions import person_region
from edgecv.results import Detections, Faces, Poses, Result
from edgecv.sources.clock import Clock
from edgecv.types import FloatArray, Frame, Image, Size

from .common import with_total_run
from .outputs import open_outputs
from .run import run_to_end

SIZE = Size(480, 640)
FPS = 15.0
SLIDE_SECONDS = 5.0
ZOOM = 1.3


class Tour:
    """A live source that moves over photographs, one after the other, without an end.

    Args:
        photos: uint8 (H, W, 3) BGR, by name.
        seconds: How long it goes on; 0 for ever.
    """

    live = True

    def __init__(self, photos: Mapping[str, Image], seconds: float = 0.0) -> None:
        self._photos = tuple(photos.items())
        self._frames = math.ceil(seconds * FPS) if seconds else math.inf
        self._clock, self._index, self._closed = Clock(), 0, False

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        """Wait until the next frame is due, and draw it."""
        if self._closed or self._index >= self._frames:
            raise StopIteration
        index, self._index = self._index, self._index + 1
        position = index / FPS
        slide, part = divmod(position / SLIDE_SECONDS, 1)
        name, photo = self._photos[int(slide) % len(self._photos)]
        time = self._clock.wait(position)
        return Frame(view(photo, part), index, time, name, position)

    def close(self) -> None:
        """Give no more frames."""
        self._closed = True
        self._clock.stop()


def view(photo: Image, part: float) -> Image:
    """Return what is seen of a photograph, uint8 (480, 640, 3), at a part 0..1 of its time."""
    height, width = photo.shape[:2]
    zoom = 1 + (ZOOM - 1) * math.sin(math.pi * part)
    scale = max(SIZE.height / height, SIZE.width / width) * zoom
    room = np.array([width * scale - SIZE.width, height * scale - SIZE.height])
    left, top = room * (0.5 - 0.3 * math.cos(math.pi * part))
    matrix = np.array([[scale, 0, -left], [0, scale, -top]])
    size_wh = (SIZE.width, SIZE.height)
    moved = cv2.warpAffine(photo, matrix, size_wh, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)


@dataclass(frozen=True, kw_only=True)
class Scene(Result):
    """What several models found in the same frame.

    Attributes:
        parts: Their results.
    """

    parts: tuple[Result, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the values of all parts."""
        return {name: value for part in self.parts for name, value in part.to_dict().items()}

    def draw(self, image: Image) -> Image:
        """Return a copy of `image` with all parts drawn on it."""
        for part in self.parts:
            image = part.draw(image)
        return image


class Scenes:
    """Detection, the pose of the surest person and face ID, used like one model.

    Args:
        models: The detector, the pose model, the face detector and the embedder.
        known: float32 (1, D): the face that has a name.
        name: Whose it is.
        threshold: The least cosine to it.
    """

    def __init__(
        self, models: Sequence[Model], known: FloatArray, name: str, *, threshold: float
    ) -> None:
        self._models, self._known, self._name = tuple(models), known, name
        self._threshold = threshold

    def __call__(self, image: Image) -> Scene:
        """Return what is in a picture, uint8 (H, W, 3) BGR."""
        start = perf_counter()
        detector, pose, face_detector, embedder = self._models
        found = cast("Detections", detector(image))
        parts: list[Result] = [found]
        people = found[np.array([name == "person" for name in found.names], bool)]
        if len(people):
            parts.append(cast("Poses", pose(image, person_region(people.boxes[0], found.frame))))
        faces = cast("Faces", face_detector(image))
        if len(faces):
            embeddings = embed_faces(image, faces, embedder)
            named = (self._known, [self._name])
            faces = with_identity(faces, embeddings, *named, threshold=self._threshold)
        parts.append(faces)
        scene = Scene(frame=found.frame, parts=tuple(parts))
        return with_total_run(scene, detector, parts, start)

    def close(self) -> None:
        """Give the devices back."""
        for model in self._models:
            model.close()


def run_live(source: Tour, scenes: Scenes, *, web: str, max_frames: int) -> int:
    """Run to the end, with a page, and return the exit code.

    Args:
        source: The photographs.
        scenes: What is found in them.
        web: The page's URI.
        max_frames: Stop after this many results; 0 for no limit.

    Raises:
        OutputError: The page cannot be served.
    """
    args = Namespace(
        sources=["the demo's photographs"], moving=True, max_frames=max_frames,
        web=web, out=[], json=None, show=False, snapshot=None, stats=None,
    )  # fmt: skip
    sinks = open_outputs(args, inputs=[])
    return run_to_end(args, source, Pipeline(source, scenes, sinks, max_frames=max_frames))
