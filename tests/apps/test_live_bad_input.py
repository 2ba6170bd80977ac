"""What goes wrong with films, cameras and outputs, what the command says, and how it ends."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

SOURCE = "test:pattern?width=320&height=240&fps=60&frames=40"


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


Words = list[object]
# name -> what follows "detect --model cats", the exit code, and what is said on stderr
USAGE: dict[str, tuple[Words, str]] = {
    "zone without a name": (["--zone", "0,0;1,0;1,1"], "there is no name in '0,0;1,0;1,1'"),
    "zone of two points": (["--zone", "z:0,0;1,0"], "wanted 3 or more points"),
    "zone of letters": (["--zone", "z:a,b;c,d;e,f"], "'a,b' in 'z:a,b;c,d;e,f' is no point"),
    "zone without area": (["--zone", "z:0,0;1,1;0.5,0.5"], "enclose no area"),
    "line of three points": (["--line", "l:0,0;1,1;2,2"], "a line is NAME:X,Y;X,Y"),
    "page in place of a source": (["--web", "0"], "wanted HOST:PORT, got '0'"),
    "no frames": (["--max-frames", "0"], "frames are a whole number from 1, got 0"),
    "no class": (["--only", ","], "wanted names with commas between them"),
}
NAMES: dict[str, tuple[Words, str]] = {
    "unknown kind of output": (["--out", "ftp:x"], "no kind of sink 'ftp'"),
    "misspelt kind of output": (["--out", "json:x"], "did you mean 'jsonl'?"),
    "unknown second device": (["--device", "cpu,nonsense"], "no device 'nonsense'"),
    "snapshots of nothing": (["--snapshot", "seen"], "--snapshot needs --zone or --line"),
    "unknown device behind one that is lost": (["--device", "coral,nonsens"], "'nonsens'"),
}


@pytest.mark.parametrize("case", USAGE)
def test_options_that_make_no_sense_show_the_usage(case, edgecv, cats) -> None:
    words, said = USAGE[case]
    ran = edgecv("detect", SOURCE, "--model", cats, *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in " ".join(ran.err.split())
    assert f"argument {words[0]}" in ran.err


@pytest.mark.parametrize("case", NAMES)
def test_unknown_names_are_told_with_the_nearest(case, edgecv, cats) -> None:
    words, said = NAMES[case]
    ran = edgecv("detect", SOURCE, "--model", cats, *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("joint", "said"),
    [
        ("knee", "wanted JOINT:LOW:HIGH"),
        ("knee:a:b", "wanted JOINT:LOW:HIGH"),
        ("nose:10:20", "no angle 'nose'"),
        ("knee:150:100", "wanted 0 <= low < high <= 180 degrees"),
    ],
)
def test_what_cannot_be_counted_is_told(joint, said, edgecv, stick) -> None:
    ran = edgecv("pose", SOURCE, "--model", stick, "--count", joint)
    assert (ran.code, ran.out) == (2, "")
    assert said in " ".join(ran.err.split())


def cut_film(folder: Path) -> Path:
    """Write a film that breaks off in the middle of a frame."""
    whole = folder / "whole.avi"
    writer = cv2.VideoWriter(str(whole), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 64))
    for number in range(40):
        writer.write(np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8))
    writer.release()
    data = whole.read_bytes()
    path = folder / "cut.avi"
    path.write_bytes(data[: len(data) // 2])
    return path


def no_index(folder: Path) -> Path:
    path = folder / "cut.mp4"
    path.write_bytes(b"\0\0\0\x14ftypisom\0\0\2\0isom" + b"\0\0\4\0mdat" + bytes(600))
    return path


Place = Callable[[Path], object]
SOURCES: dict[str, tuple[Place, str]] = {
    "camera that is not there": (lambda folder: "/dev/video97", "/dev/video97"),
    "film that is not there": (lambda folder: folder / "gone.mp4", "no such file or folder"),
    "film without its index": (no_index, "was cut short: an MP4 without its index"),
    "stream that nobody sends": (
        lambda folder: "rtsp://user:secret@127.0.0.1:9/x", "nothing listens on that port",
    ),
    "unknown option": (lambda folder: "test:pattern?fsp=3", "no option 'fsp'; did you mean 'fps'"),
}  # fmt: skip


@pytest.mark.parametrize("case", SOURCES)
def test_a_source_that_is_not_there_is_one_line(case, edgecv, cats, tmp_path) -> None:
    make, said = SOURCES[case]
    ran = edgecv("detect", make(tmp_path), "--model", cats)
    assert ran.code in (1, 2)
    assert (ran.out, ran.err.count("\n")) == ("", 1)
    assert said in ran.err
    assert "secret" not in ran.err


def test_a_film_that_breaks_off_is_seen_to_there_and_told(edgecv, cats, tmp_path) -> None:
    ran = edgecv("detect", cut_film(tmp_path), "--model", cats, "--json", tmp_path / "r.jsonl")
    lines = (tmp_path / "r.jsonl").read_text().splitlines()
    assert ran.code == 0
    assert 5 < len(lines) < 40
    assert "ends early, after" in ran.err
    assert ran.err.count("\n") == 1


def test_a_port_in_use_is_told_with_a_free_one(edgecv, cats, used_port, tmp_path) -> None:
    out = tmp_path / "r.jsonl"
    words = ["--out", f"web://127.0.0.1:{used_port}", "--json", out]
    ran = edgecv("detect", SOURCE, "--model", cats, *words)
    assert (ran.code, ran.out) == (1, "")
    assert f"port {used_port} of 127.0.0.1 is in use; free is web://127.0.0.1:" in ran.err
    assert ran.err.count("\n") == 1


def test_a_run_goes_on_without_a_broker(edgecv, cats, used_port, tmp_path) -> None:
    pytest.importorskip("paho.mqtt")
    out = tmp_path / "r.jsonl"
    words = ["--out", "mqtt://127.0.0.1:9/edgecv", "--json", out]
    ran = edgecv("detect", SOURCE, "--model", cats, *words)
    results = [json.loads(line) for line in out.read_text().splitlines()]
    assert len([row for row in results if "frame" in row]) == 40
    assert "Traceback" not in ran.err


def noise(folder: Path, frames: int = 150) -> Path:
    path = folder / "noise.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (320, 240))
    for number in range(frames):
        writer.write(np.random.default_rng(number).integers(0, 255, (240, 320, 3), np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "with another output"])
def test_a_full_disk_ends_the_recording_and_not_the_run(
    others, edgecv, cats, mounted, tmp_path
) -> None:
    film, disk = noise(tmp_path), mounted("size=6m")
    words = ["--out", disk / "v.avi", *(["--json", tmp_path / "r.jsonl"] if others else [])]
    ran = edgecv("detect", film, "--model", cats, *words)
    assert ran.code == 1
    assert "v.avi: the disk is nearly full; the video ends after" in ran.err
    assert ran.err.count("\n") == 1
    assert cv2.VideoCapture(str(disk / "v.avi")).read()[0]
    if others:
        results = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
        assert len([row for row in results if "frame" in row]) == 150
        assert [row["event"] for row in results if "event" in row] == ["sink_failed"]


def test_figures_that_cannot_be_written_are_told(edgecv, cats, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    ran = edgecv("detect", SOURCE, "--model", cats, "--stats", tmp_path / "file" / "s.json")
    assert ran.code == 1
    assert "s.json: " in ran.err
    assert ran.err.count("\n") == 1


def test_a_film_is_not_written_over(edgecv, cats, tmp_path) -> None:
    film = noise(tmp_path, frames=3)
    before = film.read_bytes()
    ran = edgecv("detect", f"{film}?realtime=1", "--model", cats, "--out", film)
    assert (ran.code, ran.out) == (1, "")
    assert "noise.avi is one of the videos: give another file to --out" in ran.err
    assert film.read_bytes() == before


GALLERIES = {
    "no gallery": (b"hello, this is a text" * 9, "is no face gallery"),
    "empty": (b"", "is empty"),
    "damaged": (b"SQLite format 3\0" + bytes(200), "another program, no face gallery"),
}


@pytest.mark.zoo
@pytest.mark.parametrize("case", GALLERIES)
def test_a_gallery_that_is_none_is_refused_and_left_as_it_is(case, edgecv, zoo, tmp_path) -> None:
    content, said = GALLERIES[case]
    path = tmp_path / "g.db"
    path.write_bytes(content)
    ran = edgecv("face", SOURCE, "--gallery", path)
    assert (ran.code, ran.out) == (1, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert path.read_bytes() == content


def test_the_loss_of_all_devices_at_the_start_is_one_line(edgecv, cats) -> None:
    ran = edgecv("detect", SOURCE, "--model", cats, "--device", "coral,cuda")
    assert ran.code == 1
    assert "coral" in ran.err
    assert "cuda" in ran.err
