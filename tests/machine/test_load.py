from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from boards import plant

from edgecv.machine import CpuTimes, cpu_share, cpu_times
from edgecv.machine import load as load_module

OWN = "6060 (a) strange (name) R 6052 6052 5136 0 -1 4194304 98 0 0 0 {} 20 0 1 0 1338084\n"


def files(cpu: str, own: str = "0 0 0 0") -> dict[str, str]:
    return {"proc/stat": f"cpu  {cpu}\ncpu0 {cpu}\nctxt 1\n", "proc/self/stat": OWN.format(own)}


def test_a_snapshot_counts_processor_seconds(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(load_module, "_ticks_a_second", lambda: 100)
    plant(tmp_path, files("1000 200 300 4000 500 60 40 700 0 0", "100 50 30 20"))
    assert cpu_times(tmp_path) == CpuTimes(busy=16.0, idle=45.0, steal=7.0, own=2.0)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"proc/stat": ""}, id="no processors"),
        pytest.param({"proc/stat": "cpu 1 2 3\n"}, id="too few fields"),
        pytest.param({"proc/self/stat": ""}, id="no process"),
    ],
)
def test_a_system_that_does_not_tell_gives_none(changes, tmp_path: Path) -> None:
    assert cpu_times(plant(tmp_path, {**files("1 1 1 1 1 1 1 1 0 0"), **changes})) is None


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        pytest.param((11.0, 9.0, 0.0, 11.0), (1, 9, 0, 0), id="idle"),
        pytest.param((20.0, 0.0, 0.0, 20.0), (10, 0, 0, 0), id="all our own"),
        pytest.param((20.0, 0.0, 0.0, 15.0), (5, 0, 0, 5), id="half is of others"),
        pytest.param((15.0, 0.0, 5.0, 15.0), (5, 0, 5, 0), id="half is stolen"),
        pytest.param((20.0, 0.0, 0.0, 21.0), (10, 0, 0, 0), id="never more than all"),
    ],
)
def test_a_share_is_part_of_all_processor_time(after, expected) -> None:
    before = CpuTimes(busy=10.0, idle=0.0, steal=0.0, own=10.0)
    share = cpu_share(before, CpuTimes(*after))
    assert share is not None
    own, idle, steal, others = (value / 10 for value in expected)
    assert share == pytest.approx((own, others, steal, idle, 10.0))
    assert sum(share[:4]) == pytest.approx(1.0)


def test_no_time_gone_by_gives_none() -> None:
    moment = CpuTimes(1.0, 2.0, 3.0, 0.5)
    assert cpu_share(moment, moment) is None


def test_this_process_counts_as_its_own() -> None:
    before = cpu_times()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    after = cpu_times()
    assert before is not None
    assert after is not None
    assert after.own - before.own >= 0.05
    share = cpu_share(before, after)
    assert share is not None
    assert share.own > 0
    assert set(json.loads(json.dumps(share.to_dict()))) == set(share._fields)
