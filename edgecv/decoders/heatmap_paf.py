"""Everybody's keypoints from heatmaps and part-affinity fields, as OpenPose gives them.

A heatmap for each kind of keypoint shows where such points are, a field of vectors for each kind of
limb shows which of them belong together: along a limb the vectors point from its start to its end.
Source: Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", 2017,
sections 2.2 to 2.4; the order of the channels is that of OpenPose's COCO model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import cv2
import numpy as np

from edgecv.decoders.people import people
from edgecv.decoders.roles import by_role
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.results import Poses
from edgecv.spec import ModelSpec
from edgecv.types import Array, FloatArray

PARTS = 18
"""Nose, neck, then shoulder, elbow, wrist (right, left), hip, knee, ankle (right, left), eyes,
ears (right, left)."""

TO_COCO_17 = (0, 15, 14, 17, 16, 5, 2, 6, 3, 7, 4, 11, 8, 12, 9, 13, 10)
"""Where each of COCO's 17 keypoints is among OpenPose's 18; the neck is left out."""


class Limb(NamedTuple):
    """Two kinds of keypoints that a field connects, and the fields' channel of its x; y follows."""

    start: int
    end: int
    field: int


LIMBS = tuple(
    Limb(*numbers)
    for numbers in (
        *((1, 2, 12), (1, 5, 20), (2, 3, 14), (3, 4, 16), (5, 6, 22), (6, 7, 24)),
        *((1, 8, 0), (8, 9, 2), (9, 10, 4), (1, 11, 6), (11, 12, 8), (12, 13, 10)),
        *((1, 0, 28), (0, 14, 30), (14, 16, 34), (0, 15, 32), (15, 17, 36)),
        *((2, 16, 18), (5, 17, 26)),
    )
)
TREE = 17
"""The first 17 limbs span a body as a tree; the two from shoulder to ear only confirm or join."""

SAMPLES = 10
"""Points on a limb where its field is read."""

LEAST = 3
"""Fewest keypoints of a person."""

_BEFORE = np.array([[1, 1, 1], [1, 0, 0], [0, 0, 0]], np.uint8)
_AFTER = np.ascontiguousarray(_BEFORE[::-1, ::-1])  # the neighbours that come later in the rows


def decode(
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    peak: float = 0.1,
    affinity: float = 0.05,
    agreement: float = 0.8,
    keypoint_score: float = 0.1,
) -> Poses:
    """Read fields (1, 38, h, w) and heatmaps (1, 19, h, w), the last of which is the background.

    A person's score is the mean of the scores of COCO's 17 keypoints, 0 for those not found.

    Args:
        outputs: "fields" and "heatmaps".
        spec: Its keypoints are COCO's 17.
        placement: Where the input lies in the frame.
        peak: Lowest value of a heatmap that counts as a keypoint.
        affinity: Lowest agreement of a field with a limb's direction at a point of the limb.
        agreement: How many of a limb's points have to reach it, 0..1.
        keypoint_score: Boxes are drawn round the keypoints that reach this.

    Raises:
        SpecError: The outputs are not of these shapes.
    """
    fields, heatmaps = by_role(outputs, ("fields", "heatmaps"))
    grid = heatmaps.shape[2:]
    if fields.shape != (1, 2 * len(LIMBS), *grid) or heatmaps.shape != (1, PARTS + 1, *grid):
        raise SpecError(
            f"{spec.name}: wanted fields (1, 38, h, w) and heatmaps (1, 19, h, w), got "
            f"{fields.shape} and {heatmaps.shape}: name them in the spec's 'outputs'"
        )
    peaks = find_peaks(heatmaps[0, :PARTS], threshold=peak)
    pairs = [
        connect(peaks[a], peaks[b], fields[0, c : c + 2], affinity=affinity, agreement=agreement)
        for a, b, c in LIMBS
    ]
    rows = _coco_rows(assemble(pairs), peaks)
    cell = np.array(placement.input[::-1], np.float32) / np.array(grid[::-1], np.float32)
    scores = np.minimum(rows[..., 2], 1)
    points = placement.points_to_frame((rows[..., :2] + np.float32(0.5)) * cell)
    points[scores == 0] = 0
    return people(
        points,
        scores,
        scores.mean(axis=1),
        spec=spec,
        frame=placement.frame,
        keypoint_score=keypoint_score,
    )


def _coco_rows(bodies: Sequence[Mapping[int, int]], peaks: Sequence[FloatArray]) -> FloatArray:
    """Return x, y and score of every body's keypoints (N, 17, 3), 0 for those not found."""
    chosen = [body for body in bodies if len(body) >= LEAST]
    rows = np.zeros((len(chosen), PARTS, 3), np.float32)
    for row, body in zip(rows, chosen, strict=True):
        for part, index in body.items():
            row[part] = peaks[part][index]
    return rows[:, TO_COCO_17]


