from __future__ import annotations

import time

import cv2
import numpy as np
import pytest

from edgecv.errors import SourceError
from edgecv.sources import open_source
from edgecv.sources.pattern import Pattern, PatternOptions, read_number


def test_each_picture_carries_its_number_and_everything_moves() -> None:
    source = open_source("test:pattern?fps=0&frames=300&width=320&height=240")
    frames = list(source)
    assert [read_number(frame.image) for frame in frames] == list(range(300))
    assert [frame.index for frame in frames] == list(range(300))
    assert frames[0].image.shape == (240, 320, 3)
    moved = frames[7].image[60:] != frames[8].image[60:]
    assert moved.mean() > 0.3


@pytest.mark.parametrize("number", [0, 1, 255, 256, 2**24 - 1])
def test_any_number_of_24_bits_can_be_read(number) -> None:
    source = Pattern(PatternOptions(width=64, height=32, fps=0))
    source._index = number
    assert read_number(next(source).image) == number


@pytest.mark.parametrize("size", [(1280, 720), (320, 180), (77, 51)])
def test_the_number_survives_scaling_and_compression(size) -> None:
    source = Pattern(PatternOptions(fps=0))
    for frame in (next(source) for _ in range(20)):
        small = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
        assert read_number(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)) == frame.index


@pytest.mark.parametrize(
    "image",
    [np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 255, np.uint8)],
    ids=["black", "white"],
)
def test_other_pictures_carry_no_number(image) -> None:
    with pytest.raises(ValueError, match="no readable frame number"):
        read_number(image)


def test_a_torn_picture_is_noticed() -> None:
    source = Pattern(PatternOptions(fps=0))
    first, second = next(source).image, next(source).image
    torn = np.concatenate([first[:200], second[200:]])
    with pytest.raises(ValueError, match="no readable frame number"):
        read_number(torn)


def test_capture_times_lie_exactly_on_the_schedule() -> None:
    source = Pattern(PatternOptions(width=64, height=32, fps=200, frames=50))
    start = time.monotonic()
    frames = list(source)
    assert time.monotonic() - start > 49 / 200
    times = np.array([frame.time for frame in frames])
    np.testing.assert_allclose(times - times[0], np.arange(50) / 200, atol=1e-9)
    assert frames[49].position == 49 / 200


def test_a_frame_is_not_given_out_before_it_is_due() -> None:
    for frame in Pattern(PatternOptions(width=64, height=32, fps=100, frames=20)):
        assert frame.time <= time.monotonic()


def test_a_closed_pattern_gives_no_more() -> None:
    source = Pattern(PatternOptions(fps=1))
    next(source)
    source.close()
    assert list(source) == []


def test_it_is_a_camera_unless_told_otherwise() -> None:
    assert open_source("test:pattern").live
    assert not open_source("test:pattern?live=0").live


def test_too_small_a_picture_for_its_number_is_refused() -> None:
    with pytest.raises(SourceError, match="at least 64x32 pixels, got 40x480"):
        open_source("test:pattern?width=40")
