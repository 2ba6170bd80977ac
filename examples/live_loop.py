"""Look at a camera in a plain for-loop: always the newest frame, however slow the loop is.

python examples/live_loop.py 0            (or test:pattern?frames=100, rtsp://..., clip.mp4)
"""

import sys
import time

import edgecv

source = edgecv.open_source(sys.argv[1])
model = edgecv.load("ssd_mobilenet_v1_coco_int8")
for frame, result in edgecv.stream(source, model):
    age = (time.monotonic() - frame.time) * 1e3
    print(f"frame {frame.index}: {len(result)} things, {age:.0f} ms old, on {result.run.device}")
