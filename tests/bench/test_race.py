from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from made_rounds import made_round

from edgecv.bench import race as race_module
from edgecv.bench.loop import Effort
from edgecv.bench.race import FINALS, Place, finalists, frame_ms, race, ranked
from edgecv.bench.setting import Setting


def setting(name: str, threads: int = 1) -> Setting:
    return Setting(name, "tflite", "cpu", threads)


def names(places: list[Place]) -> list[str]:
    return [place.setting.model for place in places]


class Track:
    """Times in the heat and in the finals by name, instead of processes; None for a failure."""

    def __init__(self, monkeypatch, **times: tuple[float | None, float | None]) -> None:
        self.times, self.ran, self.asked, self.told = times, [], [], []
        monkeypatch.setattr(race_module, "run_round", self._run)

    def _run(self, one, folder, effort, streams):
        assert (folder / "picture").read_bytes() == b"png"
        final = effort is race_module.FINAL
        self.ran.append((one.model, final))
        ms = self.times[one.model][final]
        return "no GPU" if ms is None else made_round([ms / 0.8] * 20)  # a fifth is reading

    def __call__(self, threads=None, faults=None) -> list[Place]:
        def fault(one: Setting) -> str:
            self.asked.append(one.model)
            return (faults or {}).get(one.model, "")

        settings = [setting(name, (threads or {}).get(name, 1)) for name in self.times]
        return race(settings, b"png", lambda *step: self.told.append(step[1:]), fault=fault)

    def finals(self) -> list[str]:
        return [name for name, final in self.ran if final]


def test_those_near_the_front_run_again_and_the_others_do_not(monkeypatch) -> None:
    track = Track(monkeypatch, slow=(40, 1), b=(12, 10), a=(10, 11))
    found = track()
    assert names(found) == ["b", "a", "slow"]
    assert sorted(track.finals()) == sorted(["a", "b"] * FINALS)
    assert found[0].time_ms == pytest.approx(10)
    assert len(found[0].times_ms) == 1 + FINALS
    assert track.told == [(i, 3) for i in range(3)] + [(i, 2 * FINALS) for i in range(2 * FINALS)]


def test_one_that_leads_alone_runs_once(monkeypatch) -> None:
    track = Track(monkeypatch, a=(10, 10), b=(30, 30))
    assert names(track()) == ["a", "b"]
    assert track.finals() == []


def test_one_that_does_not_run_is_last_with_the_reason(monkeypatch) -> None:
    found = Track(monkeypatch, dead=(None, None), a=(10, 10), late=(9, None))()
    assert names(found)[0] == "a"
    faults = {place.setting.model: place.fault for place in found}
    assert faults == {"a": "", "dead": "does not run: no GPU", "late": "does not run: no GPU"}


def test_a_round_that_ended_early_is_a_fault(monkeypatch) -> None:
    monkeypatch.setattr(race_module, "run_round", lambda *_: made_round(error="gone"))
    assert race([setting("a")], b"png", lambda *_: None)[0].fault == "fails: gone"


def test_the_fastest_that_loses_accuracy_does_not_win(monkeypatch) -> None:
    track = Track(monkeypatch, wrong=(1, 1), a=(10, 10), b=(11, 11), slow=(50, 50))
    found = track(faults={"wrong": "loses 7 points"})
    assert names(found) == ["a", "b", "slow", "wrong"]
    assert track.asked == ["wrong", "a", "b"]
    assert "wrong" not in track.finals()


def test_nobody_wins_whom_nobody_has_asked_for_accuracy(monkeypatch) -> None:
    times = {name: (10 + i / 10, 10.3) for i, name in enumerate("abcdef")}
    track = Track(monkeypatch, **times)
    found = track(threads=dict.fromkeys("abcde", 4))
    assert "f" not in track.asked
    assert names(found)[-1] == "f"  # as fast, with fewer threads, and not asked


def test_where_all_finalists_fail_the_next_take_over(monkeypatch) -> None:
    dying = {name: (10 + i / 10, None) for i, name in enumerate("abcde")}
    track = Track(monkeypatch, **dying, next=(20, 20), last=(21, 21))
    found = track()
    assert names(found)[:2] == ["next", "last"]
    assert "next" in track.asked
    assert track.finals().count("next") == FINALS
    assert track.finals().count("a") == 1


def test_a_race_of_nobody_has_no_places(monkeypatch) -> None:
    assert Track(monkeypatch)() == []


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([("a", 4, 10.0), ("b", 1, 10.2)], ["b", "a"]),
        ([("a", 4, 10.0), ("b", 1, 10.4)], ["a", "b"]),
        ([("a", 4, 10.0), ("b", 2, 10.2), ("c", 1, 10.29), ("d", 1, 10.5)], ["c", "b", "a", "d"]),
        ([("b", 1, 20.0), ("a", 1, 10.0)], ["a", "b"]),
    ],
    ids=["alike", "apart", "several alike", "in order of time"],
)
def test_of_those_that_are_alike_fewer_threads_come_first(places, expected) -> None:
    made = [Place(setting(name, threads), (ms,)) for name, threads, ms in places]
    assert names(ranked(made)) == expected


def test_a_place_has_the_median_of_its_finals() -> None:
    assert Place(setting("a"), (99.0, 10.0, 30.0, 11.0)).time_ms == 11.0
    assert Place(setting("a"), (9.0,)).time_ms == 9.0
    assert Place(setting("a")).time_ms == float("inf")


def test_no_more_than_a_handful_run_again() -> None:
    places = {setting(str(i)): Place(setting(str(i)), (10 + i / 100,)) for i in range(9)}
    assert len(finalists(places, lambda one: "")) == race_module.MOST_FINALISTS


def test_reading_the_picture_is_not_part_of_the_race() -> None:
    assert frame_ms(made_round(np.arange(1, 102))) == pytest.approx(0.8 * 91)


@pytest.mark.slow
def test_real_settings_are_timed_in_processes(place: Path, picture: bytes, monkeypatch) -> None:
    short = Effort(seconds=0, count=5, warmup_seconds=0.05)
    monkeypatch.setattr(race_module, "HEAT", short)
    real = Setting(str(place), "tflite", "cpu", 1)
    wrong = Setting(str(place), "tflite", "gpu", 0)
    found = race([wrong, real], picture, lambda *_: None)
    assert [place.setting for place in found] == [real, wrong]
    assert 0 < found[0].time_ms < float("inf")
    assert "does not run" in found[1].fault
