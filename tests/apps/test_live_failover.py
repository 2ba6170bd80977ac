"""A live run whose accelerator fails, is pulled out and comes back: a virtual Edge TPU."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from time import monotonic, sleep

import numpy as np
import pytest
from virtual_edgetpu import VirtualEdgeTpu

from edgecv import failover
from edgecv import zoo as models

NAME = "mobilenet_v1_0.25_128_quant"
pytestmark = [pytest.mark.zoo, pytest.mark.gcc]


@pytest.fixture
def tpu(edgetpu_library: Path, zoo: Path, monkeypatch) -> Callable[..., VirtualEdgeTpu]:
    """Make a virtual Edge TPU; a lost one is looked for soon."""
    monkeypatch.setattr(failover, "PROBE_SECONDS", 0.3)
    return lambda **given: VirtualEdgeTpu(edgetpu_library, twin=models.fetch(NAME), **given)


def rows(path: Path) -> tuple[list[dict], list[dict]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [row for row in found if "event" not in row], [row for row in found if "event" in row]


def words(source: str, out: Path) -> list[object]:
    return ["classify", source, "--model", NAME, "--device", "coral,cpu", "--json", out]


def test_a_run_goes_on_when_the_accelerator_fails_and_goes_back_to_it(
    edgecv, tpu, tmp_path
) -> None:
    out = tmp_path / "r.jsonl"
    with tpu(fail_after=20):
        ran = edgecv(*words("test:pattern?fps=40&frames=100", out))
    assert ran.code == 0
    results, events = rows(out)
    kinds = [event["event"] for event in events]
    assert kinds[:2] == ["device_lost", "device_back"]
    assert "going on with cpu" in events[0]["message"]
    assert results[0]["device"].startswith("coral")
    assert {row["device"].partition(":")[0] for row in results} == {"coral", "cpu"}
    assert np.diff([row["position"] for row in results]).max() < 2
    assert "device_lost" in ran.out
    assert "edgecv: coral is lost" in ran.err


def test_pulling_it_out_costs_less_than_two_seconds(edgecv, tpu, tmp_path) -> None:
    out = tmp_path / "r.jsonl"
    with tpu() as stick:

        def pull() -> None:
            while stick.calls < 20 and monotonic() < end:
                sleep(0.01)
            stick.unplug()

        end = monotonic() + 20
        puller = Thread(target=pull)
        puller.start()
        ran = edgecv(*words("test:pattern?fps=40&frames=100", out))
        puller.join()
    assert ran.code == 0
    results, events = rows(out)
    assert [event["event"] for event in events] == ["device_lost"]
    used = [row["device"].partition(":")[0] for row in results]
    assert used == sorted(used, key=["coral", "cpu"].index)
    assert used[-1] == "cpu"
    assert np.diff([row["position"] for row in results]).max() < 2


def test_no_frame_of_a_film_is_lost_with_the_accelerator(edgecv, tpu, tmp_path) -> None:
    out = tmp_path / "r.jsonl"
    with tpu(fail_after=20):
        ran = edgecv(*words("test:pattern?fps=0&frames=60&live=0", out))
    assert ran.code == 0
    results, events = rows(out)
    assert [row["frame"] for row in results] == list(range(60))
    assert events[0]["event"] == "device_lost"


def test_a_run_may_begin_without_its_first_device(edgecv, tpu, tmp_path) -> None:
    out = tmp_path / "r.jsonl"
    with tpu(devices=()):
        ran = edgecv(*words("test:pattern?fps=0&frames=5&live=0", out))
    assert ran.code == 0
    assert {row["device"] for row in rows(out)[0]} == {"cpu"}
    assert "no Edge TPU answers as 'coral'" in ran.err
