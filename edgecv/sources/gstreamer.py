"""GStreamer pipelines, by OpenCV or by ``gst-launch-1.0``.

OpenCV saves copies of the pictures, and so is the first choice for cameras; but its wheels are
built without GStreamer (those of Debian, Raspberry Pi OS and JetPack with it), and it does not tell
the end of a pipeline from its failure, nor why it failed. So other pipelines run in a process.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

import cv2

from edgecv.errors import SourceError
from edgecv.sources.addresses import hide_password
from edgecv.sources.capture import CaptureReader, open_capture
from edgecv.sources.feed import Feed, Reader
from edgecv.sources.gstchild import ChildReader
from edgecv.sources.options import read_options

TOOLS = "sudo apt install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
_END = re.compile(r"!\s*(appsink|fdsink)\b[^!]*$")


@dataclass(frozen=True)
class CsiOptions:
    """Options of a camera on a ribbon cable.

    Attributes:
        width: In pixels.
        height: In pixels.
        fps: Frames a second.
    """

    width: int = 1280
    height: int = 720
    fps: int = 30


def open_gstreamer(uri: str) -> Feed:
    """Open ``gst:PIPELINE``, such as ``gst:videotestsrc ! video/x-raw,width=640,height=480``.

    All that stands behind ``gst:`` is the pipeline. Its pictures are turned into BGR; an
    ``appsink`` at its end may be left out.

    Raises:
        SourceError: There is no GStreamer here, or the pipeline gives no pictures.
    """
    pipeline = _END.sub("", uri.removeprefix("gst:")).strip()
    if not pipeline:
        raise SourceError("gst: wants a pipeline, as in 'gst:videotestsrc ! videoconvert'")
    return _feed(hide_password(f"gst:{pipeline}"), pipeline, opencv=not has_launcher())


def open_csi(uri: str) -> Feed:
    """Open ``csi:0``, the camera on a ribbon cable of a Jetson or a Raspberry Pi.

    Raises:
        SourceError: GStreamer has no element for such a camera here, or it cannot be opened.
        UnknownNameError: There is no such option.
    """
    name, _, query = uri.partition("?")
    number = name.removeprefix("csi:")
    if not number.isdecimal():
        raise SourceError(f"csi: wants the number of a camera, as in csi:0, got {name!r}")
    pipeline = csi_pipeline(int(number), read_options(query, CsiOptions))
    return _feed(name, pipeline, opencv=is_in_opencv())


def csi_pipeline(number: int, options: CsiOptions) -> str:
    """Return the pipeline of a ribbon-cable camera, by the element that this machine has.

    Raises:
        SourceError: It has none.
    """
    size = f"width={options.width},height={options.height},framerate={options.fps}/1"
    if has_element("nvarguscamerasrc"):
        # NVIDIA, Jetson Linux developer guide, "Accelerated GStreamer", camera capture
        return (
            f"nvarguscamerasrc sensor-id={number} ! video/x-raw(memory:NVMM),{size} ! "
            "nvvidconv ! video/x-raw,format=BGRx"
        )
    if not has_element("libcamerasrc"):
        raise SourceError(
            "csi: finds neither nvarguscamerasrc (Jetson: part of JetPack) nor libcamerasrc "
            "(Raspberry Pi: sudo apt install gstreamer1.0-libcamera); on a Pi, picamera2:0 is "
            "another way"
        )
    if number:
        raise SourceError(f"csi:{number}: libcamerasrc counts no cameras; try picamera2:{number}")
    return f"libcamerasrc ! video/x-raw,{size}"


def has_element(name: str) -> bool:
    """Return whether this machine's GStreamer has an element."""
    tool = shutil.which("gst-inspect-1.0")
    if tool is None:
        return False
    return not subprocess.run([tool, "--exists", name], check=False).returncode


def is_in_opencv() -> bool:
    """Return whether this OpenCV was built with GStreamer."""
    return re.search(r"GStreamer: +YES", cv2.getBuildInformation()) is not None


def has_launcher() -> bool:
    """Return whether ``gst-launch-1.0`` is installed."""
    return shutil.which("gst-launch-1.0") is not None


def _feed(name: str, pipeline: str, *, opencv: bool) -> Feed:
    if not (is_in_opencv() if opencv else has_launcher()):
        raise SourceError(
            f"{name}: this OpenCV was built without GStreamer, and gst-launch-1.0 is not "
            f"installed: {TOOLS}"
        )
    pipeline += " ! videoconvert ! video/x-raw,format=BGR"
    return Feed(name, lambda: (_in_opencv if opencv else ChildReader)(name, pipeline))


def _in_opencv(name: str, pipeline: str) -> Reader:
    end = " ! appsink sync=false max-buffers=2 drop=true"
    capture = open_capture(pipeline + end, cv2.CAP_GSTREAMER)
    if capture is None:
        raise SourceError(
            f"{name} gives no pictures; `gst-launch-1.0 -v {hide_password(pipeline)} ! fakesink` "
            "says why"
        )
    return CaptureReader(capture, f"{name} has stopped")
