from __future__ import annotations

import pytest
from doctor_facts import state

from edgecv.doctor import opencv_checks
from edgecv.doctor.facts import Import, Screen

X11, WAYLAND, NONE = Screen(True, False), Screen(False, True), Screen(False, False)
NO_GL = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
APT = "sudo apt install libgl1 libglib2.0-0"


def with_wheels(*wheels: str, **changes):
    return state(packages=dict.fromkeys(wheels, "5.0.0.93"), **changes)


@pytest.mark.parametrize(
    ("wheels", "screen", "status", "fix"),
    [
        pytest.param([], NONE, "ok", "", id="the system's own"),
        pytest.param(["opencv-python"], NONE, "ok", "", id="one"),
        pytest.param(
            ["opencv-python", "opencv-python-headless"],
            NONE,
            "broken",
            "pip uninstall -y opencv-python opencv-python-headless && "
            "pip install opencv-python-headless",
            id="two",
        ),
        pytest.param(
            ["opencv-python", "opencv-python-headless"],
            X11,
            "broken",
            "pip uninstall -y opencv-python opencv-python-headless && pip install opencv-python",
            id="two, with a display",
        ),
        pytest.param(
            ["opencv-python-headless", "opencv-contrib-python"],
            NONE,
            "broken",
            "pip uninstall -y opencv-python-headless opencv-contrib-python && "
            "pip install opencv-contrib-python-headless",
            id="two, one with extra modules",
        ),
    ],
)
def test_two_wheels_of_opencv_are_told_of(wheels, screen, status, fix) -> None:
    facts = with_wheels(*wheels, screen=screen)
    assert opencv_checks.one_opencv(facts)[::2] == (status, fix)


@pytest.mark.parametrize(
    ("facts", "status", "says", "fix"),
    [
        pytest.param(state(), "ok", "OpenCV 5.0.0", "", id="fine"),
        pytest.param(state(opencv=Import(False)), "skipped", "not be tried", "", id="not tried"),
        pytest.param(
            with_wheels("opencv-python", opencv=Import(True, NO_GL), screen=X11),
            "broken",
            "libGL.so.1",
            APT,
            id="libGL, on a desktop",
        ),
        pytest.param(
            with_wheels("opencv-python", opencv=Import(True, NO_GL)),
            "broken",
            "libGL.so.1",
            "pip uninstall -y opencv-python && pip install opencv-python-headless"
            f"  # or, to keep its windows: {APT}",
            id="libGL, on a server",
        ),
        pytest.param(
            state(
                opencv=Import(
                    True,
                    "ImportError: libgthread-2.0.so.0: cannot open shared object file: No such "
                    "file or directory",
                ),
                packages={},
            ),
            "broken",
            "libgthread",
            APT,
            id="GLib, of the system's own",
        ),
        pytest.param(
            state(opencv=Import(True, "ModuleNotFoundError: No module named 'cv2'"), packages={}),
            "broken",
            "not installed",
            'pip install "edgecv[cv]"',
            id="absent, on a server",
        ),
        pytest.param(
            state(
                opencv=Import(True, "ModuleNotFoundError: No module named 'cv2'"), screen=WAYLAND
            ),
            "broken",
            "not installed",
            'pip install "edgecv[gui]"',
            id="absent, on a desktop",
        ),
        pytest.param(
            state(
                machine={"family": "jetson"},
                python={"sees_system": False},
                opencv=Import(True, "ModuleNotFoundError: No module named 'cv2'"),
            ),
            "broken",
            "not installed",
            "python3 -m venv --system-site-packages .venv  # JetPack's own OpenCV",
            id="absent, in a venv of a Jetson",
        ),
        pytest.param(
            state(
                machine={"family": "jetson"},
                python={"venv": False},
                opencv=Import(True, "ModuleNotFoundError: No module named 'cv2'"),
            ),
            "broken",
            "not installed",
            "sudo apt install nvidia-opencv",
            id="absent, on a Jetson",
        ),
        pytest.param(
            with_wheels(
                "opencv-python",
                opencv=Import(True, "ImportError: numpy.core.multiarray failed to import"),
            ),
            "broken",
            "another numpy",
            "pip install --upgrade opencv-python",
            id="numpy, of a wheel",
        ),
        pytest.param(
            state(
                packages={},
                opencv=Import(True, "ImportError: numpy.core.multiarray failed to import"),
            ),
            "broken",
            "another numpy",
            'pip install "numpy<2"',
            id="numpy, of the system's own",
        ),
        pytest.param(
            with_wheels(
                "opencv-python",
                opencv=Import(
                    True, "AttributeError: module 'cv2' has no attribute 'getBuildInformation'"
                ),
            ),
            "broken",
            "getBuildInformation",
            "pip uninstall -y opencv-python && pip install opencv-python-headless",
            id="half overwritten",
        ),
    ],
)
def test_an_opencv_that_does_not_import_is_told_of(facts, status, says, fix) -> None:
    verdict = opencv_checks.opencv_imports(facts)
    assert (verdict.status, verdict.fix) == (status, fix)
    assert says in verdict.what


@pytest.mark.parametrize(
    ("gui", "screen", "wheels", "status", "fix"),
    [
        pytest.param("QT5", X11, ["opencv-python"], "ok", "", id="windows on X11"),
        pytest.param("GTK3", WAYLAND, [], "ok", "", id="GTK on Wayland"),
        pytest.param("NONE", NONE, ["opencv-python-headless"], "skipped", "", id="no display"),
        pytest.param(
            "NONE",
            X11,
            ["opencv-python-headless"],
            "warning",
            "pip uninstall -y opencv-python-headless && pip install opencv-python",
            id="headless before a display",
        ),
        pytest.param(
            "NONE",
            X11,
            ["opencv-contrib-python-headless"],
            "warning",
            "pip uninstall -y opencv-contrib-python-headless && pip install opencv-contrib-python",
            id="headless with extra modules",
        ),
        pytest.param("NONE", X11, [], "warning", "pip install opencv-python", id="system's own"),
        pytest.param(
            "QT5",
            WAYLAND,
            ["opencv-python"],
            "warning",
            "sudo apt install xwayland  # then log out and in again",
            id="Qt on Wayland alone",
        ),
    ],
)
def test_a_display_wants_an_opencv_with_windows(gui, screen, wheels, status, fix) -> None:
    opencv = Import(True, version="5.0.0", gui=gui)
    facts = with_wheels(*wheels, opencv=opencv, screen=screen)
    assert opencv_checks.windows(facts)[::2] == (status, fix)


def test_windows_do_not_matter_while_opencv_fails() -> None:
    assert opencv_checks.windows(state(opencv=Import(True, NO_GL))).status == "skipped"
