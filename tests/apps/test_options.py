from __future__ import annotations

import argparse

import pytest
from edgecv.apps import options

from edgecv.labels import LABELS


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    options.add_source_options(parser, "some_model")
    return parser.parse_args(["a.jpg", *words])


def test_a_command_line_without_options_changes_nothing_of_a_spec() -> None:
    assert options.spec_changes(parsed(), "detection") == {}


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["--decoder", "ssd"], {"task": "detection", "decoder": "ssd"}),
        (["--task", "pose"], {"task": "pose"}),
        (["--task", "pose", "--decoder", "ssd"], {"task": "pose", "decoder": "ssd"}),
        (["--mean", "127.5"], {"input": {"mean": [127.5]}}),
        (["--mean", "0"], {"input": {"mean": [0.0]}}),
        (["--std", "58.4,57.1,57.4"], {"input": {"std": [58.4, 57.1, 57.4]}}),
        (["--color", "bgr", "--fit", "crop"], {"input": {"color": "bgr", "fit": "crop"}}),
        (["--labels", "coco_80"], {"labels": "coco_80"}),
        (["--keypoints", "coco_17"], {"keypoints": "coco_17"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_become_fields_of_the_spec(words, changes) -> None:
    assert options.spec_changes(parsed(*words), "detection") == changes


def test_a_label_file_is_found_from_where_the_user_stands(tmp_path, monkeypatch) -> None:
    (tmp_path / "names").write_text("a\nb\n")
    monkeypatch.chdir(tmp_path)
    changes = options.spec_changes(parsed("--labels", "names"), "detection")
    assert changes == {"labels": {"file": str(tmp_path / "names")}}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--score", "2"], "a score lies in 0..1, got 2"),
        (["--score", "-0.1"], "a score lies in 0..1, got -0.1"),
        (["--score", "nan"], "a score lies in 0..1, got nan"),
        (["--score", "high"], "wanted a number, got 'high'"),
        (["--threads", "0"], "threads are a whole number from 1, got 0"),
        (["--threads", "-1"], "threads are a whole number from 1, got -1"),
        (["--threads", "1.5"], "threads are a whole number from 1, got 1.5"),
        (["--mean", "1,x"], "wanted a number, got 'x'"),
        (["--task", "detect"], "invalid choice: 'detect'"),
        (["--color", "gray"], "invalid choice: 'gray'"),
        (["--fit", "pad"], "invalid choice: 'pad'"),
        (["--keypoints", "coco"], "invalid choice: 'coco'"),
        (["--labels", "coco_8"], "no such file: coco_8; no set of labels 'coco_8'; did you mean"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_value_that_makes_no_sense_is_refused(words, said, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        parsed(*words)
    assert said in " ".join(capsys.readouterr().err.split())


def test_the_text_on_labels_names_every_set() -> None:
    parser = argparse.ArgumentParser()
    options.add_spec_options(parser)
    assert all(name in parser.format_help() for name in LABELS)


@pytest.mark.parametrize(("text", "value"), [("-1", -1.0), ("0.5", 0.5), ("1", 1.0)])
def test_a_cosine_lies_between_minus_one_and_one(text, value) -> None:
    assert options.cosine(text) == value


def test_a_cosine_beyond_one_is_refused() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"lies in -1\.\.1, got 1\.1"):
        options.cosine("1.1")


@pytest.mark.parametrize(
    ("text", "value"),
    [("20", 20.0), ("0.5", 0.5), (".5", 0.5), ("90s", 90.0), ("10m", 600.0), (" 1.5h ", 5400.0)],
)
def test_a_time_is_read_in_seconds_minutes_or_hours(text, value) -> None:
    assert options.seconds(text) == value


@pytest.mark.parametrize("text", ["", "0", "0m", "-1", "1d", "m", "1 m", "1m30s", "nan", "1e3"])
def test_what_is_no_time_is_refused(text) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="wanted a time such as 20, 90s, 10m"):
        options.seconds(text)
