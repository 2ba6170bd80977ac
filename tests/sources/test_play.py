from __future__ import annotations

import time
from itertools import islice

import cv2
import numpy as np
import pytest
from cameras import write_video

from edgecv.errors import ImageError
from edgecv.sources import open_source
from edgecv.sources.files import Files
from edgecv.sources.pattern import read_number


def test_a_looped_video_begins_again_and_counts_on(tmp_path) -> None:
    write_video(tmp_path / "a.mp4", 5)
    source = open_source(f"{tmp_path}/a.mp4?loop=1")
    frames = list(islice(source, 13))
    assert [frame.index for frame in frames] == list(range(13))
    assert [read_number(frame.image) for frame in frames] == [i % 5 for i in range(13)]
    np.testing.assert_allclose([f.position for f in frames], np.arange(13) / 25, atol=1e-6)
    assert not source.live
    source.close()
    assert list(source) == []


def test_a_video_in_real_time_keeps_to_its_own_clock(tmp_path) -> None:
    write_video(tmp_path / "a.mp4", 20, fps=50)
    source = open_source(f"{tmp_path}/a.mp4?realtime=1")
    assert source.live
    start = time.monotonic()
    frames = list(source)
    assert time.monotonic() - start > 19 / 50
    times = np.array([frame.time for frame in frames])
    np.testing.assert_allclose(times - times[0], np.arange(20) / 50, atol=1e-6)


def test_another_rate_may_be_given(tmp_path) -> None:
    write_video(tmp_path / "a.mp4", 10, fps=5)
    source = open_source(f"{tmp_path}/a.mp4?realtime=1&fps=100")
    times = np.array([frame.time for frame in source])
    np.testing.assert_allclose(times - times[0], np.arange(10) / 100, atol=1e-6)


def test_pictures_may_be_shown_in_a_loop_by_the_clock(tmp_path) -> None:
    for i in range(3):
        assert cv2.imwrite(f"{tmp_path}/{i}.png", np.full((4, 6, 3), i, np.uint8))
    source = open_source(f"{tmp_path}?loop=1&realtime=1&fps=50")
    frames = list(islice(source, 7))
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [0, 1, 2, 0, 1, 2, 0]
    times = np.array([frame.time for frame in frames])
    np.testing.assert_allclose(times - times[0], np.arange(7) / 50, atol=1e-6)


def test_a_loop_goes_on_behind_a_damaged_picture_and_ends_if_all_are(tmp_path) -> None:
    assert cv2.imwrite(f"{tmp_path}/a.png", np.zeros((4, 6, 3), np.uint8))
    (tmp_path / "b.png").write_text("no picture")
    source = open_source(f"{tmp_path}?loop=1")
    for _ in range(2):
        assert next(source).image.shape == (4, 6, 3)
        with pytest.raises(ImageError):
            next(source)
    (tmp_path / "a.png").write_text("no picture")
    source = open_source(f"{tmp_path}?loop=1")
    for _ in range(2):
        with pytest.raises(ImageError):
            next(source)
    with pytest.raises(StopIteration):
        next(source)


def test_closing_ends_the_wait_for_the_next_frame(tmp_path) -> None:
    write_video(tmp_path / "a.mp4", 5)
    source = open_source(f"{tmp_path}/a.mp4?realtime=1&fps=0.01")
    next(source)
    source.close()
    assert list(source) == []


def test_without_options_nothing_stands_between(tmp_path) -> None:
    assert cv2.imwrite(f"{tmp_path}/a.png", np.zeros((4, 6, 3), np.uint8))
    assert isinstance(open_source(f"file://{tmp_path}/a.png"), Files)
