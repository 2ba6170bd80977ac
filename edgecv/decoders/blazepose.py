"""One person's 33 landmarks, as BlazePose gives them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.decoders.objects import sigmoid
from edgecv.decoders.people import keypoint_rows, people
from edgecv.decoders.roles import by_role
from edgecv.image import Placement
from edgecv.results import Poses
from edgecv.spec import ModelSpec
from edgecv.types import Array


def decode(
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    keypoint_score: float = 0.5,
) -> Poses:
    """Read (1, 195) rows of x, y, z, visibility and presence, and the person's presence (1, 1).

    Of the 39 rows the first 33 are the body's; the others place the next frame's crop. x and y are
    pixels of the input, visibility and presence are logits, of which the lower one is the
    keypoint's score; the person's presence is a probability.

    Source: Bazarevsky et al., "BlazePose: On-device Real-time Body Pose Tracking", 2020, and the
    model card of MediaPipe's pose landmark model.

    Args:
        outputs: "landmarks" and "presence".
        spec: Its keypoints name the rows that are kept.
        placement: Where the input lies in the frame.
        keypoint_score: The box is drawn round the keypoints that reach this.

    Raises:
        SpecError: An output is missing, or its rows are fewer than the spec's keypoints.
    """
    landmarks, presence = by_role(outputs, ("landmarks", "presence"))
    rows = keypoint_rows(landmarks, 5, spec)[:, :33]
    sure = sigmoid(rows[..., 3:].min(axis=-1))
    return people(
        placement.points_to_frame(rows[..., :2]),
        sure,
        np.clip(presence.reshape(1), 0, 1).astype(np.float32),
        spec=spec,
        frame=placement.frame,
        keypoint_score=keypoint_score,
    )
