from __future__ import annotations

import os
import shutil
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecv.errors import SourceError
from edgecv.sources import gstreamer, open_source
from edgecv.sources.gstreamer import CsiOptions, csi_pipeline

TOOLS = "apt install gstreamer1.0-tools gstreamer1.0-plugins-base"
needs_gstreamer = pytest.mark.skipif(
    shutil.which("gst-launch-1.0") is None, reason=f"needs gst-launch-1.0: {TOOLS}"
)


def children() -> set[str]:
    """Return the processes that this one has started and that still run."""
    mine = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {child for file in mine for child in file.read_text().split()}


@needs_gstreamer
@pytest.mark.parametrize("width", [320, 321, 322, 323])
def test_pictures_come_whole_whatever_their_width(opened, width) -> None:
    pipeline = f"videotestsrc pattern=solid-color foreground-color=0xff102030 num-buffers=7 ! \
        video/x-raw,format=I420,width={width},height=241"
    frames = list(opened(f"gst:{pipeline}"))
    assert len(frames) == 7
    for frame in frames:
        assert frame.image.shape == (241, width, 3)
        np.testing.assert_allclose(
            frame.image, np.broadcast_to([48, 32, 16], (241, width, 3)), 0, 5
        )


@needs_gstreamer
def test_a_picture_from_a_file_is_the_same_as_opencv_reads_it(opened, tmp_path) -> None:
    image = np.random.default_rng(1).integers(0, 255, (60, 83, 3)).astype(np.uint8)
    assert cv2.imwrite(f"{tmp_path}/a.png", image)
    frames = list(opened(f"gst:filesrc location={tmp_path}/a.png ! pngdec ! appsink"))
    assert len(frames) == 1
    np.testing.assert_array_equal(frames[0].image, image)


@needs_gstreamer
def test_a_pipeline_that_has_ended_leaves_no_process(opened) -> None:
    before = children()
    source = opened("gst:videotestsrc num-buffers=3")
    assert source.live
    assert len(list(source)) == 3
    assert list(source) == []
    assert children() == before


@needs_gstreamer
def test_closing_ends_the_process(opened) -> None:
    before = children()
    source = opened("gst:videotestsrc is-live=true")
    assert len(list(islice(source, 3))) == 3
    assert children() > before
    source.close()
    assert children() == before


@needs_gstreamer
@pytest.mark.parametrize(
    ("pipeline", "said"),
    [
        ("videotestsrc ! nosuchthing", 'gives no pictures: .*no element "nosuchthing"'),
        ("filesrc location=/no.mp4 ! decodebin", "gives no pictures: .*Resource not found"),
        ("videotestsrc ! 'caps", "No closing quotation"),
        ("fakesrc num-buffers=2", "gives no pictures"),
    ],
    ids=["element", "file", "quote", "no video"],
)
def test_a_pipeline_that_does_not_work_says_why(pipeline, said) -> None:
    before = children()
    with pytest.raises(SourceError, match=said):
        open_source(f"gst:{pipeline}")
    assert children() == before


@needs_gstreamer
def test_passwords_in_a_pipeline_are_not_said() -> None:
    with pytest.raises(SourceError) as caught:
        open_source("gst:rtspsrc location=rtsp://bob:secret@127.0.0.1:1/x ! decodebin")
    assert "secret" not in str(caught.value)


@needs_gstreamer
def test_a_process_that_dies_is_an_error_and_is_started_again(opened) -> None:
    before = children()
    source = opened("gst:videotestsrc is-live=true")
    next(source)
    (child,) = children() - before
    os.kill(int(child), 9)
    with pytest.raises(SourceError, match="has stopped"):
        list(source)
    assert next(source).image.shape[2] == 3


@needs_gstreamer
def test_pictures_that_change_their_size_begin_the_pipeline_again(opened, tmp_path) -> None:
    for i, size in enumerate([(48, 64)] * 20 + [(96, 128)] * 200):
        assert cv2.imwrite(f"{tmp_path}/{i:03}.jpg", np.zeros((*size, 3), np.uint8))
    files = f"multifilesrc location={tmp_path}/%03d.jpg caps=image/jpeg,framerate=100/1"
    source = opened(f"gst:{files} ! jpegdec ! identity sync=true")
    assert next(source).image.shape == (48, 64, 3)
    with pytest.raises(SourceError, match="pictures changed to"):
        list(source)
    assert next(source).image.shape == (48, 64, 3)


def test_without_gstreamer_the_error_says_what_to_install(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gstreamer, "is_in_opencv", lambda: False)
    with pytest.raises(SourceError, match=r"sudo apt install gstreamer1\.0-tools"):
        open_source("gst:videotestsrc")
    with pytest.raises(SourceError, match=r"nvarguscamerasrc .* nor libcamerasrc"):
        open_source("csi:0")


@pytest.mark.parametrize(
    ("element", "begins", "holds"),
    [
        (
            "nvarguscamerasrc",
            "nvarguscamerasrc sensor-id=0 ! video/x-raw(memory:NVMM),width=640,height=480,"
            "framerate=20/1 ! nvvidconv",
            "format=BGRx",
        ),
        ("libcamerasrc", "libcamerasrc ! video/x-raw,width=640,height=480,framerate=20/1", ""),
    ],
    ids=["jetson", "pi"],
)
def test_the_camera_element_of_this_machine_is_used(monkeypatch, element, begins, holds) -> None:
    monkeypatch.setattr(gstreamer, "has_element", lambda name: name == element)
    pipeline = csi_pipeline(0, CsiOptions(640, 480, 20))
    assert pipeline.startswith(begins)
    assert holds in pipeline


def test_a_second_camera_of_a_pi_is_left_to_picamera2(monkeypatch) -> None:
    monkeypatch.setattr(gstreamer, "has_element", lambda name: name == "libcamerasrc")
    with pytest.raises(SourceError, match="try picamera2:1"):
        open_source("csi:1")


def test_an_opencv_with_gstreamer_takes_the_pipeline_where_there_is_no_launcher(
    opened, monkeypatch, tmp_path
) -> None:
    if not gstreamer.is_in_opencv():
        pytest.skip("needs an OpenCV built with GStreamer: apt install python3-opencv")
    monkeypatch.setenv("PATH", str(tmp_path))
    frames = list(islice(opened("gst:videotestsrc ! video/x-raw,width=321,height=240"), 5))
    assert {frame.image.shape for frame in frames} == {(240, 321, 3)}


@needs_gstreamer
def test_elements_are_looked_up_in_the_real_gstreamer() -> None:
    assert gstreamer.has_element("videotestsrc")
    assert not gstreamer.has_element("nosuchthing")
