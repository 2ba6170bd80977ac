"""Everybody's keypoints from one grid of proposals, as a pose proposal network gives them.

Every cell of the grid tells, for each kind of part, how surely it holds such a part and where that
lies; and, for each kind of limb, which of the cells around hold the other end. A person is a part
too, the root that the limbs lead away from. Source: Sekii, "Pose Proposal Networks", 2018.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isqrt
from typing import NamedTuple

import numpy as np

from edgecv.boxes import cxcywh_to_xyxy, nms
from edgecv.decoders.objects import sigmoid
from edgecv.decoders.people import people
from edgecv.decoders.roles import by_role
from edgecv.errors import SpecError
from edgecv.image import Placement
from edgecv.results import Poses
from edgecv.spec import ModelSpec
from edgecv.types import Array, FloatArray, IntArray

Pairs = Sequence[Sequence[int]]

LIMBS = (
    *((0, 1), (1, 2), (1, 3), (2, 4), (3, 5), (0, 6), (0, 7), (6, 8), (7, 9), (8, 10), (9, 11)),
    *((0, 12), (0, 13), (12, 14), (13, 15), (14, 16), (15, 17)),
)
"""From which part to which, outwards from part 0, the person; part k is COCO's keypoint k - 1.
The paper's tree is of MPII's parts; this one leads from the person to the nose and the four corners
of the trunk, so that one hidden joint does not take both legs along."""

NUMBERS = 6
"""Of a part in a cell: responsibility, confidence, x, y, width, height."""


class Proposals(NamedTuple):
    """The parts of one kind that were found.

    Attributes:
        cells: int64 (N, 2), row then column.
        points: float32 (N, 2), x then y, pixels of the input.
        scores: float32 (N,), 0..1.
    """

    cells: IntArray
    points: FloatArray
    scores: FloatArray


def decode(  # noqa: PLR0913 - the options of one family of models
    outputs: Mapping[str, Array],
    spec: ModelSpec,
    placement: Placement,
    *,
    limbs: Pairs = LIMBS,
    part_score: float = 0.1,
    limb_score: float = 0.1,
    overlap: float = 0.3,
    keypoint_score: float = 0.1,
) -> Poses:
    """Read parts (1, h, w, 6 (K + 1)) and limbs (1, h, w, L n n), logits; n x n cells lie around.

    A person's score is that of the root, part 0. A keypoint that is not found has the score 0.

    Args:
        outputs: "parts" and "limbs".
        spec: Its keypoints are the K parts after the person.
        placement: Where the input lies in the frame.
        limbs: L pairs of parts, outwards from part 0, in the order of the output.
        part_score: The least score of a part.
        limb_score: The least probability of a limb.
        overlap: Of two boxes of the same kind of part with a greater IoU only the better is kept.
        keypoint_score: The box is drawn round the keypoints that reach this.

    Raises:
        SpecError: The outputs are not of these shapes.
    """
    parts, links = by_role(outputs, ("parts", "limbs"))
    count, window = _checked(parts, links, limbs, spec)
    found = find_parts(
        parts.reshape(*parts.shape[1:3], count, NUMBERS),
        input_hw=(placement.input.height, placement.input.width),
        least=part_score,
        overlap=overlap,
    )
    links = links.reshape(*links.shape[1:3], len(limbs), window, window)
    rows = assemble(found, links, limbs, least=limb_score)
    chosen = rows >= 0
    scores, points = np.zeros(rows.shape, np.float32), np.zeros((*rows.shape, 2), np.float32)
    for part, proposals in enumerate(found):
        has = chosen[:, part]
        scores[has, part] = proposals.scores[rows[has, part]]
        points[has, part] = proposals.points[rows[has, part]]
    moved = placement.points_to_frame(points)
    moved[~chosen] = 0
    return people(
        moved[:, 1:],
        scores[:, 1:],
        scores[:, 0],
        spec=spec,
        frame=placement.frame,
        keypoint_score=keypoint_score,
    )


def _checked(parts: Array, links: Array, limbs: Pairs, spec: ModelSpec) -> tuple[int, int]:
    """Return how many parts there are, and the side of the window of cells."""
    grid, kinds = parts.shape[1:3], max(len(limbs), 1)
    count, rest = divmod(parts.shape[-1], NUMBERS)
    side = isqrt(links.shape[-1] // kinds)
    fits = parts.ndim == links.ndim == 4 and not rest and links.shape[1:3] == grid
    fits = fits and links.shape[-1] == len(limbs) * side**2 and side % 2 == 1
    fits = fits and count == (len(spec.keypoints) or count - 1) + 1
    if not fits or max(max(pair) for pair in limbs) >= count:
        raise SpecError(
            f"{spec.name}: wanted parts (1, h, w, 6 x {len(spec.keypoints) + 1}) and limbs "
            f"(1, h, w, {len(limbs)} n n) with n odd, got {parts.shape} and {links.shape}: correct "
            "the spec's 'keypoints' or its option 'limbs'"
        )
    return count, side


def find_parts(
    values: Array, *, input_hw: tuple[int, int], least: float, overlap: float
) -> list[Proposals]:
    """Return, for each kind of part, what the grid (h, w, K, 6) proposes, by falling score.

    Args:
        values: Logits: responsibility, confidence, x and y in the cell, width and height as parts
            of the input's.
        input_hw: The input's height and width.
        least: The least product of responsibility and confidence.
        overlap: Of two boxes with a greater IoU only the better is kept.
    """
    rows, columns, kinds, _ = values.shape
    size = np.array((input_hw[1], input_hw[0]), np.float32)
    surely = sigmoid(values[..., 0]) * sigmoid(values[..., 1])
    proposals = []
    for kind in range(kinds):
        cells = np.argwhere(surely[..., kind] >= least)
        scores = surely[cells[:, 0], cells[:, 1], kind]
        box = sigmoid(values[cells[:, 0], cells[:, 1], kind, 2:])
        points = (cells[:, ::-1] + box[:, :2]) / np.array((columns, rows)) * size
        boxes = np.concatenate((points, box[:, 2:] * size), axis=1).astype(np.float32)
        kept = nms(cxcywh_to_xyxy(boxes), scores, overlap=overlap)
        proposals.append(Proposals(cells[kept], boxes[kept, :2], scores[kept]))
    return proposals


def assemble(found: Sequence[Proposals], links: Array, limbs: Pairs, *, least: float) -> IntArray:
    """Return, for every person, which proposal each part is: int64 (N, K), -1 for none.

    Limb by limb, outwards from the root, the two ends are paired by the product of the limb's
    probability and the scores of its ends, the best pair first. Source: Sekii 2018.

    Args:
        found: What `find_parts` gives.
        links: Logits (h, w, L, n, n): whether a limb leads from the cell to one around it, rows
            first.
        limbs: The pairs of parts that the L limbs join.
        least: The least probability of a limb.
    """
    rows = np.full((len(found[0].scores), len(found)), -1, np.int64)
    rows[:, 0] = np.arange(len(rows))
    for limb, (start, end) in enumerate(limbs):
        owners = np.flatnonzero(rows[:, start] >= 0)
        at = rows[owners, start]
        chance = _chances(found[start].cells[at], found[end].cells, links[:, :, limb])
        chance[chance < least] = 0
        score = chance * found[start].scores[at][:, None] * found[end].scores[None]
        for owner, proposal in _greedy(score):
            rows[owners[owner], end] = proposal
    return rows


def _chances(starts: IntArray, ends: IntArray, links: Array) -> FloatArray:
    """Return the probability (N, M) of a limb from each of N cells to each of M cells."""
    reach = links.shape[-1] // 2
    step = ends[None] - starts[:, None]
    near = (np.abs(step) <= reach).all(axis=-1)
    y, x = np.moveaxis(np.where(near[..., None], step, 0) + reach, -1, 0)
    values = sigmoid(links[starts[:, :1], starts[:, 1:], y, x])
    return np.where(near, values, np.float32(0))


def _greedy(score: Array) -> list[tuple[int, int]]:
    """Take pairs with positive scores, the best first, each row and column once."""
    pairs = []
    left = score.copy()
    while left.size and left.max() > 0:
        row, column = np.unravel_index(int(left.argmax()), left.shape)
        pairs.append((int(row), int(column)))
        left[row], left[:, column] = 0, 0
    return pairs
