"""Counts squats, curls and the like: an angle that goes down and comes up again."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgecv.angles import JOINTS

UP, DOWN, UNKNOWN = "up", "down", "unknown"
_TOLERANCE = 1e-6  # of times in seconds


class RepetitionCounter:
    """Counts how often an angle falls below one bound and then rises above another.

    Everything is in seconds, so that the count does not depend on the frame rate: a median over
    `window` seconds takes out points that jump (where frames are further apart than that, every
    value stands for itself), and what is faster than `min_seconds` is no repetition.

    Example:
        ``squats = RepetitionCounter("knee", 100, 150)``, then for each frame
        ``squats.update(joint_angles(poses)[0], frame.time)``.

    Args:
        angle: A name of `edgecv.angles.JOINTS`, or one without its side, "knee", for the mean of
            those sides that are seen.
        low: The joint is bent at this angle and below, degrees.
        high: It is stretched at this angle and above. What lies between changes nothing.
        window: Seconds of the median.
        min_seconds: A repetition takes at least as long, from one time stretched to the next.
        max_gap: Seconds without the angle after which a repetition that was begun does not count.

    Attributes:
        count: Repetitions so far.
        phase: "up" when last stretched, "down" when last bent, "unknown" before either and after a
            gap.

    Raises:
        ValueError: There is no such angle, or a bound or time is out of range.
    """

    def __init__(
        self,
        angle: str,
        low: float,
        high: float,
        *,
        window: float = 0.25,
        min_seconds: float = 0.4,
        max_gap: float = 1.5,
    ) -> None:
        sides = (angle, f"left_{angle}", f"right_{angle}")
        self._names = tuple(name for name in sides if name in JOINTS)
        if not self._names:
            raise ValueError(f"no angle {angle!r}: there are {', '.join(JOINTS)}")
        if not 0 <= low < high <= 180:
            raise ValueError(f"wanted 0 <= low < high <= 180 degrees, got {low} and {high}")
        if not (window >= 0 and min_seconds >= 0 and max_gap > 0):
            raise ValueError(
                "wanted window >= 0, min_seconds >= 0 and max_gap > 0, "
                f"got {window}, {min_seconds} and {max_gap}"
            )
        self.angle, self.count, self.phase = angle, 0, UNKNOWN
        self._low, self._high = low, high
        self._window, self._min_seconds, self._max_gap = window, min_seconds, max_gap
        self._recent: deque[tuple[float, float]] = deque()
        self._time = self._seen = -math.inf
        self._stretched = -math.inf

    def update(self, angles: Mapping[str, float | None], time: float) -> bool:
        """Note a frame's angles, and tell whether they complete a repetition.

        Args:
            angles: Degrees by name, as `edgecv.angles.joint_angles` gives for one person; None or
                no entry where one is not known. Empty when nobody is there.
            time: When the frame was captured, in seconds of any clock that never goes back.

        Raises:
            ValueError: `time` is before that of the frame before, or is not a number.
        """
        if not (math.isfinite(time) and time >= self._time):
            raise ValueError(f"wanted a time of {self._time} s or later, got {time}")
        self._time = time
        if time - self._seen > self._max_gap:
            self._forget()
        known = [value for name in self._names if (value := angles.get(name)) is not None]
        if not known:
            return False
        self._seen = time
        self._recent.append((time, sum(known) / len(known)))
        while time - self._recent[0][0] > self._window + _TOLERANCE:
            self._recent.popleft()
        return self._step(float(np.median([value for _, value in self._recent])), time)

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"angle", "count", "phase"}``, for JSON."""
        return {"angle": self.angle, "count": self.count, "phase": self.phase}

    def _step(self, angle: float, time: float) -> bool:
        if angle <= self._low and self.phase != DOWN:
            self.phase = DOWN
        elif angle >= self._high:
            since = time - self._stretched  # infinite when it was never stretched
            done = self.phase == DOWN and self._min_seconds - _TOLERANCE <= since < math.inf
            self.phase, self._stretched = UP, time
            self.count += done
            return done
        return False

    def _forget(self) -> None:
        self._recent.clear()
        self.phase, self._stretched = UNKNOWN, -math.inf
