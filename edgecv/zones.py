"""Who is in a zone and who crosses a line: tracked detections to events and counts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import cv2
import numpy as np

from edgecv.drawing import color_of, label
from edgecv.image import as_bgr
from edgecv.results import Detections
from edgecv.types import Array, Image, Size

Points: TypeAlias = tuple[tuple[float, float], ...]
Counts: TypeAlias = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Zone:
    """A polygon in the picture, with a name.

    Attributes:
        name: What events and counts call it.
        polygon: Three or more corners, x then y, in order: parts of the frame's width and height
            where none is above 1, else pixels of the frame.
    """

    name: str
    polygon: Points

    def __post_init__(self) -> None:
        """Refuse what is no polygon."""
        points = _checked(self.name, self.polygon, at_least=3)
        x, y = points.T
        if not abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) > 0:
            raise ValueError(f"the corners of zone {self.name!r} enclose no area: {self.polygon}")

    def pixels(self, frame: Size) -> Array:
        """Return the corners, float64 (K, 2), x then y, in pixels of a frame."""
        return _pixels(self.polygon, frame)

    def contains(self, points: Array, frame: Size) -> Array:
        """Return which points are inside, bool (N,): a ray from there meets an odd number of sides.

        Args:
            points: (N, 2), x then y, in pixels of the frame.
            frame: The frame's size.
        """
        corners = self.pixels(frame)
        x, y = np.asarray(points, np.float64).reshape(-1, 2).T[..., None]
        (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, axis=0).T
        crossed = (y0 > y) != (y1 > y)
        slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y1 != y0)
        out: Array = (crossed & (x < x0 + (y - y0) * slope)).sum(axis=1) % 2 == 1
        return out


@dataclass(frozen=True)
class Line:
    """A line in the picture that things cross, with a name.

    Attributes:
        name: What events and counts call it.
        a: Where it begins, x then y, in the units of `Zone`.
        b: Where it ends. Seen from a towards b, things cross it to the right or to the left.
    """

    name: str
    a: tuple[float, float]
    b: tuple[float, float]

    def __post_init__(self) -> None:
        """Refuse a line without length."""
        _checked(self.name, (self.a, self.b), at_least=2)
        if self.a == self.b:
            raise ValueError(f"the line {self.name!r} begins where it ends: {self.a}")

    def pixels(self, frame: Size) -> Array:
        """Return both ends, float64 (2, 2), x then y, in pixels of a frame."""
        return _pixels((self.a, self.b), frame)

    def crossed(self, start: Array, end: Array, frame: Size) -> bool:
        """Tell whether the way from one point to another, in pixels, leads through the line."""
        a, b = self.pixels(frame)
        return bool(
            (_side(a, b, start) >= 0) != (_side(a, b, end) >= 0)
            and (_side(start, end, a) >= 0) != (_side(start, end, b) >= 0)
        )

    def on_right(self, point: Array, frame: Size) -> bool:
        """Tell whether a point, in pixels, is on the right, seen from a towards b."""
        a, b = self.pixels(frame)
        return bool(_side(a, b, point) >= 0)


@dataclass(frozen=True)
class ZoneEvent:
    """Something that a tracked thing did.

    Attributes:
        kind: "zone_enter", "zone_leave", "line_to_right" or "line_to_left".
        zone: The name of the zone or line.
        track_id: Who.
        label: Its class.
        time: When it was sure, in seconds of the clock of `ZoneCounter.update`.
        count: After it: how many are in the zone, or crossed the line that way.
    """

    kind: str
    zone: str
    track_id: int
    label: str
    time: float
    count: int

    @property
    def message(self) -> str:
        """A line for people: "person #7 entered door"."""
        return f"{self.label} #{self.track_id} {_VERBS[self.kind].format(self.zone)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON values, without its kind and time."""
        return {
            "zone": self.zone,
            "track_id": self.track_id,
            "label": self.label,
            "count": self.count,
        }


_VERBS = {
    "zone_enter": "entered {}",
    "zone_leave": "left {}",
    "line_to_right": "crossed {} to the right",
    "line_to_left": "crossed {} to the left",
}


@dataclass
class _Visit:
    """What is known of one thing and one zone, or one line.

    Attributes:
        label: The thing's class.
        seen: When it was last seen, seconds.
        state: Whether it is inside, or on the right.
        place: Where it last was in that state, (2,), pixels.
        since: Since when it seems to be in the other state; None when it does not.
        there: Where it was then.
    """

    label: str
    seen: float
    state: bool
    place: Array
    since: float | None = None
    there: Array = field(default_factory=lambda: np.zeros(2))

    def turned(self, state: bool, place: Array, time: float, dwell: float) -> bool:
        """Note a sighting, and tell whether it has been in the other state for long enough."""
        self.seen = time
        if state == self.state:
            self.place, self.since = place, None
            return False
        if self.since is None:
            self.since, self.there = time, place
        return time - self.since >= dwell - 1e-6


