from __future__ import annotations

import os
import subprocess
import sys

import cv2
from cameras import write_video

from edgecv.sources.capture import LOGGING, open_capture, read_capture

NAMES = ("OPENCV_FFMPEG_LOGLEVEL", "OPENCV_FFMPEG_CAPTURE_OPTIONS")


def test_what_cannot_be_opened_is_none_and_makes_no_noise(tmp_path) -> None:
    (tmp_path / "no.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    code = (
        "import cv2; from edgecv.sources.capture import open_capture as o\n"
        f"assert o({str(tmp_path / 'no.mp4')!r}, cv2.CAP_FFMPEG) is None\n"
        "assert o('rtsp://127.0.0.1:1/x', cv2.CAP_FFMPEG, stream=True) is None\n"
        "assert o('/dev/video99', cv2.CAP_V4L2) is None\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_the_users_own_settings_are_left_as_they_were(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(NAMES[0], "16")
    monkeypatch.delenv(NAMES[1], raising=False)
    level = LOGGING.getLogLevel()
    path = str(write_video(tmp_path / "a.mp4", 3))
    for stream in (False, True):
        assert open_capture(path, cv2.CAP_FFMPEG, stream=stream) is not None
        assert [os.environ.get(name) for name in NAMES] == ["16", None]
        assert LOGGING.getLogLevel() == level


def test_a_capture_that_has_ended_gives_none(tmp_path) -> None:
    capture = open_capture(str(write_video(tmp_path / "a.mp4", 2)), cv2.CAP_FFMPEG)
    assert capture is not None
    images = [read_capture(capture) for _ in range(3)]
    assert [image is None for image in images] == [False, False, True]
