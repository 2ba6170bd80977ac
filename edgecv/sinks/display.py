"""A window on the screen."""

from __future__ import annotations

import os
import sys

import cv2

from edgecv.drawing import label
from edgecv.errors import OutputError
from edgecv.sinks import Event, Output

TITLE = "edgecv"
QUIT_KEYS = (27, ord("q"))
INSTEAD = "use --web for a page in a browser, or --out for files"


class Display:
    """A sink that shows the newest result in a window; q, Esc or closing it ends the run.

    Raises:
        OutputError: There is no screen, or OpenCV was built without windows.
    """

    buffer = 1

    def __init__(self) -> None:
        refuse_without_screen()
        self._shown = False
        self._notice = ""

    def write(self, output: Output) -> None:
        """Show one result with the run's figures.

        Raises:
            StopIteration: The user closed the window.
        """
        image = output.draw(output.frame.image)
        age = output.stats.stages["capture_to_result"].percentile(50)
        text = f"{output.stats.fps:.1f} fps  {age:.0f} ms old  {output.stats.device}"
        label(image, text, 0, image.shape[0], (60, 60, 60))
        if self._notice:
            label(image, self._notice, 0, 40, (0, 0, 160))
        cv2.imshow(TITLE, image)
        key = cv2.waitKey(1) & 0xFF
        closed = self._shown and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1
        self._shown = True
        if key in QUIT_KEYS or closed:
            raise StopIteration

    def event(self, event: Event) -> None:
        """Show what was lost until it is back."""
        self._notice = event.message if event.kind.endswith("_lost") else ""

    def close(self) -> None:
        """Close the window."""
        if self._shown:
            cv2.destroyWindow(TITLE)


def refuse_without_screen() -> None:
    """Refuse where a window would fail or, without a screen, end the whole process.

    Raises:
        OutputError: There is no screen, or OpenCV was built without windows.
    """
    gui = next(
        (r for r in cv2.getBuildInformation().splitlines() if r.strip().startswith("GUI:")), ""
    )
    if "NONE" in gui:
        raise OutputError(
            "this OpenCV was built without windows (opencv-python-headless): "
            f"{INSTEAD}, or replace it: pip uninstall opencv-python-headless && "
            "pip install 'edgecv[gui]'"
        )
    screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if sys.platform.startswith("linux") and not screen:
        raise OutputError(f"there is no screen (DISPLAY is not set): {INSTEAD}")


def open_display(uri: str) -> Display:
    """Open "display"."""
    return Display()
