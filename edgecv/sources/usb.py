"""Cameras of Linux's V4L2 (USB cameras, capture cards), through OpenCV."""

from __future__ import annotations

import grp
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import cv2

from edgecv.errors import SourceError
from edgecv.sources.capture import CaptureReader, open_capture
from edgecv.sources.feed import Feed
from edgecv.sources.options import read_options

log = logging.getLogger(__name__)

DEVICES = Path("/dev")
NAMES = Path("/sys/class/video4linux")
PROCESSES = Path("/proc")


@dataclass(frozen=True)
class CameraOptions:
    """Options of a camera. What is 0 is left to its driver.

    Attributes:
        width: In pixels.
        height: In pixels.
        fps: Frames a second.
        fourcc: How pictures come over the wire. USB 2 has room for 1280x720 at 30 Hz as MJPG, and
            for 10 Hz as YUYV.
    """

    width: int = 0
    height: int = 0
    fps: float = 0.0
    fourcc: str = "MJPG"


def open_usb(uri: str) -> Feed:
    """Open ``0``, ``usb:0`` or ``/dev/video0``, with `CameraOptions` behind a question mark.

    Raises:
        SourceError: There is no such camera, it is in use, or the user may not open it.
        UnknownNameError: There is no such option.
    """
    name, _, query = uri.partition("?")
    options = read_options(query, CameraOptions)
    if len(options.fourcc) != 4:
        raise SourceError(
            f"fourcc wants four letters, such as MJPG or YUYV, got {options.fourcc!r}"
        )
    rest = name.removeprefix("usb:")
    device = DEVICES / f"video{int(rest)}" if rest.isdecimal() else Path(rest)
    return Feed(name, lambda: _connect(device, options))


def cameras() -> dict[str, str]:
    """Return the V4L2 devices of this machine and their names, such as "/dev/video0": "HD Cam"."""
    found = sorted(DEVICES.glob("video[0-9]*"), key=lambda path: (len(path.name), path.name))
    return {str(path): _name(path) for path in found}


def _name(device: Path) -> str:
    try:
        return (NAMES / device.name / "name").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _connect(device: Path, options: CameraOptions) -> CaptureReader:
    _check(device)
    capture = open_capture(str(device), cv2.CAP_V4L2)
    if capture is None:
        raise SourceError(_why_closed(device))
    wanted = {  # in this order: drivers choose their sizes by the format, their rates by the size
        cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*options.fourcc),
        cv2.CAP_PROP_FRAME_WIDTH: options.width,
        cv2.CAP_PROP_FRAME_HEIGHT: options.height,
        cv2.CAP_PROP_FPS: options.fps,
        # One is filled while the other is decoded; with a single one every second frame is lost.
        cv2.CAP_PROP_BUFFERSIZE: 2,
    }
    for key, value in wanted.items():
        if value:
            capture.set(key, value)
    for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS):
        given = capture.get(key)
        if wanted[key] and given != wanted[key]:
            log.warning("%s gives %g where %g was asked for", device, given, wanted[key])
    return CaptureReader(
        capture, f"the camera {device} has stopped; was it unplugged?", stamped=True
    )


def _check(device: Path) -> None:
    """Find out why a camera cannot be opened before OpenCV fails without a reason."""
    if not device.exists():
        there = ", ".join(f"{path} ({name})" if name else path for path, name in cameras().items())
        raise SourceError(
            f"there is no camera {device}; "
            + (f"there are: {there}" if there else "this machine sees none: is it plugged in?")
        )
    if not device.is_char_device():
        raise SourceError(f"{device} is no camera: a V4L2 device such as /dev/video0 is wanted")
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(_no_permission(device))


def _no_permission(device: Path) -> str:
    number = device.stat().st_gid
    try:
        group = grp.getgrgid(number).gr_name
    except KeyError:
        group = str(number)
    return (
        f"this user may not open {device}: it belongs to the group {group!r}; "
        f"run `sudo usermod -aG {group} $USER` and log in again"
    )


def _why_closed(device: Path) -> str:
    users = device_users(device)
    if users:
        return f"the camera {device} is in use by {', '.join(users[:3])}; end it first"
    return (
        f"{device} gives no pictures: it is in use by another program (`fuser -v {device}` "
        "says by which), or is not the camera's picture device; many have two, try the other"
    )


def device_users(device: Path) -> list[str]:
    """Return the other processes that have a file open, as "process 1234 (name)".

    Those of other users are seen by root alone.
    """
    found = []
    wanted = os.path.realpath(device)
    for process in PROCESSES.glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            if any(os.path.realpath(link) == wanted for link in (process / "fd").iterdir()):
                name = (process / "comm").read_text(encoding="utf-8").strip()
                found.append(f"process {process.name} ({name})")
        except OSError:  # it ended, or belongs to someone else
            continue
    return found
