from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

import edgecv
from edgecv.errors import SourceError, UnknownNameError
from edgecv.sources import SOURCES, Source, _kind, open_source


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("0", "usb"),
        ("12?width=640", "usb"),
        ("usb:0", "usb"),
        ("/dev/video0", "usb"),
        ("/dev/v4l/by-id/cam", "usb"),
        ("csi:0", "csi"),
        ("picamera2:0", "picamera2"),
        ("gst:videotestsrc", "gst"),
        ("rtsp://host/live", "rtsp"),
        ("RTSP://host/live", "rtsp"),
        ("http://host/", "http"),
        ("https://host/", "https"),
        ("screen", "screen"),
        ("screen:1?fps=3", "screen"),
        ("test:pattern", "test"),
        ("0.jpg", "file"),
        ("00/", "file"),
        ("/dev/shm/clip.mp4", "file"),
        ("screenshot.png", "file"),
        ("folder/a:b.jpg", "file"),
        ("10:30.jpg", "file"),
        ("file:///tmp/a.jpg", "file"),
        ("", "file"),
    ],
)
def test_the_kind_of_a_source_is_what_its_name_begins_with(uri, kind) -> None:
    assert _kind(uri) == kind


def test_a_file_with_a_colon_in_its_name_is_found(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cv2.imwrite("take:1.png", np.zeros((4, 6, 3), np.uint8))
    assert len(list(open_source("take:1.png"))) == 1


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("picamera:0", "no kind of source 'picamera'; did you mean 'picamera2'"),
        ("rstp://host/live", "no kind of source 'rstp'; did you mean 'rtsp'"),
        ("test:pattern?colour=red", "no option 'colour'"),
        ("0?heigth=480", "no option 'heigth'; did you mean 'height'"),
        ("csi:0?framerate=3", "no option 'framerate'"),
        ("screen?fsp=3", "no option 'fsp'; did you mean 'fps'"),
        ("picamera2:0?wdth=3", "no option 'wdth'; did you mean 'width'"),
        ("rtsp://host/live?a=b#tcp=1", "no option 'tcp'"),
        ("http://host/live?a=b#verfy=0", "no option 'verfy'; did you mean 'verify'"),
        ("clip.mp4?lop=1", "no option 'lop'; did you mean 'loop'"),
    ],
)
def test_a_misspelt_name_is_answered_by_the_nearest(uri, said) -> None:
    with pytest.raises(UnknownNameError, match=said):
        open_source(uri)


@pytest.mark.parametrize(
    "uri", ["usb:front", "csi:", "picamera2:x", "screen:x", "test:card", "gst: ", "0?fourcc=MJPEG"]
)
def test_a_name_that_makes_no_sense_is_an_error(uri) -> None:
    with pytest.raises(SourceError, match=r"wants|there is"):
        open_source(uri)


def test_every_kind_of_source_has_a_function() -> None:
    for kind in SOURCES:
        assert callable(SOURCES.load(kind))


def test_all_sources_say_whether_they_are_live(tmp_path) -> None:
    assert cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 6, 3), np.uint8))
    sources: list[Source] = [open_source(tmp_path), open_source("test:pattern")]
    assert [source.live for source in sources] == [False, True]
    assert edgecv.open_source is open_source


def test_no_source_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, edgecv; print([n for n in sys.modules if n.startswith('edgecv.sources.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
