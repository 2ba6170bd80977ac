from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgecv.bench import sustained as module
from edgecv.bench.setting import Setting
from edgecv.bench.sustained import Sustained, sustain
from edgecv.errors import InferenceError
from edgecv.model import Model
from edgecv.spec import ModelSpec
from edgecv.testing import FakeSession

SETTING = Setting("fake", "fake", "cpu", 0)
IMAGE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch):
    """Slices of a hundredth of a second, on a model of one's own."""
    monkeypatch.setattr(module, "SLICE", 0.01)

    def use(**options) -> FakeSession:
        session = FakeSession({"scores": np.array([[0.9, 0.1]], np.float32)}, **options)
        model = Model(session, ModelSpec("fake", "classification", "classifier"))
        monkeypatch.setattr(module, "open_setting", lambda setting: model)
        return session

    return use


def series(times: list[float]) -> Sustained:
    count = len(times)
    return Sustained([float(i) for i in range(count)], times, *[[None] * count for _ in range(3)])


@pytest.mark.parametrize(
    ("times", "burst", "steady"),
    [
        ([5.0] * 5 + [6.0] * 10 + [8.0] * 5, 5.0, 8.0),
        ([5.0, 9.0], 7.0, 9.0),
        ([5.0], 5.0, 5.0),
    ],
    ids=["throttles", "two slices", "one slice"],
)
def test_the_burst_is_the_start_and_the_steady_state_the_end(times, burst, steady) -> None:
    found = series(times)
    assert (found.burst_ms, found.steady_ms) == (burst, steady)
    assert json.loads(json.dumps(found.to_dict()))["steady_ms"] == steady


def test_each_slice_has_a_median_and_what_the_machine_tells(fake) -> None:
    session = fake(latency=0.002)
    told: list[float] = []
    found = sustain(SETTING, IMAGE, 0.05, told.append)
    columns = [found.seconds, found.p50_ms, found.temperature_c, found.mhz, found.throttled]
    assert len({len(column) for column in columns}) == 1
    assert found.seconds == told == sorted(told)
    assert told[-1] > 0  # the machine is looked at behind it, which may take long
    assert min(found.p50_ms) >= 2
    assert found.error == ""
    assert session.closed


def test_a_pass_that_is_longer_than_a_slice_is_a_slice(fake) -> None:
    fake(latency=0.03)
    found = sustain(SETTING, IMAGE, 0.05, lambda seconds: None)
    assert 1 <= len(found.seconds) <= 2


def test_an_interrupt_keeps_what_there_is(fake) -> None:
    session = fake(latency=0.001)

    def told(seconds: float) -> None:
        raise KeyboardInterrupt

    found = sustain(SETTING, IMAGE, 60, told)
    assert (len(found.seconds), found.error) == (1, "interrupted")
    assert session.closed


def test_a_device_that_dies_keeps_what_there_is(fake) -> None:
    fake(latency=0.001, fail_after=100)
    found = sustain(SETTING, IMAGE, 60, lambda seconds: None)
    assert found.seconds
    assert found.error == "told to fail after 100 runs"


@pytest.mark.parametrize("fail_after", [0, 1], ids=["first run", "first slice"])
def test_a_model_that_fails_at_once_is_an_error(fake, fail_after) -> None:
    session = fake(fail_after=fail_after)
    with pytest.raises(InferenceError, match="told to fail"):
        sustain(SETTING, IMAGE, 60, lambda seconds: None)
    assert session.closed


def test_a_real_model_can_be_run_without_a_pause(place: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "SLICE", 0.01)
    found = sustain(Setting(str(place), "tflite", "cpu", 1), IMAGE, 0.03, lambda seconds: None)
    assert found.burst_ms > 0