class ZoneCounter:
    """Turns tracked detections into events: who entered and left which zone, and crossed a line.

    A thing is where the middle of its box's lower edge is: where it stands. It has to stay on the
    other side for some time before that counts, so that a box that trembles on the border does not
    enter again and again.

    Args:
        zones: Zones and lines, each with a name of its own.
        dwell: Seconds that something has to stay inside to have entered, outside to have left.
        max_lost: Seconds after which an unseen thing has left: as long as the tracker waits for it.

    Attributes:
        counts: By name: {"inside", "entered", "left"} of a zone, {"to_right", "to_left"} of a line.

    Raises:
        ValueError: Two have the same name, or a time is out of range.
    """

    def __init__(
        self, zones: Iterable[Zone | Line], *, dwell: float = 0.3, max_lost: float = 2.0
    ) -> None:
        self.zones = tuple(zones)
        if not (dwell >= 0 and max_lost > 0):
            raise ValueError(f"wanted dwell >= 0 and max_lost > 0, got {dwell} and {max_lost}")
        self._dwell, self._max_lost = dwell, max_lost
        self._visits: dict[str, dict[int, _Visit]] = {zone.name: {} for zone in self.zones}
        if len(self._visits) < len(self.zones):
            names = ", ".join(zone.name for zone in self.zones)
            raise ValueError(f"two zones or lines have the same name: {names}")
        self.counts: Counts = {
            zone.name: (
                {"inside": 0, "entered": 0, "left": 0}
                if isinstance(zone, Zone)
                else {"to_right": 0, "to_left": 0}
            )
            for zone in self.zones
        }
        self._time = -math.inf

    def update(self, detections: Detections, time: float) -> list[ZoneEvent]:
        """Return what happened since the last frame; what has no track id does not count.

        Args:
            detections: What `edgecv.tracking.Tracker` returned for the frame.
            time: The frame's time, as given to the tracker.

        Raises:
            ValueError: `time` is before that of the last frame, or is not a number.
        """
        if not (math.isfinite(time) and time >= self._time):
            raise ValueError(f"wanted a time of {self._time} s or later, got {time}")
        self._time = time
        tracked = detections[detections.track_ids >= 0]
        feet = bottom_centres(tracked.boxes)
        events: list[ZoneEvent] = []
        for zone in self.zones:
            if isinstance(zone, Zone):
                events += self._in_zone(zone, tracked, feet)
            else:
                events += self._at_line(zone, tracked, feet)
            events += self._gone(zone)
        return events

    def _in_zone(self, zone: Zone, tracked: Detections, feet: Array) -> Iterator[ZoneEvent]:
        visits, count = self._visits[zone.name], self.counts[zone.name]
        inside = zone.contains(feet, tracked.frame).tolist()
        rows = zip(tracked.track_ids.tolist(), tracked.names, inside, feet, strict=True)
        for track_id, name, state, foot in rows:
            visit = visits.setdefault(track_id, _Visit(name, self._time, False, foot))
            if visit.turned(state, foot, self._time, self._dwell):
                visit.state, visit.since = state, None
                count["inside"] += 1 if state else -1
                count["entered" if state else "left"] += 1
                kind = "zone_enter" if state else "zone_leave"
                yield ZoneEvent(kind, zone.name, track_id, name, self._time, count["inside"])

    def _at_line(self, line: Line, tracked: Detections, feet: Array) -> Iterator[ZoneEvent]:
        visits, count = self._visits[line.name], self.counts[line.name]
        for track_id, name, foot in zip(
            tracked.track_ids.tolist(), tracked.names, feet, strict=True
        ):
            right = line.on_right(foot, tracked.frame)
            visit = visits.setdefault(track_id, _Visit(name, self._time, right, foot))
            if visit.turned(right, foot, self._time, self._dwell):
                through = line.crossed(visit.place, visit.there, tracked.frame)
                visit.state, visit.place, visit.since = right, foot, None
                if through:
                    way = "to_right" if right else "to_left"
                    count[way] += 1
                    yield ZoneEvent(
                        f"line_{way}", line.name, track_id, name, self._time, count[way]
                    )

    def _gone(self, zone: Zone | Line) -> Iterator[ZoneEvent]:
        """Forget those who were not seen for too long: they have left where they were."""
        visits, count = self._visits[zone.name], self.counts[zone.name]
        for track_id, visit in list(visits.items()):
            if self._time - visit.seen <= self._max_lost:
                continue
            del visits[track_id]
            if isinstance(zone, Zone) and visit.state:
                count["inside"] -= 1
                count["left"] += 1
                name, left = visit.label, count["inside"]
                yield ZoneEvent("zone_leave", zone.name, track_id, name, self._time, left)


