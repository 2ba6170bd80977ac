"""What is done with results on their way out: left out, tracked, counted, measured."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias

import numpy as np

from edgecv.angles import JOINTS, joint_angles
from edgecv.controls import Controls, filter_by_score
from edgecv.drawing import color_of, label
from edgecv.errors import unknown_name
from edgecv.repetitions import RepetitionCounter
from edgecv.results import Detections, Poses, Result
from edgecv.tracking import Tracker
from edgecv.types import Frame, Image
from edgecv.zones import Line, Zone, ZoneCounter, draw_zones

Emit: TypeAlias = Callable[..., None]
"""Tells of an event: `Pipeline.emit`."""


class Step:
    """One thing that is done with each result, in order; this one does nothing."""

    def update(self, result: Result, time: float) -> tuple[Result, dict[str, Any]]:
        """Return the result to go on with, and JSON values that go with it.

        Args:
            result: The next frame's.
            time: When the frame was captured: seconds of a clock that never goes back.
        """
        return result, {}

    def draw(self, image: Image, result: Result, extra: dict[str, Any]) -> Image:
        """Return the picture, uint8 (H, W, 3) BGR, with the step's values drawn on it."""
        return image


class Steps:
    """All that is done with results, as `Pipeline` takes it.

    Args:
        steps: In this order.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = tuple(steps)
        self._last = 0.0
        self._offset = 0.0

    def __call__(self, frame: Frame, result: Result) -> tuple[Result, dict[str, Any]]:
        """Return the result to give out, and JSON values that go with it."""
        time = self._time(frame)
        extra: dict[str, Any] = {}
        for step in self._steps:
            result, added = step.update(result, time)
            extra |= added
        return result, extra

    def draw(self, image: Image, result: Result, extra: dict[str, Any]) -> Image:
        """Return the picture with everything drawn on it."""
        for step in self._steps:
            image = step.draw(image, result, extra)
        return image

    def _time(self, frame: Frame) -> float:
        """Return the time in the film, or of capture; another film goes on where one ended."""
        own = frame.time if frame.position is None else frame.position
        self._offset += max(0.0, self._last - (own + self._offset))
        self._last = own + self._offset
        return self._last


class Threshold(Step):
    """Leaves out what is less sure than the user wants to see at the moment."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def update(self, result: Result, time: float) -> tuple[Result, dict[str, Any]]:
        """Leave out what is less sure."""
        return filter_by_score(result, self._controls.score), {}


class Only(Step):
    """Leaves out objects of other classes.

    Args:
        names: The classes that are wanted.
        known: All that the model finds.

    Raises:
        UnknownNameError: The model does not find one of them.
    """

    def __init__(self, names: Collection[str], known: Sequence[str]) -> None:
        for name in names:
            if known and name not in known:
                raise unknown_name("class", name, known)
        self._names = frozenset(names)

    def update(self, result: Result, time: float) -> tuple[Result, dict[str, Any]]:
        """Leave out all others."""
        if isinstance(result, Detections):
            result = result[np.array([name in self._names for name in result.names], bool)]
        return result, {}


class Track(Step):
    """Gives objects the ids of the things that they show, and leaves out what has none yet."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker

    def update(self, result: Result, time: float) -> tuple[Result, dict[str, Any]]:
        """Return what has an id."""
        if isinstance(result, Detections):
            tracked = self._tracker.update(result, time)
            result = tracked[tracked.track_ids >= 0]
        return result, {}


class Zones(Step):
    """Counts who is in which zone and who crosses which line, and tells of it."""

    def __init__(self, zones: Sequence[Zone | Line], emit: Emit) -> None:
        self._counter, self._emit = ZoneCounter(zones), emit

    def update(self, result: Result, time: float) -> tuple[Result, dict[str, Any]]:
        """Add the counts as "zones"."""
        if isinstance(result, Detections):
            for event in self._counter.update(result, time):
                self._emit(event.kind, event.message, **event.to_dict())
        counts = {name: dict(count) for name, count in self._counter.counts.items()}
        return result, {"zones": counts}

    def draw(self, image: Image, result: Result, extra: dict[str, Any]) -> Image:
        """Tint zones and draw lines, with their counts."""
        return draw_zones(image, self._counter.zones, extra["zones"])


class Angles(Step):
    """Measures the angles of people's joints."""

    def update(self, result: Result, time: float) -> tuple[Result, dict[str, Any]]:
        """Add them as "angles", one object for each person."""
        return result, {"angles": joint_angles(result) if isinstance(result, Poses) else []}

    def draw(self, image: Image, result: Result, extra: dict[str, Any]) -> Image:
        """Write them beside the joints."""
        if not isinstance(result, Poses):
            return image
        for points, angles in zip(result.keypoints, extra["angles"], strict=True):
            for number, (name, value) in enumerate(angles.items()):
                if value is not None:
                    x, y = points[result.names.index(JOINTS[name][1])].tolist()
                    label(image, f"{value:.0f}", x, y, color_of(number))
        return image


class Repetitions(Step):
    """Counts what the surest person repeats, and tells of each time."""

    def __init__(self, counters: Sequence[RepetitionCounter], emit: Emit) -> None:
        self._counters, self._emit = tuple(counters), emit

    def update(self, result: Result, time: float) -> tuple[Result, dict[str, Any]]:
        """Add the counts as "repetitions"."""
        people = joint_angles(result[:1]) if isinstance(result, Poses) else []
        for counter in self._counters:
            if counter.update(people[0] if people else {}, time):
                self._emit("repetition", f"{counter.angle}: {counter.count}", **counter.to_dict())
        return result, {"repetitions": [counter.to_dict() for counter in self._counters]}

    def draw(self, image: Image, result: Result, extra: dict[str, Any]) -> Image:
        """Write the counts into the upper left corner."""
        line = max(18, image.shape[0] // 24)
        for i, count in enumerate(extra["repetitions"]):
            text = f"{count['angle']}: {count['count']} ({count['phase']})"
            label(image, text, 0, line * (i + 1), color_of(i))
        return image