def find_peaks(heatmaps: Array, *, threshold: float) -> list[FloatArray]:
    """Return, for each of (K, h, w) heatmaps, its peaks float32 (N, 3): x, y in cells, and value.

    A peak is higher than its eight neighbours; of two equal ones the first counts. Its place
    between the cells is the top of the parabolas through it and its neighbours in x and in y.
    """
    maps = np.ascontiguousarray(heatmaps.transpose(1, 2, 0), np.float32)
    before, after = (cv2.dilate(maps, k).reshape(maps.shape) for k in (_BEFORE, _AFTER))
    highest = (maps > np.maximum(before, threshold)) & (maps >= after)
    part, y, x = np.nonzero(highest.transpose(2, 0, 1))
    value = heatmaps[part, y, x]
    framed = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    dx = _summit(framed[part, y + 1, x], value, framed[part, y + 1, x + 2])
    dy = _summit(framed[part, y, x + 1], value, framed[part, y + 2, x + 1])
    rows = np.stack((x + dx, y + dy, value), axis=1).astype(np.float32)
    return [rows[part == k] for k in range(len(heatmaps))]


def _summit(before: Array, at: Array, after: Array) -> Array:
    """Return where, -0.5..0.5, the parabola through three neighbours is highest."""
    bend = before - 2 * at + after
    offset = np.divide(0.5 * (before - after), bend, out=np.zeros_like(at), where=bend < 0)
    return np.asarray(np.clip(offset, -0.5, 0.5))


def connect(
    starts: FloatArray, ends: FloatArray, field: Array, *, affinity: float, agreement: float
) -> list[tuple[int, int]]:
    """Pair the peaks that a limb's field connects best, each peak once, the surest pair first.

    Args:
        starts: float32 (N, 3), peaks where the limb starts: x, y in cells, and value.
        ends: float32 (M, 3), the same where it ends.
        field: (2, h, w): x and y of the field.
        affinity: Lowest projection of the field on the limb that counts as agreement.
        agreement: How many of the limb's points have to agree, 0..1.

    Returns:
        Pairs of indices into `starts` and `ends`.
    """
    if not (len(starts) and len(ends)):
        return []
    way = ends[None, :, :2] - starts[:, None, :2]
    length = np.linalg.norm(way, axis=2)
    direction = way / np.maximum(length, 1e-6)[..., None]
    steps = np.linspace(0, 1, SAMPLES, dtype=np.float32)[:, None, None, None]
    vectors = _bilinear(field, starts[None, :, None, :2] + steps * way[None])
    along = (vectors * direction).sum(axis=-1)
    # Limbs longer than half the picture are unlikely: the same penalty as OpenPose's.
    prior = np.minimum(0.5 * field.shape[1] / np.maximum(length, 1e-6) - 1, 0)
    score = along.mean(axis=0) + prior
    score[(along > affinity).mean(axis=0) < agreement] = 0
    return _greedy(score)


def _greedy(score: Array) -> list[tuple[int, int]]:
    """Take the pairs with positive scores by falling score, leaving out what is taken already."""
    pairs: list[tuple[int, int]] = []
    rows, columns = np.nonzero(score > 0)
    left, free = set(rows.tolist()), set(columns.tolist())
    for i in np.argsort(-score[rows, columns], kind="stable").tolist():
        row, column = int(rows[i]), int(columns[i])
        if row in left and column in free:
            pairs.append((row, column))
            left.remove(row)
            free.remove(column)
    return pairs


def _bilinear(field: Array, points: Array) -> Array:
    """Return the field (2, h, w) at (..., 2) points, x then y in cells, as (..., 2)."""
    high = np.array(field.shape[:0:-1]) - 1
    inside = np.clip(points, 0, high)
    low = np.minimum(inside.astype(np.int64), np.maximum(high - 1, 0))
    part = (inside - low)[..., None]
    x, y = low[..., 0], low[..., 1]
    right, below = np.minimum(x + 1, high[0]), np.minimum(y + 1, high[1])
    cells = np.moveaxis(field, 0, -1)
    upper = cells[y, x] * (1 - part[..., 0, :]) + cells[y, right] * part[..., 0, :]
    lower = cells[below, x] * (1 - part[..., 0, :]) + cells[below, right] * part[..., 0, :]
    out: Array = upper * (1 - part[..., 1, :]) + lower * part[..., 1, :]
    return out


def assemble(pairs: Sequence[Sequence[tuple[int, int]]]) -> list[dict[int, int]]:
    """Join connected peaks to bodies.

    Args:
        pairs: For each of `LIMBS`, pairs of peaks of its start and of its end.

    Returns:
        For each body, the peak of each of its parts. No peak belongs to two bodies.
    """
    owner: dict[tuple[int, int], dict[int, int]] = {}
    for number, (limb, found) in enumerate(zip(LIMBS, pairs, strict=True)):
        for start, end in found:
            joined = {limb.start: start, limb.end: end}
            bodies = [owner[item] for item in joined.items() if item in owner]
            if not bodies and number >= TREE:
                continue
            if all(_agree(a, b) for a, b in combinations((joined, *bodies), 2)):
                for body in bodies:
                    joined |= body
                owner.update(dict.fromkeys(joined.items(), joined))
    return list({id(body): body for body in owner.values()}.values())


def _agree(a: Mapping[int, int], b: Mapping[int, int]) -> bool:
    """Tell whether two bodies have no part of which each has another peak."""
    return all(a.get(part, index) == index for part, index in b.items())