def bottom_centres(boxes: Array) -> Array:
    """Return the middle of each box's lower edge, float64 (N, 2), x then y."""
    boxes = np.asarray(boxes, np.float64)
    return np.stack(((boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3]), axis=1)


def parse_zone(text: str) -> Zone:
    """Read a zone as it is given on a command line: ``door:0.1,0.2;0.5,0.2;0.5,0.9``.

    Raises:
        ValueError: It is no name with three or more points, or encloses no area.
    """
    name, points = _parsed(text, "a zone is NAME:X,Y;X,Y;X,Y with three or more corners")
    return Zone(name, points)


def parse_line(text: str) -> Line:
    """Read a line as it is given on a command line: ``gate:0,300;640,300``.

    Raises:
        ValueError: It is no name with two different points.
    """
    usage = "a line is NAME:X,Y;X,Y"
    name, points = _parsed(text, usage)
    if len(points) != 2:
        raise ValueError(f"{usage}, got {len(points)} points in {text!r}")
    return Line(name, points[0], points[1])


def draw_zones(image: Image, zones: Sequence[Zone | Line], counts: Mapping[str, Any]) -> Image:
    """Return a copy of a picture with zones tinted, lines drawn and their counts written.

    Args:
        image: uint8 (H, W, 3), BGR.
        zones: Zones and lines.
        counts: `ZoneCounter.counts`; what is missing there is drawn without figures.
    """
    canvas = as_bgr(image).copy()
    frame = Size(*canvas.shape[:2])
    outlines = [np.round(zone.pixels(frame)).astype(np.int32) for zone in zones]
    tinted = canvas.copy()
    for i, zone in enumerate(zones):
        if isinstance(zone, Zone):
            cv2.fillPoly(tinted, [outlines[i]], color_of(i))
    canvas = np.asarray(cv2.addWeighted(canvas, 0.7, tinted, 0.3, 0), np.uint8)
    thick = max(2, min(frame) // 256)
    for i, zone in enumerate(zones):
        closed = isinstance(zone, Zone)
        cv2.polylines(canvas, [outlines[i]], closed, color_of(i), thick, cv2.LINE_AA)
        x, y = outlines[i][outlines[i][:, 1].argmin()].tolist()
        label(canvas, _caption(zone, counts.get(zone.name)), x, y, color_of(i))
    return canvas


def _caption(zone: Zone | Line, count: Mapping[str, int] | None) -> str:
    if count is None:
        return zone.name
    if isinstance(zone, Zone):
        return f"{zone.name}: {count['inside']}"
    return f"{zone.name}: {count['to_right']} right, {count['to_left']} left"


def _checked(name: str, points: Points, *, at_least: int) -> Array:
    if not name:
        raise ValueError("a zone or line needs a name")
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < at_least:
        raise ValueError(f"{name!r}: wanted {at_least} or more points (x, y), got {points}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name!r}: wanted finite coordinates, got {points}")
    return array


def _pixels(points: Points, frame: Size) -> Array:
    array = np.asarray(points, np.float64)
    parts = bool((array >= 0).all() and (array <= 1).all())
    return array * np.array([frame.width, frame.height], np.float64) if parts else array


def _side(a: Array, b: Array, point: Array) -> float:
    """Return a number above 0 for a point on the right, seen from a towards b, as y grows down."""
    return float((b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]))


_POINT = re.compile(r"\s*([^,;]+?)\s*,\s*([^,;]+?)\s*")


def _parsed(text: str, usage: str) -> tuple[str, Points]:
    name, colon, rest = text.rpartition(":")
    if not colon or not name.strip():
        raise ValueError(f"{usage}; there is no name in {text!r}")
    points = []
    for part in rest.strip().strip(";").split(";"):
        match = _POINT.fullmatch(part)
        try:
            points.append((float(match[1]), float(match[2])) if match else None)
        except ValueError:
            points.append(None)
        if points[-1] is None:
            raise ValueError(f"{usage}; {part!r} in {text!r} is no point")
    return name.strip(), tuple(point for point in points if point is not None)
