from __future__ import annotations

import sys
from pathlib import Path

import child_edgetpu
import pytest
from made_rounds import made_round

from edgecv.bench import bench as bench_module
from edgecv.bench.bench import Bench, Wishes, most_seconds, run_round
from edgecv.bench.loop import Effort
from edgecv.bench.record import to_json
from edgecv.bench.setting import Setting
from edgecv.bench.stamps import stamps
from edgecv.errors import ModelFileError

SHORT = Effort(seconds=0.0, count=5, warmup_seconds=0.05)
ABOUT = {"name": "made up", "height": 8, "width": 8, "bytes": 100}


def quietly(setting: Setting, done: int) -> None:
    pass


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[int, ...]]]:
    """Measure nothing: note which rounds are asked for; a setting of "gpu" has none."""
    asked = []

    def run(setting, folder, effort, streams):
        assert (folder / "picture").read_bytes() == b"png"
        asked.append((setting.device, streams))
        return "no GPU" if setting.device == "gpu" else made_round()

    monkeypatch.setattr(bench_module, "run_round", run)
    return asked


def bench(place: Path, *devices: str, rounds: int = 2) -> Bench:
    settings = [Setting(str(place), "tflite", device, 1) for device in devices]
    return Bench(settings, b"png", ABOUT, Wishes(rounds, SHORT, (1, 2)))


@pytest.mark.slow
def test_rounds_are_measured_in_processes_of_their_own(place: Path, picture: bytes) -> None:
    setting, wrong = (Setting(str(place), "tflite", device, 1) for device in ("cpu", "gpu"))
    made = Bench([setting, wrong], picture, ABOUT, Wishes(2, SHORT, (1,)))
    told = []
    made.measure(lambda one, done: told.append((one.device, done)))
    assert told == [("cpu", 0), ("gpu", 1), ("cpu", 2), ("gpu", 3)]
    report = made.report(notes="made up", extra={"more": 1})
    assert (report.complete, report.notes, report.extra) == (True, "made up", {"more": 1})
    good, bad = report.runs
    assert [len(one.samples_ms["end_to_end"]) for one in good.rounds] == [5, 5]
    assert [sorted(one.streams) for one in good.rounds] == [[1], []]
    assert (good.error, good.task, good.precision) == ("", "classification", "fp32")
    assert good.rounds[0].load_ms > 1  # the runtime was imported
    assert bad.rounds == ()
    assert "gpu" in bad.error


def test_settings_take_turns_and_one_that_fails_has_no_further_rounds(place, rounds) -> None:
    made = bench(place, "cpu", "gpu", rounds=3)
    assert made.total == 6
    made.measure(quietly)
    assert rounds == [("cpu", (1, 2)), ("gpu", (1, 2)), ("cpu", ()), ("cpu", ())]
    report = made.report()
    assert report.complete
    assert [(len(run.rounds), run.error) for run in report.runs] == [(3, ""), (0, "no GPU")]


@pytest.mark.parametrize("stopped_at", [0, 1, 3])
def test_what_was_measured_before_an_interrupt_is_reported(place, rounds, stopped_at) -> None:
    made = bench(place, "cpu", "gpu", rounds=3)

    def told(setting: Setting, done: int) -> None:
        if done == stopped_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made.measure(told)
    report = made.report()
    assert not report.complete
    assert len(report.runs[0].rounds) == (stopped_at + 1) // 2
    assert to_json(report)["complete"] is False


def test_a_file_that_is_gone_is_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises((ModelFileError, OSError), match=r"gone\.tflite"):
        bench(tmp_path / "gone.tflite", "cpu")


def test_the_same_setting_twice_is_measured_once(place: Path) -> None:
    assert bench(place, "cpu", "cpu", rounds=2).total == 2


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 7", "the process died (exit code 7)"),
        ("kill -9 $$", "the process died (signal 9)"),
        ("sleep 30", "no answer for 0 s"),
        ("echo no answer", "the process died (exit code 0)"),
    ],
    ids=["exit code", "killed", "hangs", "says nothing"],
)
def test_a_process_that_gives_no_answer_is_told(script, said, place, tmp_path, monkeypatch) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    patience = 0.3 if "no answer for" in said else 60
    monkeypatch.setattr(bench_module, "PATIENCE", patience)
    effort = Effort(seconds=0, count=1, most_seconds=0, warmup_seconds=0)
    assert run_round(Setting(str(place), "tflite", "cpu", 1), tmp_path, effort, ()) == said


def test_an_answer_of_an_earlier_round_is_not_taken_for_this_one(
    place, tmp_path, monkeypatch
) -> None:
    (tmp_path / "job.out").write_text('{"error": "of an earlier round"}')
    monkeypatch.setattr(sys, "executable", "/bin/false")
    found = run_round(Setting(str(place), "tflite", "cpu", 1), tmp_path, SHORT, ())
    assert found == "the process died (exit code 1)"


@pytest.mark.parametrize(
    ("effort", "streams", "seconds"),
    [
        (Effort(seconds=1, most_seconds=30, warmup_seconds=3), (), 33),
        (Effort(seconds=600, most_seconds=30, warmup_seconds=3), (), 603),
        (Effort(seconds=60, most_seconds=30, warmup_seconds=3), (1, 2, 4), 243),
    ],
    ids=["short", "longer than the most", "streams"],
)
def test_a_process_is_waited_for_as_long_as_it_measures(effort, streams, seconds) -> None:
    assert most_seconds(effort, streams) == seconds + bench_module.PATIENCE


@pytest.mark.gcc
@pytest.mark.slow
def test_a_device_that_dies_in_mid_run_is_kept_and_marked(
    child_library, picture, tmp_path, monkeypatch
) -> None:
    model = child_edgetpu.classifier(tmp_path / "tiny_edgetpu.tflite")
    child_edgetpu.plug(monkeypatch, child_library, fail_after=400, latency_us=200)
    effort = Effort(seconds=30, count=1000, warmup_seconds=0.02)
    made = Bench([Setting(str(model), "coral", "coral", 0)], picture, ABOUT, Wishes(3, effort))
    made.measure(quietly)
    run = made.report().runs[0]
    assert len(run.rounds) == 1
    assert 300 < len(run.samples()) < 400
    assert "the Edge TPU stopped answering" in run.error
    said = " ".join(stamps(run))
    assert f"failed after {len(run.samples())} passes" in said
    assert "incomplete: the Edge TPU stopped answering" in said
    assert run.precision == "int8"


@pytest.mark.gcc
@pytest.mark.slow
def test_a_device_that_is_unplugged_between_rounds_leaves_the_first(
    child_library, picture, tmp_path, monkeypatch
) -> None:
    model = child_edgetpu.classifier(tmp_path / "tiny_edgetpu.tflite")
    gone = tmp_path / "gone"
    child_edgetpu.plug(monkeypatch, child_library, gone=gone)
    made = Bench([Setting(str(model), "coral", "coral", 0)], picture, ABOUT, Wishes(2, SHORT))
    made.measure(lambda setting, done: gone.touch() if done else None)
    run = made.report().runs[0]
    assert [one.error for one in run.rounds] == [""]
    assert "no Edge TPU answers as 'coral'" in run.error
    assert stamps(run)[-1].startswith("incomplete: no Edge TPU answers")
