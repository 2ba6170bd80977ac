"""What the sinks that serve or connect share: addresses, options, rates, summaries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from edgecv.errors import OutputError, UnknownNameError
from edgecv.results import Classes, Detections, Embedding, Faces, Mask, Poses, Result
from edgecv.sinks.rate import Rate
from edgecv.sinks.speed import Speed
from edgecv.sinks.summary import counts
from edgecv.sinks.uri import Address, read_address, read_sink_options
from edgecv.types import Size

SIZE = Size(4, 4)
ONES = np.ones(3, np.float32)
BOXES = np.zeros((3, 4), np.float32)


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("mqtt:", Address("", None, "", "", "", "")),
        ("mqtt://", Address("", None, "", "", "", "")),
        ("mqtt://pi.local", Address("pi.local", None, "", "", "", "")),
        ("web://:90", Address("", 90, "", "", "", "")),
        ("web://[::1]:90?a=1&b=2", Address("::1", 90, "", "", "", "a=1&b=2")),
        ("mqtt://a%40b:p%2F%3A%3f@h/x/y/", Address("h", None, "a@b", "p/:?", "x/y", "")),
    ],
)
def test_an_address_is_taken_apart(uri: str, address: Address) -> None:
    assert read_address(uri, "") == address


@pytest.mark.parametrize("uri", ["mqtt:host", "web:8080", "web://host:99999", "web://host:http"])
def test_an_address_that_makes_no_sense_is_refused_with_a_good_one(uri: str) -> None:
    with pytest.raises(OutputError, match="as in web://good:1"):
        read_address(uri, "web://good:1")


def test_a_password_is_in_no_text() -> None:
    address = read_address("mqtt://me:s3cret@host", "")
    assert "s3cret" not in repr(address)
    with pytest.raises(OutputError) as error:
        read_address("mqtt://me:s3cret@host:port", "mqtt://good")
    assert "s3cret" not in str(error.value)


@dataclass(frozen=True)
class Options:
    fps: float = 1.0
    tls: bool = False


def test_options_are_read_and_others_refused() -> None:
    assert read_sink_options("fps=2.5&tls=1", Options) == Options(2.5, True)
    with pytest.raises(UnknownNameError, match="did you mean 'fps'"):
        read_sink_options("fsp=2", Options)
    with pytest.raises(OutputError, match="fps wants a number from 0, got 'fast'"):
        read_sink_options("fps=fast", Options)


@pytest.mark.parametrize(
    ("hz", "every", "seconds", "expected"),
    [
        (0, 0.01, 1.0, 100),
        (15, 1 / 30, 2.0, 30),
        (15, 1 / 40, 2.0, 30),  # on average, though 15 does not divide 40
        (10, 1 / 7, 2.0, 14),
    ],
)
def test_a_rate_lets_through_so_many_on_average(hz, every, seconds, expected) -> None:
    rate = Rate(hz)
    allowed = sum(rate.allows(1e5 + i * every + 1e-9) for i in range(round(seconds / every)))
    assert allowed == pytest.approx(expected, abs=1)


def test_a_rate_makes_up_for_no_pause() -> None:
    rate = Rate(10)
    assert [rate.allows(t) for t in (50.0, 50.01, 60.0, 60.01, 60.09, 60.11)] == [
        *(True, False, True, False, False, True)
    ]


def test_the_speed_is_that_of_the_last_seconds() -> None:
    speed = Speed()
    assert (speed.fps, speed.between) == (0, 0)
    for i in range(100):
        speed.add(i / 10, i)
    for i in range(100):
        speed.add(10 + i / 50, 100 + 2 * i)
    assert speed.fps == pytest.approx(100, rel=0.06)
    assert speed.between == pytest.approx(0.01, rel=0.06)


NAN = np.full(3, np.nan, np.float32)
FACES = {"frame": SIZE, "boxes": BOXES, "scores": ONES, "landmarks": np.zeros((3, 0, 2))}
SUMMARIES: dict[str, tuple[Result, dict[str, int]]] = {
    "objects by class": (
        Detections(
            frame=SIZE, boxes=BOXES, scores=ONES, class_ids=np.array([1, 0, 1]), labels=("a", "b")
        ),
        {"b": 2, "a": 1},
    ),
    "faces nobody was asked about": (Faces(**FACES), {"face": 3}),  # type: ignore[arg-type]
    "faces by name": (
        Faces(**FACES, names=("Ada", None, "Ada"), similarity=ONES),  # type: ignore[arg-type]
        {"Ada": 2, "unknown": 1},
    ),
    "people": (
        Poses(
            frame=SIZE,
            boxes=BOXES,
            scores=ONES,
            keypoints=np.zeros((3, 1, 2), np.float32),
            keypoint_scores=np.zeros((3, 1), np.float32),
        ),
        {"person": 3},
    ),
    "the first class": (
        Classes(frame=SIZE, class_ids=np.array([1, 0, 2]), scores=ONES, labels=("a", "b", "c")),
        {"b": 1},
    ),
    "parts without the background": (
        Mask(frame=SIZE, class_map=np.tri(4, dtype=np.uint8), labels=("background", "cat")),
        {"cat": 1},
    ),
    "nothing of an embedding": (Embedding(frame=SIZE, vector=ONES), {}),
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_a_summary_counts(name: str) -> None:
    result, expected = SUMMARIES[name]
    assert counts(result) == expected
