from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from edgecv.errors import SourceError, UnknownNameError
from edgecv.sources.options import read_options, split_path


@dataclass(frozen=True)
class Options:
    width: int = 640
    fps: float = 30.0
    loop: bool = False
    fourcc: str = "MJPG"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", Options()),
        ("width=1280&fps=12.5", Options(1280, 12.5)),
        ("loop=1", Options(loop=True)),
        ("loop=False", Options(loop=False)),
        ("fourcc=YUYV&", Options(fourcc="YUYV")),
    ],
)
def test_values_are_of_the_type_of_the_default(query, wanted) -> None:
    assert read_options(query, Options) == wanted


def test_an_unknown_option_is_answered_by_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no option 'widht'; did you mean 'width'"):
        read_options("widht=3", Options)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("width=wide", "width wants a whole number from 0, got 'wide'"),
        ("width=1.5", "width wants a whole number from 0, got '1.5'"),
        ("width=-1", "width wants a whole number from 0, got '-1'"),
        ("fps=nan", "fps wants a number from 0, got 'nan'"),
        ("fps=inf", "fps wants a number from 0, got 'inf'"),
        ("loop=maybe", "loop wants 1 or 0, got 'maybe'"),
        ("loop", "loop wants a value: loop="),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_wanted(query, said) -> None:
    with pytest.raises(SourceError, match=said):
        read_options(query, Options)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("clip.mp4?loop=1&fps=3", ("clip.mp4", "loop=1&fps=3")),
        ("photo?.jpg", ("photo?.jpg", "")),
        ("photo?.jpg?loop=1", ("photo?.jpg", "loop=1")),
        ("a=b?/c.jpg", ("a=b?/c.jpg", "")),
        ("clip.mp4", ("clip.mp4", "")),
    ],
)
def test_options_of_a_path_are_told_from_its_question_marks(text, wanted) -> None:
    assert split_path(text) == wanted


def test_a_file_of_exactly_that_name_has_no_options(tmp_path: Path) -> None:
    path = tmp_path / "what?loop=1"
    assert split_path(str(path)) == (str(tmp_path / "what"), "loop=1")
    path.touch()
    assert split_path(str(path)) == (str(path), "")
