"""One person in frame after frame: each frame is searched where the last one found somebody."""

from __future__ import annotations

import numpy as np

from edgecv.image import Region
from edgecv.model import Model
from edgecv.people_poses import check_pose_model
from edgecv.results import Poses
from edgecv.types import Image, Size

TORSO = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
TORSO_REACH = 1.9
"""Half the crop's side over the largest distance of the torso's points from the hips' middle."""
BODY_REACH = 1.2
"""The same for all points of the body."""


class PoseTracker:
    """A pose model of a single person that follows the person from frame to frame.

    The model sees the square round the person of the last frame, and so in more detail than in the
    whole frame; where there was nobody, or no torso, it sees the whole frame. Use it as a function
    in place of the model, for the frames of one source in their order.

    Args:
        model: A model of one person that knows shoulders and hips by name.
        keypoint_score: Keypoints less sure than this do not count.

    Attributes:
        region: What the next frame is searched in; None for all of it.

    Raises:
        ValueError: The model is for something else, or lacks these keypoints.
    """

    def __init__(self, model: Model, *, keypoint_score: float = 0.2) -> None:
        check_pose_model(model)
        missing = [name for name in TORSO if name not in model.spec.keypoints]
        if missing:
            raise ValueError(f"{model.spec.name} lacks the keypoints {', '.join(missing)}")
        self.model = model
        self.region: Region | None = None
        self._keypoint_score, self._frame = keypoint_score, Size(0, 0)

    def __call__(self, image: Image) -> Poses:
        """Return the person's keypoints, in pixels of the whole frame; there may be nobody.

        Args:
            image: uint8 (H, W, 3), BGR: the next frame.

        Raises:
            InferenceError: The runtime failed.
        """
        if np.shape(image)[:2] != self._frame:  # another camera
            self.reset()
        poses = self.model(image, self.region)
        if not isinstance(poses, Poses):
            raise TypeError(f"wanted Poses, got {type(poses).__name__} of the model")
        self._frame = poses.frame
        self.region = next_region(poses, keypoint_score=self._keypoint_score)
        return poses

    def reset(self) -> None:
        """Search all of the next frame."""
        self.region = None

    def close(self) -> None:
        """Give the device back."""
        self.model.close()

    def __enter__(self) -> PoseTracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def next_region(poses: Poses, *, keypoint_score: float) -> Region | None:
    """Return the square of the next frame in which the surest person will be.

    Its middle is that of the hips, and half its side the larger of `TORSO_REACH` times the torso's
    and `BODY_REACH` times the body's reach from there. Source: MoveNet's public description
    (tensorflow.org/hub/tutorials/movenet, "cropping algorithm").

    Args:
        poses: People with keypoints by name, by falling score.
        keypoint_score: Keypoints less sure than this do not count.

    Returns:
        Left, top, right, bottom, in pixels; it may reach beyond the frame. None for the whole
        frame: when nobody is there, the torso is not seen, or the square would hold the frame.
    """
    if not len(poses):
        return None
    at = [poses.names.index(name) for name in TORSO]
    sure = poses.keypoint_scores[0] >= keypoint_score
    if not (sure[at[:2]].any() and sure[at[2:]].any()):
        return None
    points = poses.keypoints[0].astype(np.float64)
    x, y = points[at[2:]].mean(axis=0).tolist()
    height, width = poses.frame
    if not (0 <= x < width and 0 <= y < height):
        return None
    away = np.abs(points - (x, y)).max(axis=1)
    torso = [k for k in at if sure[k]]
    half = max(TORSO_REACH * away[torso].max(), BODY_REACH * away[sure].max())
    half = min(float(half), max(x, width - x, y, height - y))
    if half > max(height, width) / 2 or half < 1:
        return None
    return x - half, y - half, x + half, y + half
