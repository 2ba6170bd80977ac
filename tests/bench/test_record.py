from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_rounds import made_report, made_round, made_run

from edgecv.bench import record
from edgecv.bench.page import render
from edgecv.bench.record import SCHEMA, read_report, to_json, write_report
from edgecv.bench.tables import notes, rows, stage_rows, to_csv
from edgecv.errors import DataError, OutputError


def whole():
    """A report that uses every field."""
    rounds = (
        made_round(np.linspace(9, 12, 40), streams={1: 90.0, 2: 150.0}, energy_mj=3.0),
        (made_round(np.linspace(9, 13, 30), error="gone", fallback="coral: unplugged")),
    )
    run = made_run(*rounds, metric="top1", accuracy=0.7, error="gone")
    empty = made_run(error="no such device", rounds=())
    return made_report(run, empty, complete=False, notes="a fan", extra={"sustained": None})


def test_figures_are_times_that_were_measured() -> None:
    run = made_run(made_round(np.arange(1, 61)), made_round(np.arange(61, 101)))
    figures = {"min": 1, "p50": 50, "p90": 90, "p95": 95, "p99": 99}
    assert run.figures() == figures
    assert run.figures("inference") == pytest.approx({k: 0.6 * v for k, v in figures.items()})
    assert len(run.samples()) == 100


def test_a_run_without_rounds_has_no_figures() -> None:
    run = made_run(rounds=())
    assert (run.figures(), run.streams, run.energy_mj, len(run.samples())) == ({}, {}, None, 0)


def test_streams_and_energy_are_those_of_all_rounds() -> None:
    energies = (2.0, None, 9.0, 4.0)
    rounds = [made_round(energy_mj=e, streams={i: 10.0 * i}) for i, e in enumerate(energies)]
    run = made_run(*rounds)
    assert run.energy_mj == 4.0
    assert run.streams == {0: 0.0, 1: 10.0, 2: 20.0, 3: 30.0}


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    report = whole()
    write_report(tmp_path / "new" / "b.json", report)
    found = read_report(tmp_path / "new" / "b.json")
    assert to_json(found) == to_json(report)
    assert found.runs[0].streams == {1: 90.0, 2: 150.0}
    assert found.runs[0].rounds[0].warmup == report.runs[0].rounds[0].warmup
    np.testing.assert_allclose(found.runs[0].samples(), report.runs[0].samples(), atol=5e-5)
    assert (found.complete, found.notes, found.extra) == (False, "a fan", {"sustained": None})


def test_the_json_says_what_it_is_and_what_is_not_valid(tmp_path: Path) -> None:
    write_report(tmp_path / "b.json", whole())
    values = json.loads((tmp_path / "b.json").read_text())
    assert values["schema"] == SCHEMA
    assert [run["valid"] for run in values["runs"]] == [False, False]
    assert "incomplete: gone" in values["runs"][0]["stamps"]
    assert values["runs"][0]["figures_ms"]["end_to_end"]["min"] == 9.0
    assert values["runs"][1]["figures_ms"]["end_to_end"] == {}
    assert len(values["runs"][0]["rounds"][0]["samples_ms"]["decode"]) == 40


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_report(tmp_path / "file" / "b.json", made_report())


WRONG = {
    "another version": ({**to_json(made_report()), "schema": "edgecv.bench/2"},
                        f"wanted a benchmark of schema {SCHEMA}, got edgecv.bench/2"),
    "another JSON": ({"name": "x"}, "got none"),
    "a list": ([1, 2], "got none"),
    "no runs": ({k: v for k, v in to_json(made_report()).items() if k != "runs"},
                "is damaged: KeyError 'runs'"),
}  # fmt: skip


@pytest.mark.parametrize(("values", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_benchmark_is_refused(values, said, tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_text(json.dumps(values))
    with pytest.raises(DataError, match=said):
        read_report(file)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"text"], ids=repr)
def test_what_is_no_json_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "b.json"
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"b\.json is no JSON"):
        read_report(file)


def test_a_file_too_large_to_be_a_report_is_not_read(tmp_path, monkeypatch) -> None:
    write_report(tmp_path / "b.json", made_report())
    monkeypatch.setattr(record, "MOST_BYTES", 1000)
    with pytest.raises(DataError, match=r"b\.json is no benchmark: it is larger"):
        read_report(tmp_path / "b.json")


def places(values: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the way to each value; of a list, to the first."""
    yield path
    if isinstance(values, dict):
        for key, value in values.items():
            yield from places(value, (*path, key))
    elif isinstance(values, list) and values:
        yield from places(values[0], (*path, 0))


def put(values: Any, path: tuple, new: Any) -> Any:
    changed = copy.deepcopy(values)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return changed


GIVEN = json.loads(json.dumps(to_json(made_report(made_run(made_round((9.0, 10.0)))))))


@pytest.mark.parametrize("new", [None, 3, "x", [], {}], ids=repr)
def test_a_damaged_value_is_told_or_harmless(new: Any, tmp_path: Path) -> None:
    file, told = tmp_path / "b.json", 0
    for path in places(GIVEN):
        if not path:
            continue
        file.write_text(json.dumps(put(GIVEN, path, new)))
        try:
            report = read_report(file)
        except DataError:
            told += 1
            continue
        rows(report), notes(report)
    assert told >= 5


def test_a_report_of_nothing_can_be_shown() -> None:
    report = made_report(made_run(rounds=()), complete=False)
    assert len(rows(report)) == len(stage_rows(report)) == 2
    assert to_csv(report).count("\n") == 1
    assert "the benchmark was stopped" in render(report)
