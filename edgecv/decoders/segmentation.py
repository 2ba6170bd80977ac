"""The class of every pixel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgecv.decoders.roles import check_classes
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.results import Mask
from edgecv.spec import ModelSpec
from edgecv.types import Array, Image, IntArray


def decode(outputs: Mapping[str, Array], spec: ModelSpec, placement: Placement) -> Mask:
    """Read class ids (1, H, W), or scores (1, H, W, C) or (1, C, H, W) of which the best counts.

    Ids may also have an axis of length 1 for channels. Every pixel of the frame takes the nearest
    one of the map; what the input did not show is background, class 0.

    Raises:
        SpecError: The output is not of such a shape, has classes beyond 255, or not as many as
            there are labels.
    """
    name, values = next(iter(outputs.items()))
    ids = _class_ids(name, values, spec)
    if not 0 <= ids.min() <= ids.max() <= 255:
        raise SpecError(f"the output {name!r} holds {ids.min()} to {ids.max()}; wanted 0..255")
    return Mask(
        frame=placement.frame,
        class_map=_to_frame(ids.astype(np.uint8), placement),
        labels=spec.labels,
    )


def _class_ids(name: str, values: Array, spec: ModelSpec) -> Array:
    """Return the ids (H, W) of an output."""
    shape, classes = values.shape, len(spec.labels)
    if values.ndim not in (3, 4) or shape[0] != 1 or not values.size:
        raise SpecError(
            f"the output {name!r} has shape {list(shape)}; wanted [1, H, W], [1, H, W, C] or "
            "[1, C, H, W]"
        )
    if values.ndim == 3:
        return np.asarray(values[0])
    last = shape[3] == classes if classes in (shape[1], shape[3]) else shape[3] <= shape[1]
    scores = values[0] if last else values[0].transpose(1, 2, 0)
    if scores.shape[2] == 1:
        return np.asarray(scores[..., 0])
    check_classes(spec, scores.shape[2])
    return np.asarray(scores.argmax(axis=2))


def _to_frame(class_map: Image, placement: Placement) -> Image:
    """Look up, for the centre of every pixel of the frame, the cell of the map it falls into."""
    frame, size = placement.frame, placement.input
    columns, x = _cells(
        frame.width, placement.scale_x, placement.shift_x, class_map.shape[1], size.width
    )
    rows, y = _cells(
        frame.height, placement.scale_y, placement.shift_y, class_map.shape[0], size.height
    )
    whole = np.zeros(frame, np.uint8)
    whole[y, x] = class_map.take(columns, axis=1).take(rows, axis=0)
    return whole


def _cells(
    length: int, scale: float, shift: float, cells: int, side: int
) -> tuple[IntArray, slice]:
    """Return the map's cell for each pixel that the input shows, and which pixels these are."""
    at = (np.arange(length) + 0.5 - shift) / scale
    shown = np.flatnonzero((at >= 0) & (at < side))
    if not shown.size:
        return shown, slice(0, 0)
    index = np.minimum((at[shown] * cells / side).astype(np.int64), cells - 1)
    return index, slice(int(shown[0]), int(shown[-1]) + 1)
