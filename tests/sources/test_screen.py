from __future__ import annotations

import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from edgecv.errors import PackageMissingError, SourceError
from edgecv.sources import open_source


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mss", None)
    with pytest.raises(PackageMissingError, match=r"pip install 'edgecv\[screen\]'"):
        open_source("screen")


def test_without_a_display_the_error_says_so(monkeypatch) -> None:
    pytest.importorskip("mss", reason="needs the package mss")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SourceError, match=r"the screen cannot be seen.*DISPLAY"):
        open_source("screen")


@pytest.fixture
def display(monkeypatch) -> None:
    """A screen of 320x240 pixels, black."""
    pytest.importorskip("mss", reason="needs the package mss")
    if shutil.which("Xvfb") is None:
        pytest.skip("needs a virtual display: apt install xvfb")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "320x240x24", "-nolisten", "tcp"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        monkeypatch.setenv("DISPLAY", f":{server.stdout.readline().strip()}")
        yield
        server.terminate()


def test_a_screen_is_seen_at_the_rate_asked_for(display, opened) -> None:
    source = opened("screen?fps=20")
    assert source.live
    frames = [next(source) for _ in range(5)]
    assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
    assert not frames[0].image.any()
    times = np.array([frame.time for frame in frames])
    np.testing.assert_allclose(np.diff(times), 1 / 20, atol=1e-6)
    assert frames[-1].time <= time.monotonic()


def test_a_screen_that_is_not_there_is_an_error(display) -> None:
    with pytest.raises(SourceError, match="there is no screen 3: they count from 1 to 1"):
        open_source("screen:3")
