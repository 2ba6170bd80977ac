"""Films and cameras through the commands: what goes where, and how a run ends."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from .conftest import COMMAND

ZONE = "right:0.5,0.5;1,0.5;1,1;0.5,1"


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """Write a film of noise, 10 frames a second."""

    def write(name: str = "film.avi", frames: int = 30) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (80, 40))
        for number in range(frames):
            writer.write(np.full((40, 80, 3), 8 * number % 256, np.uint8))
        writer.release()
        return path

    return write


def rows(path: Path) -> tuple[list[dict], list[dict]]:
    """Return the results and the events of a file of JSON lines."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [row for row in found if "event" not in row], [row for row in found if "event" in row]


def frames_of(path: Path) -> tuple[int, float]:
    video = cv2.VideoCapture(str(path))
    count = 0
    while video.read()[0]:
        count += 1
    return count, video.get(cv2.CAP_PROP_FPS)


def test_every_frame_of_a_film_goes_to_every_output(edgecv, cats, film, tmp_path) -> None:
    out = tmp_path / "out"
    words = ["--out", out / "v.mp4", "--out", f"jsonl:{out}/v.jsonl", "--out", out / "pictures"]
    path = film()
    ran = edgecv("detect", path, "--model", cats, *words, "--stats", out / "s.json")
    assert (ran.code, ran.err) == (0, "")
    results, events = rows(out / "v.jsonl")
    assert [row["frame"] for row in results] == list(range(30))
    assert [row["position"] for row in results] == pytest.approx(np.arange(30) / 10, abs=1e-3)
    assert events == []
    assert frames_of(out / "v.mp4") == (30, pytest.approx(10, rel=0.01))
    assert len(list((out / "pictures").iterdir())) == 30
    stats = json.loads((out / "s.json").read_text())
    assert [stats[key] for key in ("captured", "results", "dropped", "errors")] == [30, 30, 0, 0]
    assert stats["sources"] == [str(path)]
    assert set(stats["latency_ms"]["inference"]) == {"mean", "p50", "p90", "p99", "max"}


def test_a_film_ends_with_a_table_that_stays_out_of_the_json(edgecv, cats, film) -> None:
    path = film(frames=5)
    ran = edgecv("detect", path, "--model", cats)
    assert ran.code == 0
    assert ran.out.startswith(f"{path} 0.00 s: person 0.90 ")
    assert "captured 5, results 5, dropped 0\n" in ran.out
    assert "results a second, on cpu (onnx)\n" in ran.out
    for name in ("wait", "preprocess", "inference", "decode", "frame age"):
        assert f"\n{name} " in ran.out
    ran = edgecv("detect", path, "--model", cats, "--json", "-")
    assert [json.loads(line)["frame"] for line in ran.out.splitlines()] == list(range(5))
    assert "captured 5, results 5" in ran.err


@pytest.mark.parametrize(("given", "wanted"), [([], 12), (["--max-frames", "7"], 7)])
def test_a_run_ends_with_its_source_or_after_so_many_results(
    given, wanted, edgecv, cats, tmp_path
) -> None:
    source = "test:pattern?fps=60&frames=12&live=0"
    words = ["--model", cats, "--json", tmp_path / "r.jsonl", *given]
    assert edgecv("detect", source, *words).code == 0
    assert len(rows(tmp_path / "r.jsonl")[0]) == wanted


def test_films_and_pictures_may_follow_each_other_and_a_camera_may_not(
    edgecv, cats, film, picture, tmp_path
) -> None:
    sources = [film("a.avi", 3), picture("p.png"), film("b.avi", 2)]
    ran = edgecv("detect", *sources, "--model", cats, "--json", tmp_path / "r.jsonl", "--track")
    assert ran.code == 0
    found = [(Path(row["source"]).name, row["frame"]) for row in rows(tmp_path / "r.jsonl")[0]]
    assert found == [("a.avi", 0), ("a.avi", 1), ("a.avi", 2), ("p.png", 0), ("b.avi", 0),
                     ("b.avi", 1)]  # fmt: skip
    ran = edgecv("detect", sources[0], "test:pattern", "--model", cats)
    assert (ran.code, ran.out) == (2, "")
    assert "test:pattern is live, and has to be the only source" in ran.err


def test_only_the_classes_that_are_wanted_are_left(edgecv, cats, picture) -> None:
    path = picture("a.png")
    ran = edgecv("detect", path, "--model", cats, "--only", "cat", "--json", "-")
    assert [found["label"] for found in json.loads(ran.out)["detections"]] == ["cat"]
    ran = edgecv("detect", path, "--model", cats, "--only", "cat,persn")
    assert (ran.code, ran.out) == (2, "")
    assert "no class 'persn'; did you mean 'person'?" in ran.err


def test_what_is_tracked_has_an_id_and_what_enters_a_zone_is_told_of(
    edgecv, cats, film, tmp_path
) -> None:
    out = tmp_path / "out"
    words = ["--json", out / "r.jsonl", "--out", out / "v.avi", "--snapshot", out / "seen"]
    words += ["--zone", ZONE, "--line", "gate:0,39;79,39"]
    ran = edgecv("detect", film(), "--model", cats, *words)
    assert ran.code == 0
    assert "events: zone_enter 1\n" in ran.out
    results, events = rows(out / "r.jsonl")
    assert [found["track_id"] for found in results[-1]["detections"]] == [1, 2]
    assert results[-1]["zones"] == {
        "right": {"inside": 1, "entered": 1, "left": 0},
        "gate": {"to_right": 0, "to_left": 0},
    }
    (event,) = events
    assert [event[key] for key in ("event", "zone", "label", "count")] == [
        *("zone_enter", "right", "person", 1),
    ]
    (snapshot,) = (out / "seen").iterdir()
    assert "_right_zone_enter_1.jpg" in snapshot.name
    assert cv2.imread(str(snapshot)).shape == (40, 80, 3)


