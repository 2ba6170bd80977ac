from __future__ import annotations

import pytest
from doctor_facts import HEALTHY, state

from edgecv.doctor import camera_checks
from edgecv.doctor.facts import Import, Node, User

VENV = "python3 -m venv --system-site-packages .venv"
STRANGER = User(False, frozenset({"pi"}), frozenset())
JUST_ADDED = User(False, frozenset({"pi"}), frozenset({"video"}))


def video(group: str, usable: bool) -> tuple[Node, ...]:
    return tuple(Node(f"/dev/video{i}", group, usable) for i in range(3))


@pytest.mark.parametrize(
    ("nodes", "user", "status", "fix"),
    [
        pytest.param((), STRANGER, "skipped", "", id="no camera"),
        pytest.param(video("video", True), HEALTHY.user, "ok", "", id="a member"),
        pytest.param(
            video("video", False),
            STRANGER,
            "broken",
            "sudo usermod -aG video $USER  # then log out and in again",
            id="no member",
        ),
        pytest.param(
            video("video", False),
            JUST_ADDED,
            "broken",
            "log out and in again: this session began before you joined the group video",
            id="a member since a moment ago",
        ),
        pytest.param(
            video("root", False),
            STRANGER,
            "broken",
            "sudo chgrp video /dev/video0 && sudo chmod g+rw /dev/video0 && "
            "sudo usermod -aG video $USER  # then log out and in again",
            id="no group",
        ),
    ],
)
def test_a_camera_that_the_user_may_not_open_is_told_of(nodes, user, status, fix) -> None:
    assert camera_checks.camera_access(state(nodes=nodes, user=user))[::2] == (status, fix)


def test_closed_cameras_are_named() -> None:
    verdict = camera_checks.camera_access(state(nodes=video("video", False)))
    assert "/dev/video0, /dev/video1 and 1 more (group video)" in verdict.what


@pytest.mark.parametrize(
    ("facts", "status", "fix"),
    [
        pytest.param(state(), "ok", "", id="all is well"),
        pytest.param(state(machine={"family": "x86"}), "skipped", "", id="no Raspberry Pi"),
        pytest.param(state(python={"sees_system": False}), "broken", VENV, id="a closed venv"),
        pytest.param(
            state(python={"version": (3, 12)}), "broken", f"/usr/bin/{VENV}", id="another Python"
        ),
        pytest.param(
            state(files=frozenset(), picamera2=Import(True, "No module named 'picamera2'")),
            "warning",
            "sudo apt install python3-picamera2",
            id="not installed",
        ),
        pytest.param(
            state(
                files=frozenset(),
                picamera2=Import(True, "No module named 'picamera2'"),
                python={"sees_system": False},
            ),
            "warning",
            f"sudo apt install python3-picamera2 && {VENV}",
            id="not installed, and a closed venv",
        ),
        pytest.param(state(files=frozenset()), "ok", "", id="from PyPI"),
        pytest.param(
            state(
                picamera2=Import(
                    True,
                    "ValueError: numpy.dtype size changed, may indicate binary incompatibility. "
                    "Expected 88 from C header, got 96 from PyObject",
                )
            ),
            "broken",
            "pip install --force-reinstall --no-deps simplejpeg",
            id="simplejpeg for numpy 1",
        ),
        pytest.param(
            state(
                picamera2=Import(
                    True,
                    "ValueError: numpy.dtype size changed, may indicate binary incompatibility. "
                    "Expected 96 from C header, got 88 from PyObject",
                )
            ),
            "broken",
            'pip install --upgrade "numpy>=2"',
            id="simplejpeg for numpy 2",
        ),
        pytest.param(
            state(picamera2=Import(True, "ImportError: libcamera.so.0.3: cannot open")),
            "broken",
            "sudo apt install --reinstall python3-picamera2",
            id="half installed",
        ),
    ],
)
def test_a_libcamera_out_of_reach_is_told_of(facts, status, fix) -> None:
    assert camera_checks.libcamera(facts)[::2] == (status, fix)
