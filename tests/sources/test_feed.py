from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from edgecv.errors import SourceError
from edgecv.sources.feed import Feed

IMAGE = np.zeros((4, 6, 3), np.uint8)


class Camera:
    """A camera that can be unplugged: it reads while `plugged` is true."""

    def __init__(self) -> None:
        self.plugged, self.opened, self.closed = True, 0, 0
        self.left = 10**6

    def connect(self) -> Camera:
        if not self.plugged:
            raise SourceError("there is no camera")
        self.opened += 1
        return self

    def read(self):
        if not self.plugged:
            raise SourceError("unplugged")
        if not self.left:
            raise StopIteration
        self.left -= 1
        return IMAGE, 1.5

    def close(self) -> None:
        self.closed += 1


def test_a_camera_that_comes_back_is_opened_again_and_goes_on_counting() -> None:
    camera = Camera()
    feed = Feed("cam", camera.connect)
    frame = next(feed)
    assert (frame.index, frame.time, frame.source) == (0, 1.5, "cam")
    camera.plugged = False
    for said in ("unplugged", "there is no camera", "there is no camera"):
        with pytest.raises(SourceError, match=said):
            next(feed)
    assert camera.closed == 1
    camera.plugged = True
    assert next(feed).index == 1
    assert camera.opened == 2


def test_a_camera_that_is_not_there_is_an_error_at_once() -> None:
    camera = Camera()
    camera.plugged = False
    with pytest.raises(SourceError, match="there is no camera"):
        Feed("cam", camera.connect)


def test_a_stream_that_has_ended_is_not_begun_again() -> None:
    camera = Camera()
    camera.left = 3
    feed = Feed("cam", camera.connect)
    assert len(list(feed)) == 3
    assert list(feed) == []
    assert (camera.opened, camera.closed) == (1, 1)


def test_a_closed_feed_gives_no_more() -> None:
    camera = Camera()
    feed = Feed("cam", camera.connect)
    feed.close()
    feed.close()
    assert list(feed) == []
    assert (camera.opened, camera.closed) == (1, 1)


def test_a_camera_is_never_closed_while_it_is_being_read() -> None:
    class Slow(Camera):
        reading = False

        def read(self):
            self.reading = True
            started.set()
            time.sleep(0.3)
            self.reading = False
            return IMAGE, 0.0

        def close(self) -> None:
            assert not self.reading
            super().close()

    camera, started = Slow(), threading.Event()
    feed = Feed("cam", camera.connect)
    got: list = []
    thread = threading.Thread(target=lambda: got.extend(feed))
    thread.start()
    started.wait()
    feed.close()
    thread.join()
    assert got == []
    assert camera.closed == 1
