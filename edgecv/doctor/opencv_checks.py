"""OpenCV: one of it, that imports, with windows where they are wanted."""

from __future__ import annotations

from .facts import Facts
from .findings import Verdict, broken, ok, skipped, warning

WHEELS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
"""All of these put their files into the same folder, cv2."""

HEADLESS = "opencv-python-headless"
NO_WINDOWS = ("", "NONE", "NO")


def one_opencv(facts: Facts) -> Verdict:
    """Whether wheels of OpenCV have overwritten each other."""
    found = facts.installed(*WHEELS)
    if len(found) < 2:
        return ok(found[0] if found else "no wheel of OpenCV: the system's own, if any")
    return broken(
        f"{' and '.join(found)} overwrite each other's files: which of them runs is chance",
        f"pip uninstall -y {' '.join(found)} && pip install {_best(facts, found)}",
    )


def opencv_imports(facts: Facts) -> Verdict:
    """Whether OpenCV can be imported, and if not, what it lacks."""
    error = facts.opencv.error
    if not facts.opencv.tried:
        return skipped("importing OpenCV could not be tried")
    if not error:
        return ok(f"OpenCV {facts.opencv.version}")
    if "cannot open shared object file" in error:
        return broken(f"importing OpenCV fails: {error}", _for_library(facts, error))
    if "No module named 'cv2'" in error:
        return broken("OpenCV is not installed", _for_absence(facts))
    found = facts.installed(*WHEELS)
    if "numpy" in error.lower() or "_ARRAY_API" in error or "multiarray" in error:
        fix = 'pip install "numpy<2"' if not found else f"pip install --upgrade {' '.join(found)}"
        return broken(f"OpenCV was built for another numpy: {error}", fix)
    fix = f"pip uninstall -y {' '.join(found or WHEELS)} && pip install {_best(facts, found)}"
    return broken(f"importing OpenCV fails: {error}", fix)


def windows(facts: Facts) -> Verdict:
    """Whether OpenCV can open a window where there is a display."""
    if facts.opencv.error or not facts.opencv.tried:
        return skipped("OpenCV cannot be imported")
    screen, headless = facts.screen, facts.opencv.gui.upper() in NO_WINDOWS
    if not (screen.x11 or screen.wayland):
        return skipped("this session has no display; --web shows pictures in a browser")
    if headless:
        found = facts.installed(*WHEELS)
        if not found:
            return warning(
                "there is a display, but this OpenCV was built without windows: --show fails",
                "pip install opencv-python",
            )
        return warning(
            f"there is a display, but {' and '.join(found)} opens no windows: --show fails",
            f"pip uninstall -y {' '.join(found)} && pip install {_with_windows(found)}",
        )
    if not screen.x11 and facts.opencv.gui.upper().startswith("QT"):
        return warning(
            "this session is Wayland alone, and the wheel's windows want X11: --show would abort",
            "sudo apt install xwayland  # then log out and in again",
        )
    return ok(f"windows by {facts.opencv.gui}")


def _best(facts: Facts, found: list[str]) -> str:
    """Return the one wheel that fits: with windows where there is a display."""
    display = facts.screen.x11 or facts.screen.wayland
    return _with_windows(found) if display else _without_windows(found)


def _with_windows(found: list[str]) -> str:
    return "opencv-contrib-python" if _contrib(found) else "opencv-python"


def _without_windows(found: list[str]) -> str:
    return "opencv-contrib-python-headless" if _contrib(found) else HEADLESS


def _contrib(found: list[str]) -> bool:
    return any("contrib" in name for name in found)


def _for_library(facts: Facts, error: str) -> str:
    """Return what mends a library that OpenCV does not find.

    Its wheels with windows want libGL and GLib, which servers and Pi OS Lite do not have.
    """
    with_windows = [name for name in facts.installed(*WHEELS) if "headless" not in name]
    apt = "sudo apt install libgl1 libglib2.0-0"
    if not with_windows or facts.screen.x11 or facts.screen.wayland:
        return apt
    headless = _without_windows(with_windows)
    return (
        f"pip uninstall -y {' '.join(with_windows)} && pip install {headless}"
        f"  # or, to keep its windows: {apt}"
    )


def _for_absence(facts: Facts) -> str:
    if facts.machine.family == "jetson":  # JetPack brings OpenCV with CUDA and GStreamer
        if facts.python.venv and not facts.python.sees_system:
            return "python3 -m venv --system-site-packages .venv  # JetPack's own OpenCV"
        return "sudo apt install nvidia-opencv"
    display = facts.screen.x11 or facts.screen.wayland
    return f'pip install "edgecv[{"gui" if display else "cv"}]"'
