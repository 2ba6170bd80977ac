from __future__ import annotations

import csv
import io

import numpy as np
from made_rounds import QUIET, made_report, made_round, made_run

from edgecv.bench.measure import STAGES
from edgecv.bench.setting import Setting
from edgecv.bench.tables import HEADING, RIGHT, notes, rows, stage_rows, to_csv

HOT = made_round(after={**QUIET, "temperature_c": 90.0})
FIRST = made_round(np.arange(1, 101), load_ms=321.0, streams={1: 90.0, 4: 250.4}, energy_mj=3.14)
LATER = made_round(np.arange(1, 101), load_ms=30.0, rss_mb=77.0)
TPU = Setting("m_edgetpu.tflite", "coral", "coral:usb:0", 0)
REPORT = made_report(
    made_run(FIRST, LATER), made_run(HOT, setting=TPU, precision="int8"),
    made_run(setting=TPU, rounds=(), error="unplugged"),
)  # fmt: skip


def cells(row: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(HEADING, row, strict=True))


def test_each_run_is_a_row_with_its_headline() -> None:
    found = [cells(row) for row in rows(REPORT)[1:]]
    assert found[0] == {
        "": "1", "model": "tiny.tflite", "precision": "fp32", "runtime": "tflite", "device": "cpu",
        "threads": "1", "p90": "90.00", "p50": "50.00", "p99": "99.00", "per s": "250 (x4)",
        "load": "321", "first": "12", "peak MB": "77", "file MB": "1.5", "mJ": "3.1",
    }  # fmt: skip
    assert [row[""] for row in found] == ["1", "2!", "3!"]
    assert (found[1]["threads"], found[1]["per s"], found[1]["mJ"]) == ("-", "-", "-")


def test_a_run_that_measured_nothing_has_dashes() -> None:
    found = cells(rows(REPORT)[3])
    times = ("p90", "p50", "p99", "per s", "load", "first", "peak MB", "mJ")
    assert {found[name] for name in times} == {"-"}
    assert set(stage_rows(REPORT)[3][5:]) == {"-"}


def test_the_columns_of_numbers_are_those_from_the_threads_on() -> None:
    assert [HEADING[i] for i in RIGHT][:2] == ["threads", "p90"]


def test_each_run_has_a_row_of_its_stages() -> None:
    heading, first = stage_rows(REPORT, "p90")[:2]
    assert heading[5:] == ("read", "preprocess", "inference", "decode", "end to end")
    assert first == ("1", "tiny.tflite", "tflite", "cpu", "1",
                     "18.000", "9.000", "54.000", "9.000", "90.000")  # fmt: skip


def test_the_notes_say_of_which_run_they_are() -> None:
    assert notes(REPORT) == ["2! 90 degrees C", "3! not measured: unplugged"]


def test_csv_has_a_line_for_each_stage_that_was_measured() -> None:
    lines = list(csv.DictReader(io.StringIO(to_csv(REPORT))))
    assert [line["stage"] for line in lines] == [*STAGES, *STAGES]
    assert {line["model"] for line in lines} == {"tiny.tflite", "m_edgetpu.tflite"}
    whole = lines[4]
    assert (whole["min_ms"], whole["p99_ms"], whole["passes"]) == ("1.0000", "99.0000", "200")
    assert [whole["valid"], lines[-1]["valid"]] == ["yes", "no"]
    assert [whole["threads"], lines[-1]["threads"]] == ["1", ""]


def test_csv_quotes_names_with_commas() -> None:
    odd = Setting('a,"b".tflite', "tflite", "cpu", 1)
    lines = list(csv.DictReader(io.StringIO(to_csv(made_report(made_run(setting=odd))))))
    assert lines[0]["model"] == 'a,"b".tflite'
