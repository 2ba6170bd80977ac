"""The keypoints of everybody in a picture: people are found first, then looked at one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np

from edgecv.boxes import area
from edgecv.model import Model
from edgecv.regions import person_region
from edgecv.results import Detections, Latency, Poses, Result, RunInfo
from edgecv.spec import ModelSpec
from edgecv.types import Image, Size


class ManyPoses:
    """A person detector and a pose model of a single person, used together like one model.

    Its calls take the detector's time, and the pose model's for each person.

    Args:
        detector: A detection model with a class `label`.
        pose_model: A model of one person, who fills the picture.
        margin: Added round a person's box on each side, as a part of its longer side.
        label: What the detector calls people.
        limit: Only so many are looked at, the surest first; 0 for all.

    Raises:
        ValueError: A model is for something else, or the margin or limit is negative.
    """

    def __init__(
        self,
        detector: Model,
        pose_model: Model,
        *,
        margin: float = 0.0,
        label: str = "person",
        limit: int = 0,
    ) -> None:
        if label not in detector.spec.labels:
            raise ValueError(f"{detector.spec.name} finds no class {label!r}")
        check_pose_model(pose_model)
        if not (margin >= 0 and limit >= 0):
            raise ValueError(f"wanted margin >= 0 and limit >= 0, got {margin} and {limit}")
        self.detector, self.pose_model = detector, pose_model
        self._margin, self._label, self._limit = margin, label, limit

    def __call__(self, image: Image) -> Poses:
        """Return everybody's keypoints, by falling score.

        Args:
            image: uint8 (H, W, 3), BGR.

        Raises:
            InferenceError: A runtime failed.
        """
        start = perf_counter()
        found = self.detector(image)
        if not isinstance(found, Detections):
            raise TypeError(f"wanted Detections, got {type(found).__name__} of the detector")
        people = [name == self._label for name in found.names]
        boxes = found.boxes[np.array(people, bool) & (area(found.boxes) > 0)]
        each = [
            self._look(image, person_region(b, found.frame, margin=self._margin))
            for b in boxes[: self._limit or None]
        ]
        everybody = merged_poses(each, self.pose_model.spec, found.frame)
        return everybody.with_run(_total([found, *each], self.pose_model, start))

    def close(self) -> None:
        """Give the devices back."""
        self.detector.close()
        self.pose_model.close()

    def __enter__(self) -> ManyPoses:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _look(self, image: Image, region: tuple[float, float, float, float]) -> Poses:
        poses = self.pose_model(image, region)
        if not isinstance(poses, Poses):
            raise TypeError(f"wanted Poses, got {type(poses).__name__} of the pose model")
        return poses


def check_pose_model(model: Model) -> None:
    """Refuse a model of another task.

    Raises:
        ValueError: The model's task is not "pose".
    """
    if model.spec.task != "pose":
        raise ValueError(f"{model.spec.name} is a model for {model.spec.task}; wanted one for pose")


def merged_poses(each: Sequence[Poses], spec: ModelSpec, frame: Size) -> Poses:
    """Return the people of several results of one model as one, by falling score.

    Args:
        each: Results of the same frame.
        spec: The model's spec, for its keypoints.
        frame: The frame's size.
    """
    points = len(spec.keypoints)
    nobody = Poses(
        frame=frame,
        scores=np.zeros(0, np.float32),
        boxes=np.zeros((0, 4), np.float32),
        keypoints=np.zeros((0, points, 2), np.float32),
        keypoint_scores=np.zeros((0, points), np.float32),
        names=spec.keypoints,
        skeleton=spec.skeleton,
    )
    if not each:
        return nobody
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(poses, name) for poses in each])
        for name in ("scores", "boxes", "keypoints", "keypoint_scores")
    }
    whole = replace(nobody, **arrays)
    return whole[np.argsort(-whole.scores, kind="stable")]


def _total(parts: Sequence[Result], model: Model, start: float) -> RunInfo:
    """Return where the result comes from, with the time of all calls that it took."""
    times = [part.run.latency_ms for part in parts if part.run is not None]
    preprocess, inference, decode = (sum(time[stage] for time in times) for stage in range(3))
    latency = Latency(preprocess, inference, decode, (perf_counter() - start) * 1e3)
    return RunInfo(model.spec.name, model.runtime, model.device, latency, model.fallback)
