from __future__ import annotations

import logging

import pytest

from edgecv.errors import DataError
from edgecv.training.data.bad import Problems


def listed(max_bad: float, bad: int) -> Problems:
    problems = Problems(max_bad)
    for number in range(bad):
        problems.skip(f"{number}.jpg", "is cut short")
    return problems


@pytest.mark.parametrize(
    ("max_bad", "bad", "total", "refused"),
    [
        (0.01, 1, 100, False),
        (0.01, 2, 100, True),
        (0.0, 1, 1000, True),
        (0.0, 0, 10, False),
        (1.0, 10, 10, False),
    ],
)
def test_more_bad_pictures_than_the_limit_are_refused(
    max_bad: float, bad: int, total: int, refused: bool
) -> None:
    problems = listed(max_bad, bad)
    if not refused:
        problems.check("set", total)
        return
    with pytest.raises(DataError, match=f"set: {bad} of {total} pictures cannot be used"):
        problems.check("set", total)


def test_the_error_shows_a_few_and_counts_the_rest() -> None:
    with pytest.raises(DataError, match=r"0\.jpg: is cut short; .*4\.jpg.*and 3 more"):
        listed(0.0, 8).check("set", 8)


def test_a_picture_with_two_faults_counts_once() -> None:
    problems = Problems(0.1)
    problems.skip("a.jpg", "one")
    problems.skip("a.jpg", "two")
    problems.check("set", 10)
    assert problems.lines() == ["skipped: a.jpg: one", "skipped: a.jpg: two"]


def test_what_was_skipped_or_mended_is_said_aloud(caplog: pytest.LogCaptureFixture) -> None:
    problems = listed(0.5, 1)
    problems.mend("b.jpg", "a box was cut")
    with caplog.at_level(logging.WARNING):
        problems.check("set", 4)
    assert "1 of 4 pictures skipped: 0.jpg: is cut short" in caplog.text
    assert "1 marks mended or left out: b.jpg: a box was cut" in caplog.text


def test_what_is_odd_about_the_whole_set_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    problems = Problems()
    problems.note("set", "no box of a class")
    assert "set: no box of a class" in caplog.text
    assert problems.lines() == ["noted: set: no box of a class"]
    problems.check("set", 4)
    assert caplog.text.count("no box") == 1


@pytest.mark.parametrize("max_bad", [-0.1, 1.5])
def test_the_limit_is_a_part(max_bad: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        Problems(max_bad)
