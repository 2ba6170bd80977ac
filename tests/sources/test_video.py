from __future__ import annotations

import logging
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from cameras import jpegs, write_video

from edgecv.errors import SourceError
from edgecv.sources import open_source
from edgecv.sources.pattern import Pattern, PatternOptions, read_number
from edgecv.sources.video import Video


def cut(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def with_index_first(path: Path) -> Path:
    """Move an MP4's index to its beginning, where a cut at the end spares it."""
    data, boxes, at = path.read_bytes(), [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        boxes.append(data[at : at + length])
        at += length
    moov = next(box for box in boxes if box[4:8] == b"moov")
    others = [box for box in boxes if box is not moov]
    place = moov.index(b"stco") + 12
    count = int.from_bytes(moov[place - 4 : place], "big")
    offsets = np.frombuffer(moov[place : place + 4 * count], ">u4") + len(moov)
    moov = moov[:place] + offsets.astype(">u4").tobytes() + moov[place + 4 * count :]
    path.write_bytes(others[0] + moov + b"".join(others[1:]))
    return path


@pytest.mark.parametrize(
    ("name", "fourcc"),
    [("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.MKV", "MJPG"), ("a.mov", "mp4v")],
    ids=["mp4", "avi", "mkv", "mov"],
)
def test_every_frame_of_a_video_comes_in_order_with_its_place_in_time(
    tmp_path, name, fourcc
) -> None:
    path = write_video(tmp_path / name, 50, fourcc=fourcc)
    source = open_source(path)
    assert isinstance(source, Video)
    assert (len(source), source.fps, source.live) == (50, 25.0, False)
    before = time.monotonic()
    frames = list(source)
    assert [read_number(frame.image) for frame in frames] == list(range(50))
    assert [frame.index for frame in frames] == list(range(50))
    np.testing.assert_allclose([f.position for f in frames], np.arange(50) / 25, atol=1e-6)
    assert all(before <= frame.time <= time.monotonic() for frame in frames)
    assert {frame.source for frame in frames} == {str(path)}


def test_every_frame_of_an_animated_gif_comes(tmp_path) -> None:
    animation = cv2.Animation()
    pattern = Pattern(PatternOptions(width=320, height=240, fps=0, frames=6))
    animation.frames = [cv2.cvtColor(f.image, cv2.COLOR_BGR2BGRA) for f in pattern]
    animation.durations = [100] * 6
    assert cv2.imwriteanimation(str(tmp_path / "a.gif"), animation)
    frames = list(open_source(tmp_path / "a.gif"))
    assert [read_number(frame.image) for frame in frames] == list(range(6))


def test_a_video_is_known_whatever_its_name(tmp_path) -> None:
    for suffix in (".mp4", ".avi", ".mkv"):
        path = write_video(tmp_path / f"a{suffix}", 5, fourcc="MJPG")
        assert len(list(open_source(path.rename(tmp_path / "upload")))) == 5


@pytest.mark.parametrize("kind", ["avi", "mkv", "mp4"])
def test_a_truncated_video_gives_what_there_is_and_ends_with_a_warning(
    tmp_path, caplog, kind
) -> None:
    path = write_video(tmp_path / f"a.{kind}", 60, fourcc="MJPG")
    cut(with_index_first(path) if kind == "mp4" else path, 0.5)
    with caplog.at_level(logging.WARNING):
        frames = list(open_source(path))
    # the last may be cut through the middle
    numbers = [read_number(frame.image) for frame in frames[:-1]]
    assert numbers == list(range(len(numbers)))
    assert 24 <= len(frames) <= 32
    (record,) = caplog.records
    assert f"ends early, after {len(frames)} of 60 frames" in record.message


def test_a_whole_video_ends_without_a_warning(tmp_path, caplog) -> None:
    for name, fourcc in (("a.mp4", "mp4v"), ("a.avi", "MJPG"), ("a.mkv", "MJPG")):
        list(open_source(write_video(tmp_path / name, 30, fourcc=fourcc)))
    assert caplog.records == []


def test_an_mp4_without_its_index_is_told_from_no_video(tmp_path) -> None:
    path = cut(write_video(tmp_path / "a.mp4", 60), 0.5)
    with pytest.raises(SourceError, match=r"a\.mp4 was cut short: an MP4 without its index"):
        open_source(path)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.mp4", b"", "is empty"),
        ("a.avi", b"no video at all", "is no video that OpenCV's FFmpeg can read"),
        ("a.mp4", b"no video at all", "is no video that OpenCV's FFmpeg can read"),
    ],
)
def test_a_file_that_is_no_video_is_an_error(tmp_path, name, content, said) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=said):
        open_source(tmp_path / name)


def test_a_missing_video_is_answered_by_the_nearest(tmp_path) -> None:
    write_video(tmp_path / "cars.mp4", 1)
    with pytest.raises(SourceError, match=r"no such file.*car\.mp4; did you mean .*cars\.mp4"):
        open_source(tmp_path / "car.mp4")


def test_a_closed_video_gives_no_more(tmp_path) -> None:
    source = open_source(write_video(tmp_path / "a.mp4", 10))
    next(source)
    source.close()
    source.close()
    assert list(source) == []


def test_a_video_with_a_question_mark_in_its_name_is_found(tmp_path) -> None:
    path = write_video(tmp_path / "a.mp4", 4).rename(tmp_path / "what?loop=1.mp4")
    assert len(list(open_source(path))) == 4


@pytest.mark.data
def test_real_clips_are_read_to_their_end(data, caplog) -> None:
    clips = sorted((data / "video").glob("*.mp4"))
    assert clips
    for clip in clips[:2]:
        source = open_source(clip)
        positions = [frame.position for frame in source]
        assert abs(len(positions) - len(source)) <= 1
        assert positions == sorted(positions)
    assert caplog.records == []


def test_a_video_that_changes_its_size_goes_on_at_the_first_one(tmp_path) -> None:
    pictures = (*jpegs(4), *jpegs(4, 480, 640), *jpegs(4, 96, 128))
    (tmp_path / "a.mjpeg").write_bytes(b"".join(pictures))
    frames = list(open_source(tmp_path / "a.mjpeg"))
    assert [read_number(frame.image) for frame in frames] == [0, 1, 2, 3] * 3
    assert {frame.image.shape for frame in frames} == {(240, 320, 3)}  # scaled by OpenCV
