from __future__ import annotations

import json

import pytest
from edgecv.apps.report import Status, table, write_stats
from edgecv.apps.run import device_list

from edgecv.errors import UnknownNameError
from edgecv.stats import Stats


def stats(results: int = 11, fps: float = 5.0) -> Stats:
    """Return the figures of a run that began at 100 s."""
    made = Stats(captured=15, dropped=4, device="cpu", runtime="tflite")
    for i in range(results):
        made.add_result({"inference": 20.0, "capture_to_result": 30.0 + i}, 100 + i / fps)
    return made


def test_the_table_has_the_counts_the_speed_and_the_stages_there_were() -> None:
    made = stats()
    made.add_event("device_lost", "gone")
    made.sink_dropped["Video"] = 2
    lines = table(made).splitlines()
    assert lines[:4] == [
        "captured 15, results 11, dropped 4",
        "5.0 results a second, on cpu (tflite)",
        "events: device_lost 1",
        "dropped by outputs: Video 2",
    ]
    assert [line.split()[0] for line in lines[5:]] == ["milliseconds", "inference", "frame"]
    assert lines[6].split()[1:] == ["20.0", "20.0", "20.0"]


def test_a_run_without_results_has_a_table_too() -> None:
    assert table(Stats()).splitlines()[:3] == [
        "captured 0, results 0, dropped 0",
        "0.0 results a second, on nothing",
        "events: none",
    ]


def test_the_status_says_how_fast_how_old_where_and_how_far() -> None:
    status = Status(stats(), total=40)
    status._marks.extend([(100.0, 1), (102.0, 11)])
    assert status.text(102.5) == "5.0 fps  35 ms old  cpu  4 dropped  11/40"


def test_the_status_says_when_nothing_comes_any_more() -> None:
    assert Status(stats()).text(110.0) == "no result for 8 s"


def test_the_figures_are_written_with_what_there_is_to_say_of_the_run(tmp_path) -> None:
    write_stats(tmp_path / "s.json", stats(), {"sources": ["0"], "seconds": 2.5})
    values = json.loads((tmp_path / "s.json").read_text())
    assert (values["sources"], values["seconds"], values["results"]) == (["0"], 2.5, 11)
    assert values["latency_ms"]["inference"]["p50"] == pytest.approx(20, rel=0.01)


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("auto", ["auto"]),
        ("coral,cpu", ["coral", "cpu"]),
        ("coral:1, coral:0, cpu", ["coral:1", "coral:0", "cpu"]),
        ("HETERO:GPU,CPU", ["HETERO:GPU,CPU"]),
    ],
)
def test_devices_are_named_with_commas(text, devices) -> None:
    assert device_list(text) == devices


def test_an_unknown_device_is_refused_before_anything_is_lost() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cpu'"):
        device_list("coral,cpux")
