"""Cameras of a Raspberry Pi, through its own package picamera2.

Written by the Picamera2 manual (Raspberry Pi Ltd, chapters 4 and 6); not yet tried on a Pi.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.errors import PackageMissingError, SourceError
from edgecv.sources.feed import Feed
from edgecv.sources.options import read_options
from edgecv.types import Image

SYSTEM_PACKAGES = Path("/usr/lib/python3/dist-packages")


@dataclass(frozen=True)
class PicameraOptions:
    """Options of a Raspberry Pi camera.

    Attributes:
        width: In pixels.
        height: In pixels.
        fps: Frames a second.
    """

    width: int = 1280
    height: int = 720
    fps: float = 30.0


class PicameraReader:
    """An opened camera."""

    def __init__(self, camera: Any, name: str) -> None:
        self._camera, self._name = camera, name

    def read(self) -> tuple[Image, float]:
        """Return the next picture, and when its first row was exposed.

        Raises:
            SourceError: The camera has stopped.
        """
        try:
            request = self._camera.capture_request()
            try:
                image = request.make_array("main")
                stamp = request.get_metadata().get("SensorTimestamp")
            finally:
                request.release()
        except (OSError, RuntimeError, TimeoutError) as error:
            raise SourceError(f"{self._name} has stopped: {error}") from error
        now = time.monotonic()
        # libcamera stamps by the clock that also counts while the machine sleeps, in nanoseconds
        asleep = time.clock_gettime(time.CLOCK_BOOTTIME) - now
        taken = now if stamp is None else stamp / 1e9 - asleep
        return np.asarray(image, np.uint8), taken if now - 1 < taken <= now else now

    def close(self) -> None:
        """Give the camera back."""
        self._camera.stop()
        self._camera.close()


def open_picamera(uri: str) -> Feed:
    """Open ``picamera2:0``, with `PicameraOptions` behind a question mark.

    Raises:
        PackageMissingError: This Python does not see picamera2.
        SourceError: There is no such camera, or it is in use.
        UnknownNameError: There is no such option.
    """
    name, _, query = uri.partition("?")
    number = name.removeprefix("picamera2:")
    if not number.isdecimal():
        raise SourceError(f"picamera2: wants the number of a camera: picamera2:0, got {name!r}")
    options = read_options(query, PicameraOptions)
    return Feed(name, lambda: _connect(int(number), name, options))


def _connect(number: int, name: str, options: PicameraOptions) -> PicameraReader:
    module = _package()
    try:
        camera = module.Picamera2(number)
    except (IndexError, OSError, RuntimeError) as error:
        raise SourceError(
            f"{name} cannot be opened: {error or type(error).__name__}; "
            "`rpicam-hello --list-cameras` says which there are; another program may have it"
        ) from error
    try:
        main = {"size": (options.width, options.height), "format": "RGB888"}  # BGR in memory
        controls = {"FrameRate": options.fps} if options.fps else {}
        camera.configure(camera.create_video_configuration(main=main, controls=controls))
        camera.start()
    except (OSError, RuntimeError, ValueError) as error:
        camera.close()
        raise SourceError(f"{name} cannot be started: {error}") from error
    return PicameraReader(camera, name)


def _package() -> Any:
    try:
        import picamera2
    except ImportError as error:
        raise PackageMissingError(_missing_text(error), name="picamera2") from error
    return picamera2


def _missing_text(error: ImportError) -> str:
    in_venv = sys.prefix != sys.base_prefix
    if in_venv and (SYSTEM_PACKAGES / "picamera2").is_dir():
        return (
            "picamera2 is installed, but this virtual environment does not see the system's "
            "packages. Make it again: python3 -m venv --system-site-packages .venv"
        )
    text = f"picamera2 cannot be imported ({error}): sudo apt install python3-picamera2"
    if in_venv:
        text += ", then make the environment again: python3 -m venv --system-site-packages .venv"
    return text
