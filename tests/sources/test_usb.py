"""No camera can exist on a machine without V4L2: what is tested is what is said of its lack."""

from __future__ import annotations

import grp
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgecv.errors import SourceError
from edgecv.sources import open_source, usb
from edgecv.sources.usb import cameras, device_users


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with two devices of which one has a name."""
    devices, names = tmp_path / "dev", tmp_path / "sys"
    for number in (10, 2):
        (devices / f"video{number}").parent.mkdir(exist_ok=True)
        (devices / f"video{number}").touch()
    (names / "video2").mkdir(parents=True)
    (names / "video2" / "name").write_text("HD Pro Webcam C920\n")
    monkeypatch.setattr(usb, "DEVICES", devices)
    monkeypatch.setattr(usb, "NAMES", names)
    return devices


def test_cameras_are_listed_with_their_names_in_the_order_of_counting(machine) -> None:
    assert cameras() == {
        str(machine / "video2"): "HD Pro Webcam C920",
        str(machine / "video10"): "",
    }


@pytest.mark.parametrize("uri", ["0", "usb:0", "00?width=640&height=480&fps=30"])
def test_a_missing_camera_is_answered_by_those_there_are(machine, uri) -> None:
    said = r"no camera .*video0; there are: .*video2 \(HD Pro Webcam C920\), .*video10"
    with pytest.raises(SourceError, match=said):
        open_source(uri)


def test_a_machine_without_cameras_says_so(machine) -> None:
    for device in machine.iterdir():
        device.unlink()
    with pytest.raises(
        SourceError, match=r"no camera .*; this machine sees none: is it plugged in"
    ):
        open_source("0")


def test_what_is_no_device_is_no_camera(machine) -> None:
    with pytest.raises(SourceError, match=r"video2 is no camera: a V4L2 device"):
        open_source("2")


@pytest.mark.parametrize("uri", ["usb:/dev/null", "usb:/dev/zero"])
def test_a_device_that_gives_no_pictures_is_an_error(uri) -> None:
    with pytest.raises(SourceError, match=r"gives no pictures: .*fuser|is in use by"):
        open_source(uri)


def test_a_camera_without_permission_names_the_group_that_has_it(monkeypatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may open everything
    group = grp.getgrgid(Path("/dev/null").stat().st_gid).gr_name
    with pytest.raises(SourceError, match=rf"`sudo usermod -aG {group} \$USER` and log in again"):
        open_source("usb:/dev/null")


def test_the_process_that_has_a_camera_is_named(tmp_path) -> None:
    held = tmp_path / "camera"
    held.touch()
    code = f"f = open({str(held)!r}); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (user,) = device_users(held)
        assert user.startswith(f"process {process.pid} (")
        process.communicate(b"\n")
    assert device_users(held) == []
