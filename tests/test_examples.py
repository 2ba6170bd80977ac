"""Every example runs, is short, and says something true."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="needs the source tree")


def run(name: str, *words: object, folder: Path) -> str:
    command = [sys.executable, str(EXAMPLES / name), *map(str, words)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def astronaut(tmp_path: Path) -> Path:
    data = pytest.importorskip("skimage.data")
    path = tmp_path / "astronaut.png"
    cv2.imwrite(str(path), np.ascontiguousarray(data.astronaut()[..., ::-1]))
    return path


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda f: f.name)
def test_an_example_has_at_most_thirty_lines(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 30


@pytest.mark.zoo
def test_detect_photo_prints_and_draws(zoo, astronaut: Path, tmp_path: Path) -> None:
    assert "person 0.6" in run("detect_photo.py", astronaut, folder=tmp_path)
    assert cv2.imread(str(tmp_path / "detected.png")) is not None


@pytest.mark.zoo
def test_live_loop_sees_new_frames(zoo, tmp_path: Path) -> None:
    lines = run("live_loop.py", "test:pattern?frames=20&fps=20", folder=tmp_path).splitlines()
    assert lines[-1].startswith("frame 1")
    assert all("ms old" in line for line in lines)


@pytest.mark.zoo
@pytest.mark.data
@pytest.mark.slow
def test_count_at_door_sees_people_come_and_go(zoo, data: Path, tmp_path: Path) -> None:
    film = data / "video" / "one-by-one-person-detection.mp4"
    said = run("count_at_door.py", film, folder=tmp_path)
    assert "entered middle" in said
    assert "left middle" in said


@pytest.mark.zoo
def test_face_id_knows_its_own_face(zoo, astronaut: Path, tmp_path: Path) -> None:
    assert "'Eileen'" in run("face_id.py", "Eileen", astronaut, astronaut, folder=tmp_path)


def test_the_test_of_an_app_passes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir"]
    file = str(EXAMPLES / "test_your_app.py")
    done = subprocess.run(
        [*command, str(tmp_path), "-c", "/dev/null", file],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
