from __future__ import annotations

import json
import math

import numpy as np
import pytest

from edgecv.results import Detections
from edgecv.types import Size
from edgecv.zones import Line, Zone, ZoneCounter, draw_zones, parse_line, parse_zone

FRAME = Size(100, 200)
SQUARE = Zone("square", ((50, 20), (150, 20), (150, 80), (50, 80)))
U = Zone("u", ((0, 0), (30, 0), (30, 60), (60, 60), (60, 0), (90, 0), (90, 90), (0, 90)))
GATE = Line("gate", (100, 90), (100, 10))  # upwards: its right is the picture's right


def standing(*feet, ids=None) -> Detections:
    """People whose feet are at the points."""
    points = np.array(feet, np.float32).reshape(-1, 2)
    x, y = points.T
    return Detections(
        frame=FRAME,
        boxes=np.stack((x - 5, y - 30, x + 5, y), axis=1),
        scores=np.full(len(points), 0.9, np.float32),
        class_ids=np.zeros(len(points), np.int64),
        labels=("person",),
        track_ids=np.arange(1, len(points) + 1) if ids is None else np.array(ids, np.int64),
    )


def walk(counter, path, step=0.1, start=0.0) -> list[tuple[str, float]]:
    """Move one person along a path and return the kinds and times of what happens."""
    events = []
    for i, foot in enumerate(path):
        events += counter.update(standing(foot), start + i * step)
    return [(event.kind, round(event.time, 6)) for event in events]


POINTS = {
    "middle of a square": (SQUARE, (100, 50), True),
    "left of it": (SQUARE, (49, 50), False),
    "right of it": (SQUARE, (151, 50), False),
    "above it": (SQUARE, (100, 19), False),
    "level with a corner": (SQUARE, (20, 20), False),
    "left arm of a u": (U, (15, 20), True),
    "between its arms": (U, (45, 20), False),
    "its bottom": (U, (45, 75), True),
    "a triangle": (Zone("t", ((0, 0), (100, 0), (0, 100))), (30, 30), True),
    "beyond its long side": (Zone("t", ((0, 0), (100, 0), (0, 100))), (60, 60), False),
    "parts of the frame": (Zone("p", ((0.5, 0), (1, 0), (1, 1), (0.5, 1))), (150, 50), True),
    "outside of parts": (Zone("p", ((0.5, 0), (1, 0), (1, 1), (0.5, 1))), (50, 50), False),
    "the other way round": (Zone("r", SQUARE.polygon[::-1]), (100, 50), True),
}


@pytest.mark.parametrize(("zone", "point", "inside"), POINTS.values(), ids=POINTS.keys())
def test_a_zone_knows_what_is_inside(zone, point, inside) -> None:
    assert zone.contains(np.array([point]), FRAME).tolist() == [inside]
    assert zone.contains(np.zeros((0, 2)), FRAME).shape == (0,)


OUT, IN = (20, 50), (100, 50)
PATHS = {
    "walks through": ([OUT] * 5 + [IN] * 10 + [OUT] * 10, [("enter", 0.8), ("leave", 1.8)]),
    "is there from the start": ([IN] * 5, [("enter", 0.3)]),
    "never comes": ([OUT] * 10, []),
    "looks in shortly": ([OUT] * 3 + [IN] * 3 + [OUT] * 5, []),
    "looks out shortly": ([IN] * 5 + [OUT] * 3 + [IN] * 5, [("enter", 0.3)]),
    "trembles on the border": ([IN, OUT] * 20, []),
}


@pytest.mark.parametrize(("path", "events"), PATHS.values(), ids=PATHS.keys())
def test_only_those_who_stay_enter_and_leave(path, events) -> None:
    counter = ZoneCounter([SQUARE], dwell=0.3)
    assert walk(counter, path) == [(f"zone_{kind}", time) for kind, time in events]


@pytest.mark.parametrize("step", [1 / 30, 0.1, 0.4])
def test_a_visit_is_counted_once_at_any_frame_rate(step) -> None:
    counter = ZoneCounter([SQUARE], dwell=0.3)
    path = [OUT if abs(i * step - 3) > 1.5 else IN for i in range(math.ceil(6 / step))]
    assert [kind for kind, _ in walk(counter, path, step)] == ["zone_enter", "zone_leave"]
    assert counter.counts == {"square": {"inside": 0, "entered": 1, "left": 1}}


def test_without_dwell_the_first_sighting_counts() -> None:
    assert walk(ZoneCounter([SQUARE], dwell=0), [OUT, IN, OUT]) == [
        ("zone_enter", 0.1),
        ("zone_leave", 0.2),
    ]


def test_who_is_not_seen_any_more_has_left() -> None:
    counter = ZoneCounter([SQUARE], dwell=0.2, max_lost=1.0)
    walk(counter, [IN] * 4)
    assert counter.update(standing(), 1.2) == []
    assert counter.counts["square"]["inside"] == 1
    (event,) = counter.update(standing(), 1.4)
    assert (event.kind, event.track_id, event.count) == ("zone_leave", 1, 0)
    assert counter.update(standing(), 9.0) == []


def test_a_short_absence_is_no_departure() -> None:
    counter = ZoneCounter([SQUARE], dwell=0.2, max_lost=1.0)
    walk(counter, [IN] * 4)
    assert counter.update(standing(), 0.9) == []
    assert counter.update(standing(IN), 1.2) == []
    assert counter.counts["square"] == {"inside": 1, "entered": 1, "left": 0}


