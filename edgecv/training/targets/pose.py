"""Targets of pose networks: heatmaps with offsets for one person, a grid of proposals for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from edgecv.decoders.ppn import LIMBS, Pairs
from edgecv.training.data.samples import Sample
from edgecv.training.targets.boxes import check_size
from edgecv.types import Array, FloatArray, Size

IGNORED = -1.0
"""The target of what no loss counts: nobody has marked whether it is there."""

PART = 0.2
"""The side of a part's box by the longer side of the person's, after Sekii 2018."""


def encode_heatmaps(
    keypoints: FloatArray, *, size: Size, stride: int = 4, sigma: float = 1.5
) -> tuple[FloatArray, FloatArray]:
    """Return the heatmaps and offsets that show one person's keypoints.

    A heatmap is a Gaussian around its point, and 1 in the cell that holds the point. Source:
    Tompson et al., "Joint Training of a Convolutional Network and a Graphical Model for Human Pose
    Estimation", 2014; offsets: Papandreou et al. 2017, section 2.2.

    Args:
        keypoints: float32 (K, 3): x, y in pixels of the input, and 0 where nothing is marked.
        size: The input's size.
        stride: Input pixels a cell.
        sigma: The Gaussian's standard deviation, in cells.

    Returns:
        float32 (h, w, K), `IGNORED` for keypoints that are not marked or lie outside; and float32
        (h, w, 2 K): x and y from each cell's centre to the point, in cells.
    """
    rows, columns = size.height // stride, size.width // stride
    at = keypoints[:, :2] / np.float32(stride)
    y, x = np.mgrid[:rows, :columns].astype(np.float32) + np.float32(0.5)
    offsets = at[None, None] - np.stack((x, y), axis=-1)[:, :, None]  # (h, w, K, 2)
    heatmaps = np.exp(-(offsets**2).sum(axis=-1) / np.float32(2 * sigma**2))
    cells = np.floor(at).astype(np.int64)
    seen = (keypoints[:, 2] > 0) & (cells >= 0).all(axis=1) & (cells < (columns, rows)).all(axis=1)
    marked = np.flatnonzero(seen)
    heatmaps[cells[marked, 1], cells[marked, 0], marked] = 1
    heatmaps[:, :, ~seen] = IGNORED
    offsets[:, :, ~seen] = 0
    return heatmaps.astype(np.float32), offsets.reshape(rows, columns, -1).astype(np.float32)


def heatmap_encoder(
    size: Size, *, keypoints: int = 17, stride: int = 4, sigma: float = 1.5
) -> Callable[[Sequence[Sample]], dict[str, Array]]:
    """Return the function that makes a batch's targets for `models.heatmap`.

    Args:
        size: The input's size; every sample's picture has to be of it.
        keypoints: The number of keypoints, K.
        stride: As for `encode_heatmaps`.
        sigma: As for `encode_heatmaps`.

    Returns:
        A function that turns B samples into ``{"heatmaps": float32 (B, h, w, K), "offsets":
        float32 (B, h, w, 2 K)}``. The first person of a sample counts.
    """

    def encode(samples: Sequence[Sample]) -> dict[str, Array]:
        rows = []
        for sample in samples:
            check_size(sample, size)
            points = np.zeros((keypoints, 3), np.float32)
            if len(sample.keypoints):
                points = sample.keypoints[0]
            rows.append(encode_heatmaps(points, size=size, stride=stride, sigma=sigma))
        heatmaps, offsets = zip(*rows, strict=True)
        return {"heatmaps": np.stack(heatmaps), "offsets": np.stack(offsets)}

    return encode


def encode_parts(
    boxes: FloatArray, keypoints: FloatArray, *, size: Size, grid: Size, part: float = PART
) -> FloatArray:
    """Return which part each cell of a grid is responsible for, and where that lies.

    A part is held by the cell that its centre falls into; of two of a kind in one cell the larger
    person's counts. Source: Sekii, "Pose Proposal Networks", 2018.

    Args:
        boxes: float32 (N, 4), xyxy, pixels of the input: the people.
        keypoints: float32 (N, K, 3): x, y in pixels of the input, and 0 where nothing is marked.
        size: The input's size.
        grid: Rows and columns of cells.
        part: The side of a keypoint's box by the longer side of the person's.

    Returns:
        float32 (h, w, K + 1, 5): responsible or not (1 or 0; `IGNORED` in a person's box for what
        is not marked of that person), x and y in the cell, width and height by the input's.
    """
    count = keypoints.shape[1]
    target = np.zeros((*grid, count + 1, 5), np.float32)
    scale = np.array((grid.width / size.width, grid.height / size.height), np.float32)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    order = np.argsort(sides.max(axis=1), kind="stable")  # the largest is written last
    for box, points, side in zip(boxes[order], keypoints[order], sides[order], strict=True):
        x0, y0 = np.floor(box[:2] * scale).astype(int).clip(0)
        x1, y1 = np.ceil(box[2:] * scale).astype(int)
        unknown = np.concatenate(([False], points[:, 2] <= 0))
        inside = target[y0:y1, x0:x1, :, 0]
        inside[(inside == 0) & unknown] = IGNORED
        centre = (box[:2] + box[2:]) / 2
        rows = np.concatenate(((*centre, 1.0), points.ravel())).reshape(count + 1, 3)
        for kind, (x, y, seen) in enumerate(rows):
            column, row = int(x * scale[0] // 1), int(y * scale[1] // 1)
            if seen > 0 and 0 <= row < grid.height and 0 <= column < grid.width:
                wide, high = side if kind == 0 else (part * side.max(),) * 2
                place = (x * scale[0] - column, y * scale[1] - row)
                extent = (min(wide / size.width, 1), min(high / size.height, 1))
                target[row, column, kind] = (1, *place, *extent)
    return target


def encode_limbs(
    boxes: FloatArray,
    keypoints: FloatArray,
    parts: FloatArray,
    *,
    size: Size,
    window: int,
    limbs: Pairs = LIMBS,
) -> FloatArray:
    """Return which cells a limb leads to from each cell.

    A pair of cells counts where at least one of them is responsible for its end of the limb.
    Source: Sekii, "Pose Proposal Networks", 2018.

    Args:
        boxes: As for `encode_parts`.
        keypoints: As for `encode_parts`.
        parts: float32 (h, w, K + 1, 5): what `encode_parts` gave.
        size: The input's size.
        window: Cells on the side of the square around a cell; odd.
        limbs: L pairs of parts.

    Returns:
        float32 (h, w, L * window * window): 1 for a limb, 0 for none, `IGNORED` for a pair that
        does not count.
    """
    grid, reach = Size(*parts.shape[:2]), window // 2
    holds = parts[..., 0] == 1
    around = np.pad(holds, ((reach, reach), (reach, reach), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(around, (window, window), axis=(0, 1))
    starts, ends = (np.array([pair[i] for pair in limbs]) for i in (0, 1))
    counts = holds[:, :, starts, None, None] | views[:, :, ends]
    target = np.where(counts, np.float32(0), np.float32(IGNORED))
    scale = np.array((grid.height / size.height, grid.width / size.width), np.float32)
    for box, points in zip(boxes, keypoints, strict=True):
        centre = (box[:2] + box[2:]) / 2
        yx = np.concatenate((centre[None, ::-1], points[:, 1::-1])) * scale
        seen = np.concatenate(([True], points[:, 2] > 0))
        cells = np.floor(yx).astype(np.int64)
        seen &= (cells >= 0).all(axis=1) & (cells < grid).all(axis=1)
        for limb, (start, end) in enumerate(limbs):
            step = cells[end] - cells[start] + reach
            if seen[start] and seen[end] and (step >= 0).all() and (step < window).all():
                target[cells[start][0], cells[start][1], limb, step[0], step[1]] = 1
    return target.reshape(*grid, -1)


def ppn_encoder(
    size: Size, *, grid: Size, window: int, limbs: Pairs = LIMBS, keypoints: int = 17
) -> Callable[[Sequence[Sample]], dict[str, Array]]:
    """Return the function that makes a batch's targets for `models.ppn`.

    Args:
        size: The input's size; every sample's picture has to be of it.
        grid: Rows and columns of the network's cells.
        window: As for `encode_limbs`.
        limbs: As for `encode_limbs`.
        keypoints: The number of keypoints, K.

    Returns:
        A function that turns B samples into ``{"parts": float32 (B, h, w, K + 1, 5), "limbs":
        float32 (B, h, w, L * window * window)}``.
    """

    def encode(samples: Sequence[Sample]) -> dict[str, Array]:
        rows = []
        for sample in samples:
            check_size(sample, size)
            points = sample.keypoints.reshape(len(sample.boxes), keypoints, 3)
            parts = encode_parts(sample.boxes, points, size=size, grid=grid)
            links = encode_limbs(sample.boxes, points, parts, size=size, window=window, limbs=limbs)
            rows.append((parts, links))
        all_parts, all_links = zip(*rows, strict=True)
        return {"parts": np.stack(all_parts), "limbs": np.stack(all_links)}

    return encode
