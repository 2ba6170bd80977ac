"""What the tests of the page share: results, known people, and a client that speaks plain HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any, NamedTuple

import numpy as np

from edgecv.errors import DataError
from edgecv.results import Detections, Latency, RunInfo
from edgecv.sinks import Output
from edgecv.sources.pattern import Pattern, PatternOptions
from edgecv.stats import Stats
from edgecv.types import Frame, Image, Size

RUN = RunInfo("toy", "fake", "cpu", Latency(1.0, 2.0, 3.0, 6.0))


def found(size: Size, *, scores: tuple[float, ...] = (0.9, 0.4)) -> Detections:
    """Two things: a cat of the first score, a dog of the second."""
    boxes = np.array([[20, 40, 80, 90], [100, 40, 150, 95]], np.float32)
    return Detections(
        frame=size,
        boxes=boxes,
        scores=np.array(scores, np.float32),
        class_ids=np.array([0, 1]),
        labels=("cat", "dog"),
        run=RUN,
    )


def outputs(count: int = 1, *, width: int = 160, height: int = 120) -> Iterator[Output]:
    """Pictures whose number can be read from their pixels, captured when they are asked for."""
    stats = Stats()
    for frame in Pattern(PatternOptions(width, height, 0, count)):
        stats.captured += 1
        stats.add_result({"inference": 2.0, "capture_to_result": 5.0}, time.monotonic())
        yield Output(frame, found(Size(height, width)), stats, {})


class Toy:
    """A model that finds the same two things in every picture, and takes its time for it."""

    def __init__(self, seconds: float = 0.002) -> None:
        self._seconds = seconds

    def __call__(self, image: Image) -> Detections:
        time.sleep(self._seconds)
        return found(Size(*image.shape[:2]))

    def close(self) -> None:
        pass


class People:
    """Known people without faces, that tell when two change them at once."""

    def __init__(self, *known: str) -> None:
        self.known = list(known)
        self.pictures: dict[str, Image] = {}
        self._busy = threading.Lock()

    def names(self) -> list[str]:
        return sorted(self.known)

    def enroll(self, name: str, image: Image) -> str:
        assert self._busy.acquire(blocking=False)
        time.sleep(0.02)
        if name == "Nobody":
            self._busy.release()
            raise DataError("there is no face in the picture")
        self.known.append(name)
        self.pictures[name] = image
        self._busy.release()
        return f"{name} is enrolled."

    def rename(self, old: str, new: str) -> None:
        if old not in self.known:
            raise ValueError(f"nobody is called {old}")
        self.known[self.known.index(old)] = new

    def delete(self, name: str) -> None:
        self.known.remove(name)


class Unplugged:
    """A camera that can be unplugged."""

    live = True

    def __init__(self, options: PatternOptions) -> None:
        self._pattern = Pattern(options)
        self.plugged = True

    def __iter__(self) -> Iterator[Frame]:
        return self

    def __next__(self) -> Frame:
        if not self.plugged:
            raise DataError("the camera was unplugged")
        return next(self._pattern)

    def close(self) -> None:
        self._pattern.close()


class Answer(NamedTuple):
    """An answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int, path: str, method: str = "GET", body: Any = None, **headers: str | None
) -> Answer:
    """Send a request as the page itself would; a header that is None is left out."""
    sent: dict[str, str | None] = {"Host": f"127.0.0.1:{port}"}
    if method != "GET":
        sent |= {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/json"}
    sent |= {key.replace("_", "-"): value for key, value in headers.items()}
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    payload = (
        b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    )
    for key, value in {**sent, "Content-Length": str(len(payload))}.items():
        if value is not None:
            connection.putheader(key, value)
    connection.endheaders(payload)
    response = connection.getresponse()
    answer = Answer(
        response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    )
    connection.close()
    return answer


class Viewer:
    """A viewer of a stream."""

    def __init__(self, port: int, path: str = "/stream.mjpg") -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=10)
        self._connection.request("GET", path)
        self.response: HTTPResponse = self._connection.getresponse()

    def part(self) -> tuple[dict[str, str], bytes] | None:
        """Return the headers and the body of the next part; None at the end."""
        headers: dict[str, str] = {}
        while line := self.response.readline():
            text = line.decode().strip()
            if ": " in text:
                headers.update([text.lower().split(": ", 1)])
            elif not text and headers:
                return headers, self.response.read(int(headers["content-length"]))
        return None

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def wait_until(true: Callable[[], Any], seconds: float = 20) -> Any:
    """Return what `true` returns as soon as it is anything."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "it did not become true"
        time.sleep(0.02)
    return value
