"""Photographs for results.py, as files: the packages that they come with are not on the Pi.

usage: photos.py FOLDER

They are the demo's, all in the public domain: as they were shot, and in the sizes that networks
take, made here once. OpenCV's fast resizing rounds differently on ARM than on x86, and on pictures
that need none everything behind it can be held to be the same.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from edgecv.apps.demo import photographs

from edgecv.sinks.images import write_image

NAMES = ("astronaut", "coffee", "grace_hopper")
SIDES = (192, 288, 300)
"""The sides of the inputs of the pose nets, edgecv-detect and the public SSD."""


def main(folder: Path) -> None:
    """Write every photograph without loss, as shot and as a square of each side."""
    photos = photographs()
    for name in NAMES:
        write_image(folder / f"{name}.png", photos[name])
        for side in SIDES:
            square = cv2.resize(photos[name], (side, side), interpolation=cv2.INTER_AREA)
            write_image(folder / f"{name}_{side}.png", np.asarray(square, np.uint8))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
