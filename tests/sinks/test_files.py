"""The sinks that write files: JSON lines, pictures and videos."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgecv.errors import OutputError, UnknownNameError
from edgecv.results import Detections, Latency, RunInfo
from edgecv.sinks import Event, Output, Sink, open_sink
from edgecv.sinks.images import Images
from edgecv.sinks.jsonl import JsonLines
from edgecv.sinks.video import Video
from edgecv.stats import Stats
from edgecv.types import Frame, Size

RUN = RunInfo("m", "tflite", "cpu", Latency(1.0, 2.0, 3.0, 6.0))


def output(index: int = 0, *, source: str = "a.jpg", size: Size = Size(48, 64)) -> Output:
    image = np.full((*size, 3), 10 * index % 256, np.uint8)
    found = Detections(
        frame=size,
        boxes=np.array([[5, 5, 40, 40]], np.float32),
        scores=np.array([0.9], np.float32),
        class_ids=np.array([0]),
        labels=("cat",),
        run=RUN,
    )
    return Output(Frame(image, index, 100 + index / 20, source), found, Stats(), {"count": index})


def noisy(index: int) -> Output:
    """A picture of 100 kB that no codec makes small."""
    made = output(index, size=Size(240, 320))
    noise = np.random.default_rng(index).integers(0, 255, (240, 320, 3), np.uint8)
    return made._replace(frame=replace(made.frame, image=noise))


def fill(sink: Sink, outputs: Iterable[Output]) -> None:
    for made in outputs:
        sink.write(made)


def test_a_line_of_json_says_where_what_and_how_long(tmp_path: Path) -> None:
    sink = open_sink(f"jsonl:{tmp_path / 'deep' / 'r.jsonl'}")
    sink.write(output(3))
    sink.event(Event("device_lost", "coral is lost", 5.0, {"device": "coral"}))
    sink.close()
    first, second = map(json.loads, (tmp_path / "deep" / "r.jsonl").read_text().splitlines())
    assert first == {
        "source": "a.jpg",
        "frame": 3,
        "width": 64,
        "height": 48,
        "model": "m",
        "runtime": "tflite",
        "device": "cpu",
        "latency_ms": {"preprocess": 1.0, "inference": 2.0, "decode": 3.0, "total": 6.0},
        "detections": [{"label": "cat", "class_id": 0, "score": 0.9, "box": [5, 5, 40, 40]}],
        "count": 3,
    }
    assert second["event"] == "device_lost"
    assert second["device"] == "coral"


def test_lines_are_there_while_the_run_goes_on(tmp_path: Path) -> None:
    sink = JsonLines(str(tmp_path / "r.jsonl"))
    sink.write(output())
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 1
    sink.close()


def test_standard_output_is_written_and_left_open(capsys) -> None:
    sink = open_sink("jsonl:-")
    sink.write(output())
    sink.close()
    assert json.loads(capsys.readouterr().out)["frame"] == 0
    print("still open")  # noqa: T201


def test_a_full_disk_is_told() -> None:
    sink = JsonLines("/dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        sink.write(output())
    with pytest.raises(OutputError, match="No space left on device"):
        sink.close()


def test_pictures_are_named_after_their_source_and_never_overwrite_each_other(tmp_path) -> None:
    sink = Images(tmp_path / "out")
    for index, source in enumerate(("x/a.jpg", "y/a.jpg", "b.png", "", "z/A.jpg", "b.bmp")):
        sink.write(output(index, source=source))
    sink.write(output(1, source="w/a.jpg"))  # the number is taken as well
    sink.close()
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert names == [
        *("A_000004.jpg", "a.jpg", "a_000001.jpg", "a_000002.jpg"),
        *("b.png", "b_000005.png", "frame.jpg"),
    ]
    drawn = cv2.imread(str(tmp_path / "out" / "b.png"))
    assert (drawn != 20).any()


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_a_video_has_every_frame_at_the_speed_of_their_capture(suffix, tmp_path: Path) -> None:
    path = tmp_path / f"v{suffix}"
    sink = open_sink(str(path))
    for index in range(40):
        sink.write(output(index))
    assert not path.exists()
    sink.close()
    video = cv2.VideoCapture(str(path))
    assert int(video.get(cv2.CAP_PROP_FRAME_COUNT)) == 40
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(20, rel=0.01)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_short_video_and_an_empty_one_are_finished(tmp_path: Path) -> None:
    short = Video(tmp_path / "short.mp4")
    short.write(output())
    short.close()
    assert cv2.VideoCapture(str(tmp_path / "short.mp4")).read()[0]
    empty = Video(tmp_path / "empty.mp4")
    empty.close()
    assert [file.name for file in tmp_path.iterdir()] == ["short.mp4"]


def test_a_video_goes_on_when_the_frames_change_their_size(tmp_path: Path) -> None:
    sink = Video(tmp_path / "v.avi", fps=20)
    sink.write(output(0))
    sink.write(output(1, size=Size(96, 128)))
    sink.close()
    video = cv2.VideoCapture(str(tmp_path / "v.avi"))
    assert [video.read()[1].shape for _ in range(2)] == [(48, 64, 3)] * 2


def test_a_folder_for_pictures_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file; wanted a folder"):
        open_sink(str(tmp_path / "file"))


def test_an_unknown_kind_of_sink_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'jsonl'"):
        open_sink("json:results")


def test_a_window_without_a_screen_is_refused_with_what_to_do(monkeypatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(OutputError, match="use --web for a page in a browser"):
        open_sink("display")


def test_a_full_disk_leaves_whole_lines_alone(mounted) -> None:
    path = mounted("size=16k") / "r.jsonl"
    sink = JsonLines(str(path))
    with pytest.raises(OutputError, match="No space left on device"):
        fill(sink, map(output, range(200)))
    with contextlib.suppress(OutputError):
        sink.close()
    text = path.read_text()
    assert text.endswith("\n")
    assert [json.loads(line)["frame"] for line in text.splitlines()] == list(
        range(text.count("\n"))
    )


def test_a_video_is_finished_while_the_disk_has_room_for_it(mounted) -> None:
    path = mounted("size=7m") / "v.avi"
    sink = Video(path, fps=20)
    with pytest.raises(
        OutputError, match=r"the disk is nearly full; the video ends after \d+ frames"
    ):
        fill(sink, map(noisy, range(2000)))
    sink.close()
    frames = int(cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT))
    assert frames >= 8


def test_a_video_of_a_film_has_the_film_s_speed(tmp_path: Path) -> None:
    sink = Video(tmp_path / "v.avi")
    for index in range(40):  # read at 20 frames a second from a film of 12
        made = output(index)
        sink.write(made._replace(frame=replace(made.frame, position=index / 12)))
    sink.close()
    speed = cv2.VideoCapture(str(tmp_path / "v.avi")).get(cv2.CAP_PROP_FPS)
    assert speed == pytest.approx(12, rel=0.01)


def test_what_an_app_adds_is_drawn_by_every_sink(tmp_path: Path) -> None:
    def red(image, result, extra):
        image[:] = (0, 0, 250 + extra["count"])
        return image

    sink = Images(tmp_path)
    sink.write(output(1, source="a.png")._replace(overlay=red))
    assert (cv2.imread(str(tmp_path / "a.png")) == (0, 0, 251)).all()
