"""Count who goes in and out of a zone of a film, the same person once.

python examples/count_at_door.py street.mp4
"""

import sys

import edgecv
from edgecv.tracking import Tracker
from edgecv.zones import ZoneCounter, parse_zone

model = edgecv.load("ssd_mobilenet_v1_coco_int8", score=0.1)
tracker = Tracker()
counter = ZoneCounter([parse_zone("middle:0.3,0.1;0.7,0.1;0.7,1;0.3,1")])
for frame, found in edgecv.stream(edgecv.open_source(sys.argv[1]), model):
    people = found[[name == "person" for name in found.names]]
    seconds = frame.position if frame.position is not None else frame.time
    tracked = tracker.update(people, seconds)
    for event in counter.update(tracked[tracked.track_ids >= 0], seconds):
        print(f"{seconds:.1f} s: {event.message}")
