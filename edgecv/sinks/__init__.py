"""The sink seam: where results go. One file for each kind of sink."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from edgecv.registry import Registry
from edgecv.results import Result
from edgecv.stats import Stats
from edgecv.types import Frame, Image

Overlay: TypeAlias = Callable[[Image, Result, dict[str, Any]], Image]
"""Draws what an app added (`Output.extra`) on a picture that has the result on it."""


class Output(NamedTuple):
    """One result on its way out.

    Attributes:
        frame: The picture.
        result: What was found in it.
        stats: The run's figures so far; read only.
        extra: What an app adds: JSON values by name, such as zone counts or joint angles.
        overlay: Draws `extra`; None where there is nothing to draw.
    """

    frame: Frame
    result: Result
    stats: Stats
    extra: dict[str, Any]
    overlay: Overlay | None = None

    def draw(self, image: Image) -> Image:
        """Return a copy of `image`, uint8 (H, W, 3) BGR, with all that was found drawn on it."""
        drawn = self.result.draw(image)
        return drawn if self.overlay is None else self.overlay(drawn, self.result, self.extra)


@dataclass(frozen=True)
class Event:
    """Something that happened during a run, other than a result.

    Attributes:
        kind: "source_lost", "source_back", "device_lost", "device_back", "sink_failed", or an
            app's own, such as "zone_enter".
        message: A line for people.
        time: When, in seconds since the epoch.
        data: JSON values.
    """

    kind: str
    message: str
    time: float
    data: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON values."""
        return {"event": self.kind, "message": self.message, "time": self.time, **self.data}


class Sink(Protocol):
    """An opened sink. Each has a thread of its own, which alone calls it."""

    @property
    def buffer(self) -> int:
        """How many results may wait for it in a live run before the oldest is dropped."""

    def write(self, output: Output) -> None:
        """Take one result.

        Raises:
            EdgeCVError: It cannot; the run goes on without this sink.
            StopIteration: The user closed it, and the run should end.
        """

    def event(self, event: Event) -> None:
        """Take one event; most sinks ignore it."""

    def close(self) -> None:
        """Finish what was written."""


SINKS = Registry(
    "kind of sink",
    {
        "display": "edgecv.sinks.display:open_display",
        "images": "edgecv.sinks.images:open_images",
        "jsonl": "edgecv.sinks.jsonl:open_jsonl",
        "mqtt": "edgecv.sinks.mqtt:open_mqtt",
        "video": "edgecv.sinks.video:open_video",
        "web": "edgecv.sinks.web:open_web",
    },
)
"""What a URI begins with -> the function that opens it."""

VIDEO_SUFFIXES = (".avi", ".mkv", ".mov", ".mp4")
_SCHEME = re.compile(r"([a-z]+):")


def open_sink(uri: str) -> Sink:
    """Open a sink.

    Args:
        uri: "display", "jsonl:FILE" or "jsonl:-", "web://HOST:PORT", "mqtt://HOST/TOPIC", a video
            file, or a folder for pictures.

    Raises:
        UnknownNameError: No kind of sink has URIs that begin like that.
        OutputError: It cannot be opened.
        PackageMissingError: It needs a package that is not installed.
    """
    sink: Sink = SINKS.load(sink_kind(uri))(uri)
    return sink


def sink_kind(uri: str) -> str:
    """Return what kind of sink a URI is for, a name in `SINKS` or an unknown one."""
    scheme = _SCHEME.match(uri)
    if uri == "display":
        return "display"
    if scheme and len(scheme[1]) > 1:
        return scheme[1]
    return "video" if uri.lower().endswith(VIDEO_SUFFIXES) else "images"
