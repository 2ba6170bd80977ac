from __future__ import annotations

import sys

import pytest

from edgecv.doctor import probes
from edgecv.doctor.facts import Import


@pytest.fixture
def package(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """Write a package that is found first."""

    def write(name: str, code: str) -> None:
        (tmp_path / f"{name}.py").write_text(code)

    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return write


BUILD = "__version__ = '5.1'\ndef getBuildInformation():\n    return 'a\\n  GUI:        {}\\n b'\n"


@pytest.mark.parametrize("gui", ["NONE", "QT5"])
def test_opencv_tells_its_version_and_windows(gui, package) -> None:
    package("cv2", "print('noise')\n" + BUILD.format(gui))
    assert probes.opencv() == Import(True, "", "5.1", gui)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(
            "raise ImportError('libGL.so.1: cannot open shared object file')",
            "ImportError: libGL.so.1: cannot open shared object file",
            id="a missing library",
        ),
        pytest.param(
            "",
            "AttributeError: module 'cv2' has no attribute 'getBuildInformation'",
            id="an empty folder",
        ),
        pytest.param(
            "import os; os.abort()", "importing it ended the process by signal 6", id="an abort"
        ),
        pytest.param(
            "import os; os._exit(3)", "importing it ended with exit code 3", id="a silent end"
        ),
        pytest.param(
            "import os; os._exit(0)",
            "importing it ended the process without an error",
            id="an end that looks well",
        ),
    ],
)
def test_an_opencv_that_fails_tells_why(code, error, package) -> None:
    package("cv2", code)
    assert probes.opencv() == Import(True, error)


def test_any_package_may_be_tried(package) -> None:
    package("good_camera", "")
    assert probes.try_import("good_camera") == Import(True)
    missing = probes.try_import("no_such_camera")
    assert missing.error == "ModuleNotFoundError: No module named 'no_such_camera'"


def test_an_import_that_hangs_is_ended(package, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "TIMEOUT", 0.2)
    package("slow", "import time; time.sleep(30)")
    assert "took more than" in probes.try_import("slow").error


def test_without_a_python_to_start_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert probes.opencv() == Import(tried=False)
