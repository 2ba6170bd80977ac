from __future__ import annotations

import io

import pytest

from edgecv import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (7.4, "0:07"), (59.6, "1:00"), (750, "12:30"), (3723, "1:02:03")],
)
def test_a_clock_shows_hours_where_there_are_any(seconds: float, text: str) -> None:
    assert progress.clock(seconds) == text


@pytest.mark.parametrize(
    ("done", "total", "columns", "text"),
    [
        (0, 4, 80, "x   0% |                              | 0/4 [0:06]"),
        (2, 4, 80, "x  50% |###############               | 2/4 [0:06 0:06 left]"),
        (4, 4, 80, "x 100% |##############################| 4/4 [0:06]"),
        (2, 4, 38, "x  50% |####    | 2/4 [0:06 0:06 left]"),
        (2, 4, 20, "x  50% 2/4 [0:06 0:0"),
        (3, 0, 80, "x 3 [0:06]"),
    ],
    ids=["begin", "half", "end", "narrow", "too narrow for a bar", "unknown total"],
)
def test_a_line_shows_part_bar_and_time_left(
    done: int, total: int, columns: int, text: str
) -> None:
    shown = progress.line("x", done, total, 6, columns)
    assert shown == text
    assert len(shown) <= columns


def test_bytes_are_shown_as_megabytes_and_those_from_before_say_nothing_of_the_speed() -> None:
    shown = progress.line("m", 3_000_000, 4_000_000, 2, 60, unit="MB", start=2_000_000)
    assert shown.startswith("m  75% |")
    assert shown.endswith("| 3.0/4.0 MB [0:02 0:02 left]")


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    stream = io.StringIO()
    with progress.bar("work", stream=stream) as report:
        report(1, 2)
    assert stream.getvalue() == ""


def test_a_bar_is_drawn_on_a_terminal_and_gone_at_the_end() -> None:
    stream = Terminal()
    with progress.bar("work", stream=stream) as report:
        report(0, 2)
        report(2, 2)
    assert "work   0%" in stream.getvalue()
    assert "work 100%" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_drawings_in_quick_succession_are_left_out() -> None:
    stream = Terminal()
    with progress.bar("work", stream=stream) as report:
        for done in range(1000):
            report(done, 100_000)
    assert stream.getvalue().count("work") < 1000


def test_a_bar_is_gone_after_an_interruption() -> None:
    stream = Terminal()

    def interrupted() -> None:
        with progress.bar("work", stream=stream) as report:
            report(1, 2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert stream.getvalue().endswith("\r\x1b[K")


def test_tracked_items_are_counted_once_they_are_dealt_with() -> None:
    seen: list[tuple[object, int, int]] = []
    items = progress.track("ab", lambda done, total: seen.append(("report", done, total)), total=2)
    for item in items:
        seen.append((item, -1, -1))
    assert seen == [
        ("report", 0, 2), ("a", -1, -1), ("report", 1, 2), ("b", -1, -1), ("report", 2, 2),
    ]  # fmt: skip
