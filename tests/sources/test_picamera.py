"""The package picamera2 runs on a Raspberry Pi alone: a stand-in shows how it is called."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from edgecv.errors import PackageMissingError, SourceError
from edgecv.sources import open_source, picamera


class Picamera2:
    """The part of picamera2.Picamera2 that is used, after its manual."""

    log: list[str]
    fails = ""

    def __init__(self, number: int) -> None:
        if number:
            raise IndexError("list index out of range")
        type(self).log = [f"open {number}"]

    def create_video_configuration(self, *, main: dict, controls: dict) -> dict:
        return {"main": main, "controls": controls}

    def configure(self, given: dict) -> None:
        if self.fails == "configure":
            raise RuntimeError("Failed to configure camera")
        self.given = given

    def start(self) -> None:
        self.log.append("start")

    def capture_request(self) -> Picamera2:
        if self.fails == "capture":
            raise RuntimeError("Camera frontend has timed out")
        return self

    def make_array(self, name: str) -> np.ndarray:
        assert (name, self.given["main"]["format"]) == ("main", "RGB888")
        width, height = self.given["main"]["size"]
        return np.full((height, width, 3), 7, np.uint8)

    def get_metadata(self) -> dict:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return {"SensorTimestamp": now - 50_000_000}

    def release(self) -> None:
        self.log.append("release")

    def stop(self) -> None:
        self.log.append("stop")

    def close(self) -> None:
        self.log.append("close")


@pytest.fixture
def camera(monkeypatch) -> type[Picamera2]:
    monkeypatch.setitem(sys.modules, "picamera2", SimpleNamespace(Picamera2=Picamera2))
    monkeypatch.setattr(Picamera2, "fails", "")
    return Picamera2


def test_a_frame_has_the_size_asked_for_and_the_time_of_its_exposure(camera, opened) -> None:
    source = opened("picamera2:0?width=640&height=480&fps=20")
    frame = next(source)
    assert frame.image.shape == (480, 640, 3)
    assert 0.05 <= time.monotonic() - frame.time < 0.5
    source.close()
    assert camera.log == ["open 0", "start", "release", "stop", "close"]


def test_a_camera_that_stops_is_opened_again(camera, opened, monkeypatch) -> None:
    source = opened("picamera2:0")
    next(source)
    monkeypatch.setattr(camera, "fails", "capture")
    with pytest.raises(SourceError, match="picamera2:0 has stopped: Camera frontend has timed out"):
        next(source)
    monkeypatch.setattr(camera, "fails", "")
    assert next(source).index == 1
    assert camera.log[:2] == ["open 0", "start"]


def test_a_camera_that_is_not_there_is_an_error(camera) -> None:
    with pytest.raises(SourceError, match="`rpicam-hello --list-cameras` says which there are"):
        open_source("picamera2:1")


def test_a_camera_that_cannot_be_started_is_given_back(camera, monkeypatch) -> None:
    monkeypatch.setattr(camera, "fails", "configure")
    with pytest.raises(SourceError, match="cannot be started: Failed to configure"):
        open_source("picamera2:0")
    assert camera.log == ["open 0", "close"]


@pytest.mark.parametrize(
    ("installed", "in_venv", "said"),
    [
        (True, True, "does not see the system's packages.*--system-site-packages .venv"),
        (False, True, "sudo apt install python3-picamera2, then make the environment again"),
        (False, False, "sudo apt install python3-picamera2$"),
    ],
    ids=["hidden", "neither", "not installed"],
)
def test_a_missing_package_says_how_to_get_it(
    monkeypatch, tmp_path, installed, in_venv, said
) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setattr(picamera, "SYSTEM_PACKAGES", tmp_path)
    monkeypatch.setattr(sys, "base_prefix", "/usr" if in_venv else sys.prefix)
    if installed:
        (tmp_path / "picamera2").mkdir()
    with pytest.raises(PackageMissingError, match=said):
        open_source("picamera2:0")
