from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import child_edgetpu
import cv2
import numpy as np
import pytest
import virtual_edgetpu
from edgecv.apps import bench as app
from made_rounds import QUIET, made_report, made_round, made_run, noisy_run
from tiny_models import relu_tflite

from edgecv.bench.record import read_report, to_json, write_report
from edgecv.bench.setting import Setting

COMMAND = [sys.executable, "-m", "edgecv.apps.cli", "bench"]
BRIEF = ("--rounds", "1", "--seconds", "0.05", "--count", "5")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return child_edgetpu.write_place_spec(relu_tflite(tmp_path / "place.tflite"))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.png"
    assert cv2.imwrite(str(file), np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    return file


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if virtual_edgetpu.compiler() is None:
        pytest.skip("no C compiler (gcc) to build the virtual Edge TPU with")
    return child_edgetpu.build(tmp_path_factory.mktemp("child_edgetpu"))


@pytest.mark.slow
def test_a_benchmark_is_printed_and_written(edgecv, place, small, tmp_path) -> None:
    files = {kind: tmp_path / f"b.{kind}" for kind in ("json", "csv", "html")}
    words = [word for kind, file in files.items() for word in (f"--{kind}", file)]
    ran = edgecv("bench", place, "--runtime", "tflite", "--image", small, *BRIEF, *words,
                 "--notes", "a fan")  # fmt: skip
    assert ran.code == 0
    report = read_report(files["json"])
    assert (report.complete, report.notes, report.picture["name"]) == (True, "a fan", "small.png")
    run = report.runs[0]
    assert run.setting == Setting(str(place), "tflite", "cpu", 1)
    assert len(run.samples()) >= 5
    assert f"{run.figures()['p90']:.2f}" in ran.out
    assert "place.tflite," in files["csv"].read_text()
    assert "place.tflite" in files["html"].read_text()


WRONG = {
    "unknown model": (["movenet_lightnin"], 2, "did you mean 'movenet_lightning_int8'"),
    "unknown ending": (["mine.tflit"], 2, "no model 'mine.tflit'"),
    "missing file": (["gone.tflite"], 1, "cannot read gone.tflite"),
    "unknown device": (["PLACE", "--device", "cpus"], 2, "did you mean 'cpu'"),
    "unknown runtime": (["PLACE", "--runtime", "tflit"], 2, "did you mean 'tflite'"),
    "a runtime for others": (["PLACE", "--runtime", "onnx"], 2, "no device 'cpu'"),
    "no picture": (["PLACE", "--image", "gone.png"], 1, "cannot read gone.png"),
    "no rounds": (["PLACE", "--rounds", "0"], 2, "rounds are a whole number from 1"),
    "no time": (["PLACE", "--seconds", "0"], 2, "wanted a time"),
    "no threads": (["PLACE", "--threads", "1,x"], 2, "whole number from 1, got x"),
    "nothing": ([], 2, "the following arguments are required"),
}


@pytest.mark.parametrize(("words", "code", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_measured_is_told(edgecv, place, words, code, said) -> None:
    ran = edgecv("bench", *(place if word == "PLACE" else word for word in words))
    assert ran.code == code
    assert said in " ".join(ran.err.split())
    assert ran.out == ""


@pytest.mark.gcc
@pytest.mark.slow
def test_a_device_that_dies_is_code_1_with_what_it_did_until_then(
    edgecv, library, small, tmp_path, monkeypatch
) -> None:
    model = child_edgetpu.classifier(tmp_path / "tiny_edgetpu.tflite")
    child_edgetpu.plug(monkeypatch, library, fail_after=900)
    out = tmp_path / "b.json"
    ran = edgecv("bench", model, "--device", "coral", "--image", small, "--seconds", "60",
                 "--json", out)  # fmt: skip
    assert ran.code == 1
    assert "1! failed after" in ran.out
    assert "the Edge TPU stopped answering" in ran.out
    values = json.loads(out.read_text())["runs"][0]
    assert (values["valid"], len(values["rounds"])) == (False, 1)
    assert len(values["rounds"][0]["samples_ms"]["inference"]) > 100


def _default_interrupt() -> None:
    """A shell starts what it puts into the background with Ctrl-C ignored; take that back."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(words: list[object], **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=_default_interrupt, env={**os.environ, **variables},
    )  # fmt: skip


def wait_for(ready: Callable[[], object], running: subprocess.Popen) -> None:
    while running.poll() is None and not ready():
        time.sleep(0.01)


@pytest.mark.slow
def test_ctrl_c_reports_what_was_measured_until_then(place, small, tmp_path) -> None:
    out, folder = tmp_path / "b.json", tmp_path / "temporary"
    folder.mkdir()
    words = [place, "--runtime", "tflite", "--image", small, "--rounds", "500",
             "--seconds", "0.05", "--count", "5", "--json", out]  # fmt: skip
    jobs: set[int] = set()

    def second_round() -> bool:
        jobs.update(job.stat().st_mtime_ns for job in folder.glob("edgecv-bench-*/job.json"))
        return len(jobs) > 1

    with started(words, TMPDIR=str(folder)) as running:
        wait_for(second_round, running)
        os.killpg(running.pid, signal.SIGINT)
        printed, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in said
    assert "interrupted: what is shown was measured until then" in said
    report = read_report(out)
    assert not report.complete
    assert 1 <= len(report.runs[0].rounds) < 500
    assert f"{report.runs[0].figures()['p90']:.2f}" in printed
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_burst_and_steady_state_are_told(edgecv, place, small, tmp_path) -> None:
    files = tmp_path / "s.json", tmp_path / "s.html"
    ran = edgecv("bench", place, "--runtime", "tflite", "--image", small, "--seconds", "0.05",
                 "--sustained", "1", "--json", files[0], "--html", files[1])  # fmt: skip
    assert ran.code == 0
    assert "s without a pause" in ran.out
    assert "first seconds" in ran.out
    found = read_report(files[0])
    assert len(found.extra["sustained"]["p50_ms"]) >= 1
    assert len(found.runs[0].rounds) == 1
    assert "Burst and steady state" in files[1].read_text()


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([made_run()], False),
        ([made_run(), made_run(rounds=(), error="refuses the model")], False),
        ([made_run(rounds=(), error="refuses the model")], True),
        ([made_run(), made_run(error="gone")], True),
    ],
    ids=["all is well", "one of several runtimes", "the only one", "in mid-run"],
)
def test_a_run_failed_when_a_model_was_not_measured_or_it_ended_early(runs, expected) -> None:
    assert app.failed(made_report(*runs)) is expected


# ---- compare


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, *runs, **changes) -> Path:
        write_report(tmp_path / name, made_report(*runs, **changes))
        return tmp_path / name

    return write


def noisy(level: float, seed: int, **options):
    return noisy_run(np.random.default_rng(seed), level, drift=0.005, **options)


@pytest.mark.parametrize(
    ("level", "code", "word"),
    [(10, 0, "no difference"), (11.5, 3, "slower"), (8.5, 0, "faster")],
    ids=["the same", "slower", "faster"],
)
def test_the_verdict_is_printed_and_slower_has_a_code(edgecv, written, level, code, word) -> None:
    before, after = written("a.json", noisy(10, 1)), written("b.json", noisy(level, 2))
    ran = edgecv("bench", "compare", before, after)
    assert (ran.code, ran.err) == (code, "")
    assert f"{word}, " in ran.out
    assert "p50 of end to end; in brackets the 99 % interval" in ran.out
    values = json.loads(edgecv("bench", "compare", before, after, "--json").out)
    assert [(one["verdict"], one["percent"], one["valid"]) for one in values] == [(word, 50, True)]


def test_a_margin_stage_and_percentile_may_be_chosen(edgecv, written) -> None:
    files = written("a.json", noisy(10, 1)), written("b.json", noisy(11.5, 2))
    assert edgecv("bench", "compare", *files, "--margin", "0.5").code == 0
    ran = edgecv("bench", "compare", *files, "--stage", "decode", "--at", "90")
    assert ran.code == 3
    assert "p90 of decode" in ran.out


def test_two_boards_are_named(edgecv, written) -> None:
    files = written("a.json"), written("b.json", machine={"board": "Another 6"})
    assert "Made Up 5 against Another 6" in edgecv("bench", "compare", *files).out


def test_a_run_that_is_not_valid_is_pointed_out(edgecv, written) -> None:
    hot = made_run(*[made_round(after={**QUIET, "temperature_c": 90.0})] * 3)
    ran = edgecv("bench", "compare", written("a.json"), written("b.json", hot))
    assert "b.json: tiny.tflite on cpu by tflite, 1 thread is not valid: 90 degrees C" in ran.err
    assert "a.json" not in ran.err


def other_version(file: Path) -> None:
    file.write_text(json.dumps({**to_json(made_report()), "schema": "edgecv.bench/0"}))


def other_model(file: Path) -> None:
    other = Setting("other.tflite", "tflite", "cpu", 1)
    write_report(file, made_report(made_run(setting=other, sha256="cd" * 32)))


INCOMPARABLE = {
    "another version": (other_version, "wanted a benchmark of schema edgecv.bench/1, got edgecv.b"),
    "another model": (other_model, "nothing to compare: the first has tiny.tflite on cpu"),
    "missing": (lambda file: None, "b.json"),
    "no JSON": (lambda file: file.write_text("text"), "is no JSON"),
    "too short": (
        lambda file: write_report(file, made_report(made_run(made_round([10.0] * 9)))),
        "wanted 25 samples or more, got 9",
    ),
}


@pytest.mark.parametrize(("write", "said"), INCOMPARABLE.values(), ids=INCOMPARABLE.keys())
def test_what_cannot_be_compared_is_code_1(edgecv, written, tmp_path, write, said) -> None:
    write(tmp_path / "b.json")
    ran = edgecv("bench", "compare", written("a.json"), tmp_path / "b.json")
    assert ran.code == 1
    assert said in ran.err
    assert ran.out == ""


@pytest.mark.gcc
@pytest.mark.slow
def test_a_slower_accelerator_is_found_by_the_command(
    edgecv, library, small, tmp_path, monkeypatch
) -> None:
    model = child_edgetpu.classifier(tmp_path / "tiny_edgetpu.tflite")
    files = []
    for name, latency_us in (("before", 20_000), ("after", 60_000)):
        child_edgetpu.plug(monkeypatch, library, latency_us=latency_us)
        files.append(tmp_path / f"{name}.json")
        ran = edgecv("bench", model, "--device", "coral", "--image", small, "--rounds", "3",
                     "--seconds", "0.1", "--count", "9", "--json", files[-1])  # fmt: skip
        assert ran.code == 0
    ran = edgecv("bench", "compare", *files)
    assert ran.code == 3
    assert "tiny_edgetpu.tflite on coral by coral" in ran.out
