"""Less trembling without more delay: the one-euro filter, in seconds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from edgecv.results import Poses
from edgecv.types import Array, FloatArray


class OneEuro:
    """A low-pass filter that lets fast movements through: it smooths what hardly moves.

    Source: Casiez, Roussel and Vogel, "1 € Filter", CHI 2012, algorithm 1. The time between values
    may vary.

    Args:
        min_cutoff: What is faster than this, in hertz, is smoothed away from what stands still:
            lower is calmer.
        beta: How much the cut-off rises, in hertz, for each unit of speed: higher lags less.
        speed_cutoff: The cut-off for the speed itself, in hertz.

    Raises:
        ValueError: A cut-off is not above 0, or `beta` is below.
    """

    def __init__(
        self, *, min_cutoff: float = 1.5, beta: float = 5.0, speed_cutoff: float = 1.0
    ) -> None:
        if not (min_cutoff > 0 and beta >= 0 and speed_cutoff > 0):
            raise ValueError(
                "wanted min_cutoff > 0, beta >= 0 and speed_cutoff > 0, "
                f"got {min_cutoff}, {beta} and {speed_cutoff}"
            )
        self._min_cutoff, self._beta, self._speed_cutoff = min_cutoff, beta, speed_cutoff
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next values come back as they are."""
        self._time = -math.inf
        self._values: Array = np.zeros(0)
        self._speeds: Array = np.zeros(0)

    def __call__(self, values: Array, time: float, *, size: float = 1.0) -> Array:
        """Return the smoothed values.

        Args:
            values: Any shape, the same each time; what is NaN stays NaN, and what was NaN before
                comes back as it is.
            time: Seconds, later than the last.
            size: One unit of length for speeds, in the unit of the values: with the size of a
                person, those near and far are smoothed alike.

        Raises:
            ValueError: `time` is not later, or the shape is another one.
        """
        if not (math.isfinite(time) and time > self._time):
            raise ValueError(f"wanted a time after {self._time} s, got {time}")
        values = np.asarray(values, np.float64)
        seconds, self._time = time - self._time, time
        if math.isinf(seconds):
            self._values, self._speeds = values.copy(), np.zeros_like(values)
            return values.copy()
        if values.shape != self._values.shape:
            raise ValueError(f"wanted values of shape {self._values.shape}, got {values.shape}")
        known = np.isfinite(self._values)
        speeds = np.where(known, values - self._values, 0) / seconds / size
        keep = _weight(self._speed_cutoff, seconds)
        self._speeds = np.where(known, self._speeds, 0)
        self._speeds = self._speeds + keep * (np.nan_to_num(speeds) - self._speeds)
        cutoff = self._min_cutoff + self._beta * np.abs(self._speeds)
        blend = self._values + _weight(cutoff, seconds) * (values - self._values)
        self._values = np.where(known, blend, values)
        return self._values.copy()


class PoseSmoother:
    """Smooths the keypoints of a single person from frame to frame.

    Args:
        keypoint_score: Points less sure than this pass as they are, and are started anew after.
        max_gap: Seconds without a person after which everything is started anew.
        filter: What smooths; speeds are in sizes of the person per second.
    """

    def __init__(
        self,
        *,
        keypoint_score: float = 0.3,
        max_gap: float = 0.5,
        filter: OneEuro | None = None,
    ) -> None:
        self._keypoint_score, self._max_gap = keypoint_score, max_gap
        self._filter = filter or OneEuro()
        self._seen = -math.inf

    def update(self, poses: Poses, time: float) -> Poses:
        """Return the same with smoother keypoints; none or several people pass as they are.

        Args:
            poses: What was found in the next frame.
            time: When the frame was captured, in seconds of any clock that never goes back.

        Raises:
            ValueError: `time` is not after that of the frame before.
        """
        if len(poses) != 1:
            if len(poses) > 1:
                self._filter.reset()
            return poses
        if time - self._seen > self._max_gap:
            self._filter.reset()
        self._seen = time
        sure = poses.keypoint_scores >= self._keypoint_score
        x0, y0, x1, y1 = poses.boxes[0].tolist()
        points = np.where(sure[..., None], poses.keypoints, np.nan)
        smooth = self._filter(points, time, size=max(x1 - x0, y1 - y0, 1.0))
        keypoints: FloatArray = np.where(sure[..., None], smooth, poses.keypoints).astype(
            np.float32
        )
        return replace(poses, keypoints=keypoints)


def _weight(cutoff: Array | float, seconds: float) -> Array:
    """Return how much a new value counts, 0..1, at a cut-off in hertz: equations 6 and 7."""
    turn = 2 * math.pi * np.asarray(cutoff) * seconds
    out: Array = turn / (turn + 1)
    return out
