"""A picture of each event of a zone."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from edgecv.sinks import Event, Output
from edgecv.sinks.images import Images, write_image

SUFFIX = ".jpg"


class Snapshots:
    """A sink that writes the picture, drawn on, in which somebody entered or left a zone.

    Args:
        folder: Where they go; it is made where it is not there.

    Raises:
        OutputError: It cannot be made.
    """

    buffer = 8

    def __init__(self, folder: Path) -> None:
        Images(folder)
        self._folder = folder
        self._events: list[Event] = []

    def write(self, output: Output) -> None:
        """Write the picture once for each event that came before it.

        Raises:
            OutputError: The folder cannot be written, or the disk is full.
        """
        events, self._events = self._events, []
        for event in events:
            image = output.draw(output.frame.image)
            write_image(self._folder / _name(event, output.frame.index), image)

    def event(self, event: Event) -> None:
        """Note what happened in a zone, or at a line."""
        if "zone" in event.data:
            self._events.append(event)

    def close(self) -> None:
        """There is nothing to finish: every picture is whole."""


def _name(event: Event, index: int) -> str:
    """Return a file name that sorts by time: 20250131-120000_000017_door_zone_enter_3.jpg."""
    time = datetime.fromtimestamp(event.time).strftime("%Y%m%d-%H%M%S")
    zone = re.sub(r"[^\w-]+", "-", str(event.data["zone"]))
    return f"{time}_{index:06d}_{zone}_{event.kind}_{event.data.get('track_id', 0)}{SUFFIX}"
