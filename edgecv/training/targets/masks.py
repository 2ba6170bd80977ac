"""Targets of segmentation: the class of every pixel of the map that a network gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from edgecv.training.data.samples import IGNORED, Sample
from edgecv.training.targets.boxes import check_size
from edgecv.types import Array, Size


def mask_encoder(size: Size, *, output: Size) -> Callable[[Sequence[Sample]], Array]:
    """Return the function that makes a batch's targets for `models.segmentation`.

    Args:
        size: The input's size; every sample's picture and mask have to be of it.
        output: The size of the map that the network gives: each of its pixels has the class of the
            nearest one of the mask.

    Returns:
        A function that turns B samples into int32 (B, h, w): class ids, 255 for what no loss
        counts, such as a whole sample without a mask.
    """

    def encode(samples: Sequence[Sample]) -> Array:
        masks = []
        for sample in samples:
            check_size(sample, size)
            mask = sample.mask
            if mask is None:
                mask = np.full(size, IGNORED, np.uint8)
            wh = (output.width, output.height)
            masks.append(cv2.resize(mask, wh, interpolation=cv2.INTER_NEAREST_EXACT))
        return np.stack(masks).astype(np.int32)

    return encode