def test_several_people_and_zones_are_kept_apart() -> None:
    left = Zone("left", ((0, 0), (0.5, 0), (0.5, 1), (0, 1)))
    counter = ZoneCounter([left, SQUARE], dwell=0.1)
    people = standing((20, 50), (70, 50), (120, 50), (10, 10), ids=[4, 9, 2, -1])
    counter.update(people, 0.0)
    events = counter.update(people, 0.1)
    assert [(event.zone, event.track_id, event.count) for event in events] == [
        *[("left", 4, 1), ("left", 9, 2)],
        *[("square", 9, 1), ("square", 2, 2)],
    ]
    assert {name: count["inside"] for name, count in counter.counts.items()} == {
        "left": 2,
        "square": 2,
    }


CROSSINGS = {
    "to the right": ([(60, 50), (90, 50), (110, 50), (130, 50), (140, 50)], ["to_right"]),
    "to the left": ([(130, 50), (90, 50), (80, 50), (70, 50)], ["to_left"]),
    "there and back": ([(90, 50)] * 2 + [(110, 50)] * 4 + [(90, 50)] * 4, ["to_right", "to_left"]),
    "round its end": ([(80, 50), (80, 96), (120, 96), (120, 50), (120, 50)], []),
    "trembling": ([(99, 50), (101, 50)] * 10, []),
    "trembling, then over": ([(99, 50), (101, 50)] * 5 + [(110, 50)] * 5, ["to_right"]),
    "in one large step": ([(10, 50), (190, 50), (190, 50), (190, 50)], ["to_right"]),
    "never": ([(10, 50), (90, 50), (20, 50)], []),
}


@pytest.mark.parametrize(("path", "ways"), CROSSINGS.values(), ids=CROSSINGS.keys())
def test_a_line_is_crossed_by_those_who_stay_on_the_other_side(path, ways) -> None:
    counter = ZoneCounter([GATE], dwell=0.2)
    assert [kind for kind, _ in walk(counter, path)] == [f"line_{way}" for way in ways]
    assert sum(counter.counts["gate"].values()) == len(ways)


def test_a_line_the_other_way_round_swaps_right_and_left() -> None:
    counter = ZoneCounter([Line("gate", GATE.b, GATE.a)], dwell=0.0)
    assert [kind for kind, _ in walk(counter, [(60, 50), (140, 50)])] == ["line_to_left"]


def test_events_are_json_with_a_line_for_people() -> None:
    counter = ZoneCounter([SQUARE, GATE], dwell=0)
    events = counter.update(standing(IN), 0.0) + counter.update(standing((60, 50)), 0.1)
    assert [event.message for event in events] == [
        "person #1 entered square",
        "person #1 crossed gate to the left",
    ]
    as_json = json.loads(json.dumps(events[0].to_dict()))
    assert as_json == {"zone": "square", "track_id": 1, "label": "person", "count": 1}


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("door:0,0;1,0;1,1", Zone("door", ((0, 0), (1, 0), (1, 1)))),
        (" bus stop : 10, 2 ; 30.5,2; 3,-4e1 ;", Zone("bus stop", ((10, 2), (30.5, 2), (3, -40)))),
        ("a:b:0,0;9,0;9,9", Zone("a:b", ((0, 0), (9, 0), (9, 9)))),
    ],
    ids=["plain", "spaces", "a colon in the name"],
)
def test_zones_are_read_from_text(text, zone) -> None:
    assert parse_zone(text) == zone


def test_lines_are_read_from_text() -> None:
    assert parse_line("gate:0,300;640,300") == Line("gate", (0, 300), (640, 300))


@pytest.mark.parametrize(
    ("parse", "text", "message"),
    [
        (parse_zone, "0,0;1,0;1,1", "there is no name"),
        (parse_zone, ":0,0;1,0;1,1", "there is no name"),
        (parse_zone, "", "there is no name"),
        (parse_zone, "door:0,0;1,0", "wanted 3 or more points"),
        (parse_zone, "door:", "'' in 'door:' is no point"),
        (parse_zone, "door:0,0;1;1,1", "'1' in 'door:0,0;1;1,1' is no point"),
        (parse_zone, "door:0,0;1,x;1,1", "'1,x' in .* is no point"),
        (parse_zone, "door:0,0;1,2,3;1,1", "'1,2,3' in .* is no point"),
        (parse_zone, "door:0,0;1,0;2,0", "enclose no area"),
        (parse_zone, "door:0,0;1,nan;2,0", "finite coordinates"),
        (parse_line, "gate:0,0;1,0;2,0", "got 3 points"),
        (parse_line, "gate:0,0;0,0", "begins where it ends"),
    ],
)
def test_text_that_is_no_zone_is_refused_with_a_reason(parse, text, message) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_two_zones_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="the same name: square, square"):
        ZoneCounter([SQUARE, SQUARE])


@pytest.mark.parametrize("arguments", [{"dwell": -1}, {"max_lost": 0}, {"dwell": math.nan}])
def test_settings_out_of_range_are_refused(arguments) -> None:
    with pytest.raises(ValueError, match="wanted dwell >= 0 and max_lost > 0"):
        ZoneCounter([SQUARE], **arguments)


@pytest.mark.parametrize("time", [0.9, math.nan])
def test_time_that_goes_back_is_refused(time) -> None:
    counter = ZoneCounter([SQUARE])
    counter.update(standing(), 1.0)
    with pytest.raises(ValueError, match=r"wanted a time of 1\.0 s or later"):
        counter.update(standing(), time)


def test_zones_are_drawn_on_a_copy_where_they_are() -> None:
    image = np.zeros((*FRAME, 3), np.uint8)
    drawn = draw_zones(image, [SQUARE, GATE], ZoneCounter([SQUARE]).counts)
    assert not image.any()
    assert drawn[60, 120].any()
    assert not drawn[95, 190].any()
    assert drawn.shape == image.shape
    assert (draw_zones(image, [SQUARE], {}) != drawn).any()