def test_zones_are_drawn(edgecv, cats, film, tmp_path) -> None:
    path = film(frames=3)
    for name, words in (("plain", []), ("drawn", ["--zone", ZONE])):
        out = tmp_path / name
        assert edgecv("detect", path, "--model", cats, "--out", out, "--track", *words).code == 0
    plain, drawn = (cv2.imread(str(tmp_path / name / "film.jpg")) for name in ("plain", "drawn"))
    assert np.abs(plain[25:, 45:].astype(int) - drawn[25:, 45:]).mean() > 5


def test_angles_and_repetitions_go_with_the_poses_and_are_drawn(
    edgecv, stick, film, tmp_path
) -> None:
    path = film(frames=3)
    words = ["--angles", "--count", "knee:100:150", "--count", "left_elbow:60:140"]
    out = tmp_path / "out"
    ran = edgecv("pose", path, "--model", stick, *words, "--json", out / "r.jsonl", "--out", out)
    assert ran.code == 0
    row = rows(out / "r.jsonl")[0][-1]
    assert row["angles"][0]["left_knee"] == pytest.approx(180, abs=1)
    assert row["repetitions"] == [
        {"angle": "knee", "count": 0, "phase": "up"},
        {"angle": "left_elbow", "count": 0, "phase": "up"},
    ]
    plain = tmp_path / "plain"
    assert edgecv("pose", path, "--model", stick, "--out", plain).code == 0
    assert (cv2.imread(str(plain / "film.jpg")) != cv2.imread(str(out / "film.jpg"))).any()


@pytest.mark.parametrize("command", ["classify", "pose"])
def test_other_tasks_take_films_too(command, edgecv, colours, stick, film, tmp_path) -> None:
    model = {"classify": colours, "pose": stick}[command]
    words = ["--model", model, "--json", tmp_path / "r.jsonl", "--max-frames", "4"]
    assert edgecv(command, film(), *words).code == 0
    assert len(rows(tmp_path / "r.jsonl")[0]) == 4


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.parametrize("extra", [[], ["--json", "-"]], ids=["lines", "json"])
def test_closed_streams_do_not_matter_to_a_film(closed, extra, cats, film, tmp_path) -> None:
    words = ["detect", film(frames=3), film("b.avi", 3), "--model", cats, *extra]
    words += ["--stats", tmp_path / "s.json"]
    line = f"{shlex.join([*COMMAND, *map(str, words)])} {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=False)
    assert done.returncode == 0
    assert json.loads((tmp_path / "s.json").read_text())["results"] == 6


def started(*words: object, **more: object) -> subprocess.Popen:
    command = [*COMMAND, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def wait_for(path: Path, running: subprocess.Popen) -> None:
    """Wait until there are results."""
    while running.poll() is None and not (path.exists() and path.stat().st_size):
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
@pytest.mark.parametrize("source", ["test:pattern", "test:pattern?live=0"], ids=["live", "film"])
def test_a_signal_ends_a_run_with_everything_finished(sign, code, source, cats, tmp_path) -> None:
    paths = [tmp_path / name for name in ("v.mp4", "r.jsonl", "s.json")]
    words = ["--out", paths[0], "--json", paths[1], "--stats", paths[2], "--track"]
    with started("detect", source, "--model", cats, *words) as running:
        wait_for(paths[1], running)
        running.send_signal(sign)
        out, err = running.communicate()
    assert (running.returncode, err) == (code, b"")
    results = rows(paths[1])[0]
    stats = json.loads(paths[2].read_text())
    assert frames_of(paths[0])[0] > 0
    assert len(results) <= stats["results"]
    assert f"results {stats['results']}, ".encode() in out
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_camera_on_a_terminal_has_one_line_that_says_how_it_goes(cats, tmp_path) -> None:
    ours, theirs = pty.openpty()
    source = "test:pattern?fps=50&frames=100"
    words = ["detect", source, "--model", cats, "--json", tmp_path / "r.jsonl"]
    command = [*COMMAND, *map(str, words)]
    assert subprocess.run(command, stderr=theirs, stdout=-3, check=False).returncode == 0
    os.close(theirs)
    drawn = ""
    with contextlib.suppress(OSError):  # EIO: all that was written has been read
        while chunk := os.read(ours, 1000):
            drawn += chunk.decode()
    os.close(ours)
    assert " fps  " in drawn
    assert " ms old  cpu  0 dropped" in drawn
    assert "\n" not in drawn
    assert drawn.endswith("\r\x1b[K")


def test_a_reader_that_goes_away_ends_a_live_run_quietly(cats, tmp_path) -> None:
    words = ["--model", cats, "--json", "-", "--out", tmp_path / "v.avi"]
    with started("detect", "test:pattern", *words) as running:
        first = running.stdout.readline()
        running.stdout.close()
        err = running.stderr.read()
    assert json.loads(first)["source"] == "test:pattern"
    assert running.returncode == 141
    assert b"Traceback" not in err
    assert frames_of(tmp_path / "v.avi")[0] > 0


@pytest.mark.zoo
@pytest.mark.data
def test_a_film_of_people_is_tracked_frame_by_frame(edgecv, zoo, data, tmp_path) -> None:
    film = data / "video" / "one-by-one-person-detection.mp4"
    words = ["--track", "--only", "person", "--max-frames", "300", "--json", tmp_path / "r.jsonl"]
    assert edgecv("detect", film, *words).code == 0
    results = rows(tmp_path / "r.jsonl")[0]
    assert [row["frame"] for row in results] == list(range(300))
    ids = {found["track_id"] for row in results for found in row["detections"]}
    assert 1 <= len(ids) <= 12
