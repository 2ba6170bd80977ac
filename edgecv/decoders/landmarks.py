"""The points of one face that fills the input."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.decoders.people import keypoint_rows
from edgecv.image import Placement
from edgecv.results import Faces
from edgecv.spec import ModelSpec
from edgecv.types import Array


def decode(outputs: Mapping[str, Array], spec: ModelSpec, placement: Placement) -> Faces:
    """Read (1, 2 K) or (1, 2 K, 1, 1) numbers: x and y, 0..1 of the input, of each point.

    Give the model the face's box as its region: ``model(image, region=box)``. Such a model does not
    tell whether there is a face, so the one face of the result has score 1, and its box is the
    region.

    Raises:
        SpecError: The output is not pairs, or has fewer than the spec's keypoints.
    """
    points = keypoint_rows(next(iter(outputs.values())), 2, spec)
    height, width = placement.input
    return Faces(
        frame=placement.frame,
        boxes=placement.boxes_to_frame(np.array([[0, 0, width, height]], np.float32)),
        scores=np.ones(1, np.float32),
        landmarks=placement.points_to_frame(points * np.array([width, height], np.float32)),
        points=spec.keypoints,
    )
