"""One person's keypoints from heatmaps and offsets."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.decoders.objects import sigmoid
from edgecv.decoders.people import people
from edgecv.decoders.roles import by_role
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.results import Poses
from edgecv.spec import ModelSpec
from edgecv.types import Array

ACTIVATIONS = ("sigmoid", "none")


def decode(
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    activation: str = "sigmoid",
    keypoint_score: float = 0.2,
) -> Poses:
    """Read heatmaps (1, h, w, K) and offsets (1, h, w, 2 K), of K times x then y, in cells.

    A keypoint lies by its offset from the centre of the cell where its heatmap is highest. The
    person's score is the mean of the keypoints'. Source: Papandreou et al., "Towards Accurate
    Multi-person Pose Estimation in the Wild", 2017, section 2.2.

    Args:
        outputs: "heatmaps" and "offsets".
        spec: Its keypoints name the maps.
        placement: Where the input lies in the frame.
        activation: What makes a heatmap's values scores: "sigmoid" or "none".
        keypoint_score: The box is drawn round the keypoints that reach this.

    Raises:
        SpecError: The outputs are not of these shapes, or not as many as the spec's keypoints.
    """
    if activation not in ACTIVATIONS:
        raise SpecError(f"{spec.name}: activation is sigmoid or none, got {activation!r}")
    heatmaps, offsets = by_role(outputs, ("heatmaps", "offsets"))
    count = heatmaps.shape[-1]
    if (
        heatmaps.ndim != 4
        or offsets.shape != (1, *heatmaps.shape[1:3], 2 * count)
        or count != (len(spec.keypoints) or count)
    ):
        raise SpecError(
            f"{spec.name}: wanted heatmaps (1, h, w, K) and offsets (1, h, w, 2 K) for "
            f"{len(spec.keypoints) or 'some'} keypoints, got {heatmaps.shape} and {offsets.shape}"
        )
    rows, columns = heatmaps.shape[1:3]
    maps = heatmaps.reshape(-1, count).astype(np.float32)
    best, part = maps.argmax(axis=0), np.arange(count)
    values = maps[best, part]
    shift = offsets.reshape(-1, count, 2)[best, part]
    cells = np.stack((best % columns, best // columns), axis=1) + np.float32(0.5) + shift
    size = np.array(placement.input[::-1], np.float32) / np.array((columns, rows), np.float32)
    scores = sigmoid(values) if activation == "sigmoid" else np.clip(values, 0, 1)
    return people(
        placement.points_to_frame(cells * size)[None],
        scores[None],
        scores.mean(keepdims=True),
        spec=spec,
        frame=placement.frame,
        keypoint_score=keypoint_score,
    )
