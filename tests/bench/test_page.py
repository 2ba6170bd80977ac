from __future__ import annotations

import re
from html.parser import HTMLParser

from made_rounds import QUIET, made_report, made_round, made_run

from edgecv.bench.page import render
from edgecv.bench.setting import Setting

HOT = made_round(after={**QUIET, "temperature_c": 90.0})
TPU = Setting("m_edgetpu.tflite", "coral", "coral:usb:0", 0)
NASTY = Setting("<img onerror='x'>&.tflite", "tflite", "cpu", 2)
SUSTAINED = {
    "seconds": [1.0, 2.0, 3.0], "p50_ms": [5.0, 6.0, 7.0], "temperature_c": [50.0, None, 70.0],
    "mhz": [None, None, None], "throttled": [0, 0, 0], "error": "",
}  # fmt: skip


class Reader(HTMLParser):
    """Collects what opens, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text += f" {data}"


def read(*runs, **changes) -> Reader:
    reader = Reader()
    reader.feed(render(made_report(*runs, **changes)))
    assert reader.open == []
    return reader


def test_every_run_is_on_the_page_with_what_spoiled_it() -> None:
    settings = [Setting(f"model{i}.tflite", "tflite", "cpu", 1) for i in range(3)]
    runs = [made_run(setting=setting) for setting in settings]
    page = read(*runs, made_run(HOT, setting=TPU), made_run(setting=TPU, rounds=(), error="gone"))
    for name in ("model0.tflite", "model1.tflite", "model2.tflite", "m_edgetpu.tflite"):
        assert name in page.text
    assert "4! 90 degrees C" in page.text
    assert "5! not measured: gone" in page.text
    assert "Made Up 5" in page.text
    assert page.tags.count("svg") == 1 + 4  # stages, and a distribution for each model
    assert page.tags.count("rect") == 4 * 4


def test_names_are_escaped() -> None:
    text = render(made_report(made_run(setting=NASTY), notes="<b>fan</b>"))
    assert "<img" not in text
    assert "<b>" not in text
    page = read(made_run(setting=NASTY), notes="<b>fan</b>")
    assert "<img onerror='x'>&.tflite" in page.text
    assert "<b>fan</b>" in page.text


def test_nothing_is_fetched_from_elsewhere() -> None:
    text = render(
        made_report(made_run(accuracy=0.7, metric="top1"), extra={"sustained": SUSTAINED})
    )
    addresses = re.findall(r"https?://[^\"' <]*", text)
    assert set(addresses) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\bsrc=|\bhref=|url\(|@import|<script|<link", text)


def test_a_page_without_a_measured_run_can_be_read() -> None:
    page = read(made_run(rounds=(), error="no GPU"), complete=False)
    assert "the benchmark was stopped" in page.text
    assert "1! not measured: no GPU" in page.text
    assert "svg" not in page.tags


def test_accuracy_is_drawn_against_latency_where_it_is_known() -> None:
    page = read(made_run(accuracy=0.712, metric="top1"), made_run(setting=TPU))
    assert "top1 against p90 in ms" in page.text
    assert "Accuracy" not in read().text


def test_heat_and_clock_are_drawn_where_the_machine_tells() -> None:
    page = read(extra={"sustained": SUSTAINED})
    assert "degrees C by seconds" in page.text
    assert "ms by seconds" in page.text
    assert "MHz by seconds" not in page.text
