"""One person's 17 keypoints, as MoveNet gives them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.decoders.people import keypoint_rows, people
from edgecv.image import Placement
from edgecv.results import Poses
from edgecv.spec import ModelSpec
from edgecv.types import Array


def decode(
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    keypoint_score: float = 0.3,
) -> Poses:
    """Read (1, 1, 17, 3) rows of y, x, 0..1 of the input, and score.

    The person's score is the mean of the keypoints'; below the spec's score there is nobody.

    Args:
        outputs: The first of them is read.
        spec: Its keypoints name the rows.
        placement: Where the input lies in the frame.
        keypoint_score: The box is drawn round the keypoints that reach this.

    Raises:
        SpecError: The output is not of such rows, or has fewer than the spec's keypoints.
    """
    rows = keypoint_rows(next(iter(outputs.values())), 3, spec)
    size = np.array([placement.input.width, placement.input.height], np.float32)
    scores = np.clip(rows[..., 2], 0, 1)
    return people(
        placement.points_to_frame(rows[..., 1::-1] * size),
        scores,
        scores.mean(axis=1),
        spec=spec,
        frame=placement.frame,
        keypoint_score=keypoint_score,
    )
